"""Write docs/configuration.md from the settings: `python scripts/configuration.py`."""

import sys
from pathlib import Path

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from tiflis.config import Settings
from tiflis.limits import KIB, MIB, Limits
from tiflis.values import size

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
INTRODUCTION = """\
# Configuration

All settings are environment variables. The server also reads `.env` and `.env.local` in its working
directory; `.env.local` overrides `.env`, and the environment overrides both. An empty variable counts as
unset. `NAME_FILE` may name a file that holds the value of `NAME`, such as a Docker secret. White space and
one pair of quotes around a value are removed. All settings are checked at the start: each mistake gives one
line on stderr, and the exit code is 2. `tiflis check` prints the same lines without starting the server.

This page is generated from the code (`python scripts/configuration.py`).

## Settings

"""
LIMITS = """
## Limits and timeouts

Durations are in seconds, or written as `500ms`, `15s`, `5m` or `1h`. Sizes are in bytes, or written as
`64MiB` or `64M` (of 2^20 bytes), or `64MB` (of 10^6). The numbers in brackets are sections of
[the protocol](protocol.md). Clients expect these defaults: change them only for tests and for unusual
networks.

"""


def variable(name: str, info: FieldInfo) -> str:
    """Return the environment variable of a setting."""
    return str(info.validation_alias or name).upper()


def default(info: FieldInfo) -> str:
    """Return a setting's default as a user would write it; empty if it has none."""
    value = info.default
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if any(isinstance(mark, BeforeValidator) and mark.func is size for mark in info.metadata):
        return f"`{value // MIB}MiB`" if value % MIB == 0 else f"`{value // KIB}KiB`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def table(fields: dict[str, FieldInfo]) -> str:
    """Return the table of these settings, one line per setting."""
    rows = [
        f"| `{variable(name, info)}` | {default(info)} | {info.description} |"
        for name, info in fields.items()
    ]
    return "\n".join(("| variable | default | meaning |", "|---|---|---|", *rows, ""))


def page() -> str:
    """Return the whole page."""
    limits = Limits.model_fields
    settings = {name: info for name, info in Settings.model_fields.items() if name not in limits}
    return INTRODUCTION + table(settings) + LIMITS + table(limits)


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.name} written\n")
