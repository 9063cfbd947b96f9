"""`tiflis demo`: a workstation of our own, to try a tunnel server and a client without a real one."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import sys
from pathlib import Path

from dotenv import dotenv_values

from tiflis.demo import scenes
from tiflis.demo.link import Registration, RegistrationRefused
from tiflis.demo.state_file import Remembered, StateFile
from tiflis.demo.workstation import DemoWorkstation, Listeners, Options

NAME = "demo"
ABOUT = "run a demo workstation with canned agents and show how to pair with it"
API_KEY_VARIABLE = "TUNNEL_REGISTRATION_API_KEY"
ENV_FILES = (".env.local", ".env")
DEFAULT_STATE = Path(".tiflis") / "demo.json"
LEAST_AUTH_KEY = 16
FATAL = ("INVALID_API_KEY", "INVALID_PAYLOAD")
GUIDE = f"""The agents play scenes, chosen by the first word of your message that names one:

{scenes.guide()}

The auth key and the tunnel id are kept in the state file, so a restart is the same tunnel."""

SHELL_WARNING = """
WARNING: --shell gives everyone who holds the pairing data a real shell with all rights of this user.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = GUIDE
    parser.add_argument("--url", default="ws://127.0.0.1:3001/ws", help="the tunnel server (%(default)s)")
    parser.add_argument("--api-key", help=f"registration key (default: {API_KEY_VARIABLE} or .env)")
    parser.add_argument("--name", default="Demo workstation", help="as devices see it (%(default)s)")
    parser.add_argument("--auth-key", help="what devices authenticate with (default: remembered, or made)")
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="state file (%(default)s)")
    parser.add_argument("--shell", action="store_true", help="terminals run a REAL shell of this machine")
    parser.add_argument("--speed", type=float, default=1.0, help="how fast the agents work (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="decides ids and chance (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    api_key = arguments.api_key or api_key_from_surroundings()
    problem = _problem(arguments, api_key)
    if problem:
        print(f"tiflis demo: {problem}", file=sys.stderr)
        return 2
    if arguments.shell:
        print(SHELL_WARNING, file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(_serve(arguments, api_key))
    return 0


def api_key_from_surroundings() -> str:
    """The first registration key of the environment or of an .env file here; "" when there is none."""
    found = os.environ.get(API_KEY_VARIABLE) or next(
        (value for file in ENV_FILES if (value := dotenv_values(file).get(API_KEY_VARIABLE))), ""
    )
    return found.split(",")[0].strip()


def _problem(arguments: argparse.Namespace, api_key: str) -> str:
    if not api_key:
        return f"no registration key. Set {API_KEY_VARIABLE}, or give --api-key."
    if arguments.auth_key is not None and len(arguments.auth_key.strip()) < LEAST_AUTH_KEY:
        return f"--auth-key needs at least {LEAST_AUTH_KEY} characters."
    if arguments.speed <= 0:
        return "--speed must be above 0."
    if not arguments.url.startswith(("ws://", "wss://")):
        return "--url must begin with ws:// or wss://."
    return ""


async def _serve(arguments: argparse.Namespace, api_key: str) -> int:
    memory = StateFile(arguments.state)
    remembered = memory.load(arguments.url)
    auth_key = arguments.auth_key or remembered.auth_key or secrets.token_urlsafe(24)
    refused: list[RegistrationRefused] = []

    def registered(registration: Registration) -> None:
        memory.save(arguments.url, Remembered(registration.tunnel_id, auth_key))
        _welcome(workstation, registration)

    def down(failure: Exception) -> None:
        print(f"not connected: {failure}; trying again", file=sys.stderr, flush=True)
        if isinstance(failure, RegistrationRefused) and failure.code in FATAL:
            refused.append(failure)

    workstation = DemoWorkstation(
        arguments.url,
        api_key,
        auth_key,
        arguments.name,
        tunnel_id=remembered.tunnel_id,
        options=Options(arguments.speed, arguments.seed, arguments.shell),
        listeners=Listeners(registered, down),
    )
    try:
        await workstation.start(deadline=None)
        await workstation.until(lambda: bool(refused))
    finally:
        await workstation.stop()
    print("tiflis demo: the server refuses this registration key.", file=sys.stderr)
    return 1


def _welcome(workstation: DemoWorkstation, registration: Registration) -> None:
    pairing = workstation.pairing
    if not registration.restored:
        print(pairing.qr_code())
    print(f"registered as tunnel {registration.tunnel_id}{' (restored)' if registration.restored else ''}\n")
    print(f"  web client   {pairing.web_link}")
    print(f"  magic link   {pairing.magic_link}")
    print(f"  pairing JSON {pairing.json}\n")
    print("Waiting for devices. Ctrl-C ends.", flush=True)
