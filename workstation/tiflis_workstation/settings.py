"""Settings of a server in the same folder: its registration key, and where it listens."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

DOTENV = (".env", ".env.local")  # the later one wins, and the environment over both
ENV_FILE = "TIFLIS_ENV_FILE"  # names a file to read in their place: option --env-file
KEY = "TUNNEL_REGISTRATION_API_KEY"
IN_A_FILE = "_FILE"  # NAME_FILE names a file with the value of NAME
ANY = ("0.0.0.0", "::")  # the server then listens on loopback too
LOOPBACK = "127.0.0.1"
DEFAULT_PORT = "3001"
DEFAULT_PATH = "/ws"


def read() -> Mapping[str, str]:
    """Return the settings of the working folder and the environment as the server reads them: by upper-case
    name, without quotes around values and without the empty ones."""
    found: dict[str, str | None] = {}
    named = os.environ.get(ENV_FILE)
    for name in (named,) if named else DOTENV:
        found |= {key.upper(): value for key, value in dotenv_values(name).items() if value}
    found |= {key.upper(): value for key, value in os.environ.items() if value.strip()}
    return {key: value.strip().strip("\"'").strip() for key, value in found.items() if value}


def registration_key(settings: Mapping[str, str]) -> str:
    """Return the first registration key, or an empty string. Raise OSError if the file with it cannot be
    read."""
    keys = settings.get(KEY, "")
    if not keys and (file := settings.get(KEY + IN_A_FILE)):
        keys = Path(file).read_text(encoding="utf-8")
    return keys.split(",")[0].strip()


def server_url(settings: Mapping[str, str]) -> str:
    """Return the address of a server on this machine."""
    host, port = settings.get("HOST", LOOPBACK), settings.get("PORT", DEFAULT_PORT)
    host = LOOPBACK if host in ANY else f"[{host}]" if ":" in host else host
    return f"ws://{host}:{port}{settings.get('WS_PATH', DEFAULT_PATH)}"


def new_key() -> str:
    """Return a random key of 256 bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)
