"""`make run`: a development key where there is none, a word on where to go, and then the server itself."""

import argparse
import os
import sys
from pathlib import Path

from dotenv import dotenv_values

from tiflis.commands.keygen import new_key
from tiflis.config import DOTENV, Settings, load

KEY = "TUNNEL_REGISTRATION_API_KEY"
BIN = Path(sys.executable).parent


def ensure_key(folder: Path) -> bool:
    """Write a new key into .env, readable by its owner alone. Return False if a key is set already."""
    if os.environ.get(KEY) or any(dotenv_values(folder / name).get(KEY) for name in DOTENV):
        return False
    file = os.open(folder / DOTENV[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(file, "a") as lines:
        os.fchmod(file, 0o600)
        lines.write(f"\n{KEY}={new_key()}\n" if lines.tell() else f"{KEY}={new_key()}\n")
    return True


def welcome(settings: Settings, is_new: bool, unix: str | None = None) -> str:
    """Return the text that says where the server will be and how to connect a workstation and a phone."""
    host = "localhost" if settings.host in ("0.0.0.0", "::", "127.0.0.1") else settings.host
    address = f"{host}:{settings.port}"
    base = settings.public_base_url or f"http://{address}"
    key = settings.registration_keys[0].get_secret_value() if is_new else "the one in .env or the environment"
    tunnel = f"ws://{address}{settings.ws_path}"
    note = "   (new, kept in .env)" if is_new else ""
    if unix is not None:
        outside = settings.public_base_url or "the address of the proxy in front"
        return f"""
  Tiflis tunnel

  Listens           unix:{unix}   (for a proxy; TRUST_PROXY=unix has its X-Forwarded-* count)
  Web client        {outside}
  Workstation       key     {key}{note}
  Look              {os.path.relpath(BIN / "tiflis")} status --unix {unix}
  Stop              Ctrl-C
"""
    return f"""
  Tiflis tunnel

  Web client        {base}
  Try it            make demo   (in another terminal; prints a link to pair with)
  Workstation       tunnel  {tunnel}
                    key     {key}{note}
  Stop              Ctrl-C
"""


def main() -> None:
    """Become the server, which takes all further arguments."""
    is_new = ensure_key(Path.cwd())
    given = argparse.ArgumentParser(add_help=False)
    given.add_argument("--unix")
    print(welcome(load(), is_new, given.parse_known_args()[0].unix), flush=True)
    command = str(BIN / "sanic")
    os.execv(command, [command, "tiflis.server:app", *sys.argv[1:]])


if __name__ == "__main__":
    main()
