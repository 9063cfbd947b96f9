"""`tiflis takeover`: start this installation's server in place of the running one; no socket is closed."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

NAME = "takeover"
ABOUT = "start this installation's server in place of the one that runs; no socket is closed"
DEFAULT_WORKERS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unix", type=Path, help="the Unix socket of the server that runs, if it is on one")
    parser.add_argument(
        "--workers", type=int, default=DEFAULT_WORKERS, help="worker processes (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Become the server; return only if that cannot be started."""
    sanic = str(Path(sys.executable).with_name("sanic"))
    command = [sanic, "tiflis.server:app", "--workers", str(arguments.workers)]
    if arguments.unix is not None:
        command += ["--unix", str(arguments.unix)]
    os.environ["TAKEOVER"] = "1"
    os.execv(sanic, command)
