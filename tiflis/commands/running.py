"""Requests of commands to the running server over its control socket."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tiflis.arbiter.unix_listener import is_served
from tiflis.config import load
from tiflis.ipc.control_client import SOCKET_NAME, Message, NoServer, request
from tiflis.ipc.run_folder import PLACE_NAME, RunFolder

REFUSED = 1
NO_SERVER = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, help="of the server (default: DATA_DIR)")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--port", type=int, help="of the server (default: PORT, or where the only server is)")
    place.add_argument("--unix", type=Path, help="the Unix socket of a server that listens on one")


def ask(arguments: argparse.Namespace, do: str, seconds: float, **more: object) -> Message | int:
    """Return the server's answer, or an exit code after a line on stderr if there is none or it refuses."""
    try:
        answer = request(run_folder(arguments), do, seconds, **more)
    except NoServer as problem:
        print(f"tiflis: {problem}", file=sys.stderr)
        return NO_SERVER
    if answer.get("ok") is not True:
        print(f"tiflis: {answer.get('error') or 'the server could not do it: see its log'}", file=sys.stderr)
        return REFUSED
    return answer


def run_folder(arguments: argparse.Namespace) -> Path:
    """Return the folder of the server that is meant. Read the settings only for what was not given.

    Raise NoServer when several run and none is named.
    """
    data_dir, place = arguments.data_dir, arguments.unix or arguments.port
    settings = load() if data_dir is None or place is None else None
    if settings is not None:
        data_dir = data_dir or settings.data_dir
    if place is not None:
        return RunFolder(data_dir, place).path
    assert settings is not None
    return _only_one(data_dir, RunFolder(data_dir, settings.port).path)


def _only_one(data_dir: Path, usual: Path) -> Path:
    """Return the usual folder if a server runs there, else that of the only other one."""
    others = [path.parent for path in sorted(data_dir.glob(f"run-*/{SOCKET_NAME}")) if path.parent != usual]
    running = [folder for folder in others if is_served(folder / SOCKET_NAME)]
    if not running or is_served(usual / SOCKET_NAME):
        return usual
    if len(running) == 1:
        return running[0]
    places = ", ".join(place_of(folder) for folder in running)
    raise NoServer(f"several servers run with this DATA_DIR ({places}): name one with --port or --unix")


def place_of(folder: Path) -> str:
    """Return where the server of a run folder listens, in words."""
    try:
        return (folder / PLACE_NAME).read_text()
    except OSError:
        return folder.name
