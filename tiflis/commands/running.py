"""Requests of commands to the running server over its control socket."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tiflis import environment
from tiflis.arbiter.unix_listener import is_served
from tiflis.environment import ConfigError, refuse
from tiflis.ipc.control_client import SOCKET_NAME, Message, NoServer, request
from tiflis.ipc.run_folder import PLACE_NAME, RunFolder
from tiflis.values import path, port

SUDO = "cannot be read by this user, use sudo"
REFUSED = 1
NO_SERVER = 3
# Where a server keeps its files: DATA_DIR's default, that of the systemd unit, that of the image.
USUAL = (Path(".tiflis"), Path("/var/lib/tiflis"), Path("/var/lib/tiflis/data"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    usual = ", ".join(map(str, USUAL))
    parser.add_argument(
        "--data-dir", type=path, help=f"the server's DATA_DIR (default: DATA_DIR, else one of {usual})"
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--port", type=port, help="the server's port (default: PORT, or the only server's)")
    place.add_argument("--unix", type=path, help="the server's Unix socket, if it listens on one")


def print_lines(rows: Iterable[object]) -> None:
    """Print rows as JSON lines, with unprintable characters escaped: peers choose the names in them."""
    unicode = sys.stdout.encoding.lower().startswith("utf")
    for row in rows:
        text = json.dumps(row, ensure_ascii=not unicode)
        print("".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text))


def ask(arguments: argparse.Namespace, do: str, seconds: float, **more: object) -> Message | int:
    """Return the server's answer, or an exit code after a line on stderr if there is none or it refuses."""
    try:
        answer = request(run_folder(arguments), do, seconds, **more)
    except ConfigError as problem:
        refuse(problem.lines)
    except NoServer as problem:
        hidden = f"; {SUDO}" if isinstance(problem.__cause__, PermissionError) else ""
        print(f"tiflis: {problem}{hidden}", file=sys.stderr)
        return NO_SERVER
    if answer.get("ok") is not True:
        print(f"tiflis: {answer.get('error') or 'the server could not do it: see its log'}", file=sys.stderr)
        return REFUSED
    return answer


def run_folder(arguments: argparse.Namespace) -> Path:
    """Return the run folder of the server that the options name, else the one of DATA_DIR and PORT, else that
    of the only server in a usual place. No other setting is read, so no key is needed.

    Raise NoServer when none or several run, ConfigError when the settings cannot be read.
    """
    place = arguments.unix or arguments.port
    if arguments.data_dir is not None and place is not None:
        return RunFolder(arguments.data_dir, place).path
    found = _settings(arguments.data_dir is not None)
    named = arguments.data_dir or _data_dir(found.get("DATA_DIR"))
    folders = [named] if named else list(USUAL)
    running = [folder for data_dir in folders for folder in _running(data_dir)]
    wanted = place if place is not None else _port(found.get("PORT"))
    of_place = [folder for folder in running if folder.name == RunFolder(Path(), wanted).path.name]
    return _only(of_place or ([] if place is not None else running), folders)


def _settings(is_named: bool) -> dict[str, str]:
    """Return DATA_DIR and PORT. If the folder is named, files that cannot be read do not matter: they may be
    those of another program. Raise ConfigError otherwise."""
    try:
        return environment.read({"DATA_DIR", "PORT"}).values
    except ConfigError:
        if is_named:
            return {}
        raise


def _data_dir(text: str | None) -> Path | None:
    try:
        return path(text) if text else None
    except ValueError as problem:
        raise ConfigError([f"DATA_DIR {problem}"]) from None


def _port(text: str | None) -> int:
    try:
        return int(text or "3001")
    except ValueError:
        raise ConfigError(["PORT must be a whole number"]) from None


def _running(data_dir: Path) -> Iterator[Path]:
    """Yield the run folders of the servers that run with this DATA_DIR."""
    with contextlib.suppress(PermissionError):
        for socket in sorted(data_dir.absolute().glob(f"run-*/{SOCKET_NAME}")):
            if is_served(socket):
                yield socket.parent


def _only(running: list[Path], folders: list[Path]) -> Path:
    if len(running) == 1:
        return running[0]
    if running:
        places = ", ".join(f"--data-dir {folder.parent} ({place_of(folder)})" for folder in running)
        raise NoServer(f"several servers run: {places}; name one with --data-dir, and --port or --unix")
    looked_into = [path for folder in folders for path in (folder, *sorted(_run_folders(folder)))]
    closed = [str(path) for path in looked_into if not _may_look_into(path)]
    hidden = f"; {', '.join(closed)} {SUDO}" if closed else ""
    raise NoServer(f"no server answers in {', '.join(map(str, folders))}{hidden}")


def _run_folders(data_dir: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from data_dir.glob("run-*")


def _may_look_into(folder: Path) -> bool:
    try:
        os.scandir(folder).close()
    except PermissionError:
        return False
    except OSError:
        return True
    return True


def place_of(folder: Path) -> str:
    """Return the place where the server of a run folder listens, such as `port 3001`."""
    try:
        return (folder / PLACE_NAME).read_text("utf-8", "surrogateescape")
    except OSError:
        return folder.name


def option_of(folder: Path) -> dict[str, object]:
    """Return the option of `tiflis serve` for the place where the server of this run folder listens."""
    kind, _, place = place_of(folder).partition(":")
    return {"unix": place} if kind == "unix" else {"port": kind.removeprefix("port ").removeprefix("run-")}
