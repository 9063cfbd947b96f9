"""The running server that a command talks to: where its control socket is, and one question to it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tiflis.arbiter.control import NoServer, request
from tiflis.arbiter.lines import Message
from tiflis.arbiter.run_folder import RunFolder
from tiflis.config import load

REFUSED = 1
NO_SERVER = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", type=Path, help="of the server (default: DATA_DIR)")
    parser.add_argument("--port", type=int, help="of the server (default: PORT)")


def ask(arguments: argparse.Namespace, do: str, seconds: float) -> Message | int:
    """The server's answer; an exit code, after a line on stderr, when there is none or it says no."""
    try:
        answer = request(_run_folder(arguments), do, seconds)
    except NoServer as problem:
        print(f"tiflis: {problem}", file=sys.stderr)
        return NO_SERVER
    if answer.get("ok") is not True:
        print(f"tiflis: {answer.get('error') or 'the server could not do it: see its log'}", file=sys.stderr)
        return REFUSED
    return answer


def _run_folder(arguments: argparse.Namespace) -> Path:
    """Settings are read only for what was not given."""
    data_dir, port = arguments.data_dir, arguments.port
    if data_dir is None or port is None:
        settings = load()
        data_dir = settings.data_dir if data_dir is None else data_dir
        port = settings.port if port is None else port
    return RunFolder(data_dir, port).path
