"""Checks before a start: the bus's URL, the data folder, addresses; for the start and for `tiflis check`."""

import contextlib
import errno
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tiflis.bus.errors import BadBusUrl
from tiflis.bus.nats.servers import parse_urls
from tiflis.config import Settings
from tiflis.ipc.run_folder import Place, RunFolder
from tiflis.ipc.safe_place import Unsafe, require_safe

# Workers of a killed server hold its port until they have seen its death (ORPHAN_SECONDS).
TAKE_OVER_SECONDS = 3.0
POLL_SECONDS = 0.05
ROOM_BYTES = 64 * 1024  # written to test that a folder's disk has room
_ANY = ("0.0.0.0", "::")
_RIGHTS = "a port below 1024 needs CAP_NET_BIND_SERVICE: use another one, or a proxy in front"
_PORT_REMEDIES = {
    errno.EADDRINUSE: "end the program that uses it, or use another port",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
}


def bus_mistake(settings: Settings) -> str | None:
    """Return why NATS_URL cannot be understood, or None."""
    try:
        if settings.nats_url is not None:
            parse_urls(settings.nats_url.get_secret_value())
    except BadBusUrl as problem:
        return str(problem)
    return None


def folder_mistake(data_dir: Path, place: Place) -> str | None:
    """Return why the server cannot keep its files in DATA_DIR, or None. Leaves no file behind."""
    wrong = _folder_mistake(data_dir, place)
    return f"{wrong}; mend that, or set another DATA_DIR" if wrong else None


def _folder_mistake(data_dir: Path, place: Place) -> str | None:
    folder = RunFolder(data_dir, place)
    own = (folder.data_dir, folder.path, folder.data_dir / "nats")
    try:
        require_safe(folder.data_dir)
        if not os.path.lexists(folder.data_dir):
            there = next(parent for parent in folder.data_dir.parents if parent.exists())
            return _unwritable(data_dir, there)
        wrong = (_unwritable(data_dir, one) for one in own if os.path.lexists(one))
        return next((line for line in wrong if line), None) or _strange(data_dir, folder.path)
    except Unsafe as problem:
        return f"DATA_DIR {data_dir} cannot be used: {problem}"
    except OSError as problem:
        return f"DATA_DIR {data_dir} is not writable: {problem.strerror}"


def _unwritable(data_dir: Path, place: Path) -> str | None:
    """Return why no file can be written in `place`, or None."""
    which = "" if place == data_dir.absolute() else f": {place}"
    if place.is_symlink() and not place.exists():
        return f"DATA_DIR {data_dir} is not writable: {place} is a symbolic link that leads nowhere"
    if not place.is_dir():
        return f"DATA_DIR {data_dir} is not writable: {place} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(ROOM_BYTES))
            file.flush()
    except OSError as problem:
        return f"DATA_DIR {data_dir} is not writable{which}: {problem.strerror}"
    return None


def _strange(data_dir: Path, run_folder: Path) -> str | None:
    """Return the error if the run folder is a link or another user's: it holds keys of the bus. None if it is
    ours."""
    if not os.path.lexists(run_folder):
        return None
    if run_folder.is_symlink():
        return f"DATA_DIR {data_dir} cannot be used: {run_folder} is a symbolic link, or no folder"
    owner, user = run_folder.stat().st_uid, os.geteuid()
    if user != owner:
        return f"DATA_DIR {data_dir} cannot be used: {run_folder} belongs to user {owner}, this one is {user}"
    return None


def address_mistake(host: str, port: int, patience: float = TAKE_OVER_SECONDS, names: str = "") -> str | None:
    """Return why the address cannot be listened on, or None. Waits up to `patience` seconds until it is free.

    ``names``: what the two variables begin with, such as ``METRICS_``.
    """
    end = time.monotonic() + patience
    while (problem := _bound(host, port)) is not None:
        if problem.errno != errno.EADDRINUSE or time.monotonic() > end:
            break
        time.sleep(POLL_SECONDS)
    if problem is None:
        return None
    if problem.errno in _PORT_REMEDIES:
        remedy = _PORT_REMEDIES[problem.errno]
        return f"{names}PORT {port} cannot be listened on at {host}: {problem.strerror}; {remedy}"
    return f"{names}HOST {host} cannot be listened on: {problem.strerror}; use an address of this machine"


def free_port(host: str) -> int:
    """Return a port on which nothing listens at this address; 0 if there is none."""
    with contextlib.suppress(OSError, ValueError):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])
    return 0


def _bound(host: str, port: int) -> OSError | None:
    """Listen on the address for a moment; return the error of a failure, or None."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
    except OSError as problem:
        return problem
    except (UnicodeError, OverflowError):  # a name such as a..b, or a port above 65535
        return OSError(errno.EINVAL, "it is no valid address")
    return None


def metrics_mistakes(
    settings: Settings, host: str, port: int, patience: float = TAKE_OVER_SECONDS
) -> Iterator[str]:
    """Yield mistakes in METRICS_PORT and METRICS_HOST, given the server's own address."""
    if not settings.metrics_port:
        return
    hosts = {host, settings.metrics_host}
    if settings.metrics_port == port and (len(hosts) == 1 or hosts & set(_ANY)):
        yield f"METRICS_PORT {port} must be another port than PORT"
    elif wrong := address_mistake(settings.metrics_host, settings.metrics_port, patience, "METRICS_"):
        yield wrong
