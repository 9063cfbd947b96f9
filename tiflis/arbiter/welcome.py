"""The text for a person at a terminal once the server serves: its addresses, and the next steps."""

import contextlib
import os
import shutil
import socket
import sys
from pathlib import Path

from tiflis.config import Settings
from tiflis.ipc.run_folder import Place

WISH = "TIFLIS_WELCOME"  # set by `tiflis serve` at a terminal; NEW_KEY when the key was made for this start
NEW_KEY = "new key"
STDOUT = 1
LOOPBACK = ("127.0.0.1", "::1", "localhost")
ANY = ("0.0.0.0", "::")


def say(settings: Settings, place: Place, host: str) -> None:
    """Write the text to standard output, if it was asked for."""
    wish = os.environ.get(WISH)
    if wish:
        text = on_unix(settings, place) if isinstance(place, Path) else on_port(settings, place, host)
        with contextlib.suppress(OSError):
            os.write(STDOUT, f"\n{text}{key(settings, wish == NEW_KEY)}{end()}".encode())


def on_port(settings: Settings, port: int, host: str, lan: str | None = None) -> str:
    """Return the lines on addresses of a server that listens on a port of ``host``."""
    here = f"localhost:{port}" if host in (*ANY, *LOOPBACK) else f"{bracketed(host)}:{port}"
    lan = lan or lan_address()
    there = f"{lan}:{port}" if host in ANY and lan else here
    client = settings.public_base_url or f"http://{here}"
    lines = ["Tiflis tunnel is ready", "", f"Web client    {client}"]
    if settings.public_base_url is None and there != here:
        lines.append(f"              http://{there}   from other devices in this network")
    elif settings.public_base_url is None and host in LOOPBACK:
        lines.append(f"              from this machine only: HOST={host}")
    lines.append(f"Workstation   tunnel  {tunnel(settings, there)}")
    return "".join(f"  {line}".rstrip() + "\n" for line in lines)


def on_unix(settings: Settings, place: Path) -> str:
    """Return the lines on a server that listens on a Unix socket."""
    outside = settings.public_base_url or "the address of the proxy in front"
    return f"""  Tiflis tunnel is ready

  Listens       unix:{place}   (for a proxy; TRUST_PROXY=unix accepts its X-Forwarded-*)
  Web client    {outside}
"""


def key(settings: Settings, is_new: bool) -> str:
    """Return the line on the registration key, which is shown once, when it is new."""
    if not is_new:
        return "                key     TUNNEL_REGISTRATION_API_KEY, as in .env or the environment\n"
    value = settings.registration_keys[0].get_secret_value()
    return f"                key     {value}   (new, kept in .env)\n"


def end() -> str:
    """Return the lines on what to do next."""
    command = called()
    return f"""\
  Try it        make demo, or {command} demo, in another terminal: a workstation with canned agents
  Look          {command} status
  Stop          Ctrl-C

"""


def called() -> str:
    """Return the command as a person in this folder can type it: `make run` does not put it on the path."""
    if shutil.which("tiflis"):
        return "tiflis"
    own = Path(sys.executable).with_name("tiflis")
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def tunnel(settings: Settings, authority: str) -> str:
    """Return the URL at which workstations connect."""
    base = settings.public_base_url or f"http://{authority}"
    scheme, _, rest = base.partition("://")
    return f"{'wss' if scheme in ('https', 'wss') else 'ws'}://{rest}{settings.ws_path}"


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def lan_address() -> str | None:
    """Return this machine's own address in its network, None without one. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of RFC 5737: the route to it is the default one
            address = str(probe.getsockname()[0])
        except OSError:
            return None
    return None if address.startswith("127.") or address == "0.0.0.0" else address
