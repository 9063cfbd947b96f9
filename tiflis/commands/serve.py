"""`tiflis serve`: become the server, with as many workers as there are processors."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from tiflis import environment
from tiflis.arbiter.welcome import WISH
from tiflis.environment import ConfigError, refuse
from tiflis.processors import processors
from tiflis.values import AUTO, path, port, worker_count

NAME = "serve"
ABOUT = "start the server (runs sanic tiflis.server:app, with WORKERS workers)"
WORKERS = "WORKERS"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=workers,
        help="worker processes, or auto: one per processor that it may use (default: WORKERS, or auto)",
    )
    parser.add_argument("--host", help="address to listen on (default: HOST)")
    parser.add_argument("--port", type=port, help="port to listen on (default: PORT)")
    parser.add_argument("--unix", type=path, help="Unix socket to listen on, instead of host and port")


def workers(text: str) -> int | str:
    """Return the value of a `--workers` option."""
    try:
        return worker_count(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def run(arguments: argparse.Namespace) -> int:
    """Become the server; `refuse` a wrong WORKERS. All other settings are checked by the server."""
    try:
        wanted = arguments.workers or worker_count(environment.read({WORKERS}).values.get(WORKERS, AUTO))
    except ConfigError as problem:
        refuse(problem.lines)
    except ValueError as problem:
        refuse([f"{WORKERS} {problem}"])
    become(wanted, {name: getattr(arguments, name) for name in ("host", "port", "unix")})


def become(wanted: int | str, options: dict[str, object]) -> NoReturn:
    """Replace this process with Sanic's command and these options; an option of None is left out."""
    sanic = str(Path(sys.executable).with_name("sanic"))
    command = [sanic, "tiflis.server:app", "--workers", str(processors() if wanted == AUTO else wanted)]
    for name, value in options.items():
        command += [] if value is None else [f"--{name}", str(value)]
    if sys.stdout is not None and sys.stdout.isatty():
        os.environ.setdefault(WISH, "yes")
    signal.signal(
        signal.SIGHUP, signal.SIG_IGN
    )  # until the server takes it: a reload may be asked for at once
    os.execv(sanic, command)
