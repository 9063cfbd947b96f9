"""Writes docs/configuration.md's tables from the settings themselves: `python scripts/configuration.py`."""

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

All settings are environment variables. `.env` in the working directory is read too, and `.env.local` over
it; the environment wins over both. An empty variable counts as absent; white space and one pair of quotes
around a value are left out. Everything is checked at start: a mistake is one line per variable on stderr and
exit code 2. `tiflis check` says the same without starting.

This page is made from the code (`python scripts/configuration.py`).

## Settings

"""
LIMITS = """
## Limits and timeouts

Durations are in seconds, or written as `500ms`, `15s`, `5m` or `1h`. Sizes are in bytes, or written as
`64MiB` (of 2^20 bytes) or `64MB` (of 10^6). The numbers in brackets are sections of the tunnel protocol. Its
clients expect these defaults: change them for tests and for unusual networks only.

"""


def variable(name: str, info: FieldInfo) -> str:
    """The environment's name of a setting."""
    return str(info.validation_alias or name).upper()


def default(info: FieldInfo) -> str:
    """A setting's default as one would write it; empty if it has none."""
    value = info.default
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if any(isinstance(mark, BeforeValidator) and mark.func is size for mark in info.metadata):
        return f"`{value // MIB}MiB`" if value % MIB == 0 else f"`{value // KIB}KiB`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def table(fields: dict[str, FieldInfo]) -> str:
    """One line a setting."""
    rows = [
        f"| `{variable(name, info)}` | {default(info)} | {info.description} |"
        for name, info in fields.items()
    ]
    return "\n".join(("| variable | default | meaning |", "|---|---|---|", *rows, ""))


def page() -> str:
    """The whole page."""
    limits = Limits.model_fields
    settings = {name: info for name, info in Settings.model_fields.items() if name not in limits}
    return INTRODUCTION + table(settings) + LIMITS + table(limits)


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.name} written\n")
