"""`tiflis takeover`: start this installation's server in place of the running one; no socket is closed."""

from __future__ import annotations

import argparse
import os

from tiflis.commands import running
from tiflis.commands.serve import become, workers
from tiflis.commands.status import rows_of

NAME = "takeover"
ABOUT = "start this installation's server in place of the one that runs; no socket is closed"
STATUS_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    running.add_arguments(parser)
    parser.add_argument(
        "--workers",
        type=workers,
        help="worker processes, or auto (default: as many as the running server has)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Become the server, with the place and the DATA_DIR of the running one. Return an exit code only if no
    server runs or it does not answer."""
    status = running.ask(arguments, "status", STATUS_SECONDS)
    if isinstance(status, int):
        return status
    folder = running.run_folder(arguments)
    os.environ |= {"TAKEOVER": "1", "DATA_DIR": str(folder.parent)}
    wanted = arguments.workers or len(rows_of(status.get("arbiter"), "workers")) or 1
    become(wanted, running.option_of(folder))
