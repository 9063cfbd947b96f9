"""Settings of a server in the same folder: its registration key, and where it listens."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

from dotenv import dotenv_values

DOTENV = (".env", ".env.local")  # the later one wins, and the environment over both
ENV_FILE = "TIFLIS_ENV_FILE"  # names a file to read in their place: option --env-file
KEY = "TUNNEL_REGISTRATION_API_KEY"
DEFAULT_PORT = "3001"
DEFAULT_PATH = "/ws"


def read() -> Mapping[str, str]:
    """Return the settings of the working folder and the environment, by name, without the empty ones."""
    found: dict[str, str] = {}
    named = os.environ.get(ENV_FILE)
    for name in (named,) if named else DOTENV:
        found |= {key: value for key, value in dotenv_values(name).items() if value}
    return found | {key: value for key, value in os.environ.items() if value.strip()}


def registration_key(settings: Mapping[str, str]) -> str:
    """Return the first registration key, or an empty string."""
    return settings.get(KEY, "").split(",")[0].strip()


def server_url(settings: Mapping[str, str]) -> str:
    """Return the address of a server on this machine."""
    port = settings.get("PORT", DEFAULT_PORT).strip()
    return f"ws://127.0.0.1:{port}{settings.get('WS_PATH', DEFAULT_PATH).strip()}"


def new_key() -> str:
    """Return a random key of 256 bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)
