"""`tiflis takeover`: start this installation's server in place of the running one; no socket is closed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tiflis.commands.running import ask
from tiflis.commands.serve import become
from tiflis.commands.status import rows_of

NAME = "takeover"
ABOUT = "start this installation's server in place of the one that runs; no socket is closed"
STATUS_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unix", type=Path, help="the Unix socket of the server that runs, if it is on one")
    parser.add_argument(
        "--workers", type=int, help="worker processes (default: as many as the running server has)"
    )
    parser.set_defaults(data_dir=None, port=None)


def run(arguments: argparse.Namespace) -> int:
    """Become the server; return only if none runs or it cannot be started."""
    status = ask(arguments, "status", STATUS_SECONDS)
    if isinstance(status, int):
        return status
    workers = arguments.workers or len(rows_of(status.get("arbiter"), "workers")) or 1
    os.environ["TAKEOVER"] = "1"
    become(workers, {"unix": arguments.unix})
