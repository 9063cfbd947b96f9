"""`tiflis demo`: a workstation of our own, to try a tunnel server and a client without a real one."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from pathlib import Path

from tiflis_workstation import scenes, settings
from tiflis_workstation.invitation import SCOPES, NoInvitation, invite
from tiflis_workstation.link import Registration, RegistrationRefused
from tiflis_workstation.pairing import Pairing
from tiflis_workstation.reach import for_other_devices
from tiflis_workstation.state_file import Remembered, StateFile
from tiflis_workstation.workstation import DemoWorkstation, Listeners, Options

NAME = "demo"
ABOUT = "run a demo workstation with canned agents and show how to pair with it"
DEFAULT_STATE = Path(".tiflis") / "demo.json"
LEAST_AUTH_KEY = 16
FATAL = ("INVALID_API_KEY", "INVALID_PAYLOAD")
GUIDE = f"""The agents play scenes, chosen by the first word of your message that names one:

{scenes.guide()}

The auth key and the tunnel id are kept in the state file, so a restart is the same tunnel."""

LOCAL = """
                This works on this machine only: the server listens on loopback. For a phone start it
                with HOST=0.0.0.0, or give --url an address that the phone reaches."""
PHONE = """
                As in the QR code above, for devices in the same network. Without TLS a browser
                gives no microphone and no camera, and forgets the pairing with its tab."""
SHELL_WARNING = """
WARNING: --shell gives everyone who holds the pairing data a real shell with all rights of this user.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = GUIDE
    parser.add_argument("--url", help="the tunnel server (default: from HOST, PORT and WS_PATH)")
    parser.add_argument("--api-key", help="registration key (default: TUNNEL_REGISTRATION_API_KEY)")
    parser.add_argument("--name", default="Demo workstation", help="name shown by devices (%(default)s)")
    parser.add_argument("--auth-key", help="key for devices (default: that of the state file, or a new one)")
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="state file (%(default)s)")
    parser.add_argument(
        "--invite",
        nargs="?",
        const="full",
        choices=SCOPES,
        help="print a key for one new device, with this scope (full), instead of the workstation's own key",
    )
    parser.add_argument("--shell", action="store_true", help="terminals run a REAL shell of this machine")
    parser.add_argument(
        "--as-shipped",
        action="store_true",
        help="answer as the shipped workstation does, even where that differs from the specification",
    )
    parser.add_argument("--speed", type=float, default=1.0, help="how fast the agents work (%(default)s)")
    parser.add_argument("--seed", type=int, help="make ids and random choices repeatable")


def run(arguments: argparse.Namespace) -> int:
    found = settings.read()
    arguments.url = arguments.url or settings.server_url(found)
    try:
        api_key = arguments.api_key or settings.registration_key(found)
    except OSError as unread:
        print(f"tiflis demo: {unread.filename} cannot be read: {unread.strerror}", file=sys.stderr)
        return 2
    problem = _problem(arguments) or ("" if api_key else f"{settings.KEY} is not set; give --api-key.")
    if problem:
        print(f"tiflis demo: {problem}", file=sys.stderr)
        return 2
    if arguments.shell:
        print(SHELL_WARNING, file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(_serve(arguments, api_key))
    return 0


def main() -> None:
    """Run the command by itself, as `tiflis-workstation`."""
    parser = argparse.ArgumentParser(prog="tiflis-workstation", description=f"{ABOUT}.")
    add_arguments(parser)
    parser.add_argument(
        "--env-file", metavar="FILE", help="read the settings from this file instead of .env and .env.local"
    )
    arguments = parser.parse_args()
    if arguments.env_file:
        os.environ[settings.ENV_FILE] = arguments.env_file
    raise SystemExit(run(arguments))


def _problem(arguments: argparse.Namespace) -> str:
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
    auth_key = arguments.auth_key or remembered.auth_key or settings.new_key()
    host = Host(arguments.url, arguments.invite)

    def registered(registration: Registration) -> None:
        try:
            memory.save(arguments.url, Remembered(registration.tunnel_id, auth_key))
        except OSError as problem:
            host.trouble(f"the tunnel will be another one after a restart: {problem}")
        host.registered(registration, workstation.pairing)

    workstation = DemoWorkstation(
        arguments.url,
        api_key,
        auth_key,
        arguments.name,
        tunnel_id=remembered.tunnel_id,
        options=Options(arguments.speed, arguments.seed, arguments.shell, arguments.as_shipped),
        listeners=Listeners(registered, host.down),
    )
    try:
        await workstation.start(deadline=None, hopeless=lambda: host.refused)
        await asyncio.get_running_loop().create_future()
    except RegistrationRefused as refusal:
        print(f"tiflis demo: the server refuses this workstation. {refusal}", file=sys.stderr)
    finally:
        await workstation.stop()
    return 1


class Host:
    """Prints events at the terminal, each once."""

    def __init__(self, url: str, scope: str | None = None) -> None:
        """``scope``: of the key for a new device to be shown, None for the workstation's own key."""
        self._url, self._scope = url, scope
        self._inviting: asyncio.Task[None] | None = None
        self.refused = False
        self._tunnel_id = ""
        self._trouble = ""

    def registered(self, registration: Registration, pairing: Pairing) -> None:
        """Print how to pair, unless this tunnel was shown before."""
        again = registration.tunnel_id == self._tunnel_id
        self._tunnel_id = registration.tunnel_id
        if again:
            self._trouble = ""
            print("connected again", flush=True)
            return
        if self._scope is None:
            self._show(pairing)
        else:
            self._inviting = asyncio.create_task(self._invite(pairing, self._scope))

    async def _invite(self, own: Pairing, scope: str) -> None:
        try:
            made = await asyncio.to_thread(invite, self._url, own, scope)
        except NoInvitation as problem:
            self.trouble(f"no key for a new device: {problem}")
            return
        self._show(made.pairing, f"\n  code          {made.code}\n\nFor one device, until {made.until}.")

    def _show(self, pairing: Pairing, more: str = "") -> None:
        outside = for_other_devices(pairing)
        shown = outside or pairing
        print(f"{shown.qr_code()}\ntunnel {pairing.tunnel_id}")
        print(f"\n  web client    {pairing.web_link}")
        if outside is None:
            print(LOCAL)
        elif outside != pairing:
            print(f"\n  on a phone    {outside.web_link}{PHONE}")
        print(f"\n  magic link    {shown.magic_link}")
        print(f"\n  pairing JSON  {shown.json}")
        print(f"{more}\nWaiting for devices. Ctrl-C ends.", flush=True)

    def down(self, failure: Exception) -> None:
        """Note a lost connection; a refusal is final only at the start, as later the server may be
        changing."""
        if isinstance(failure, RegistrationRefused) and failure.code in FATAL and not self._tunnel_id:
            self.refused = True
        else:
            self.trouble(f"not connected, trying again: {failure}")

    def trouble(self, what: str) -> None:
        if what != self._trouble:
            self._trouble = what
            print(what, file=sys.stderr, flush=True)
