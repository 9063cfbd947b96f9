"""`tiflis audit`: print the commands that devices have sent, oldest first."""

from __future__ import annotations

import argparse

from tiflis.commands import running

NAME = "audit"
ABOUT = "print the types and sizes of devices' messages, and changes of their keys, as JSON lines"
SECONDS = 20.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tunnel", nargs="?", default="", help="tunnel id (default: all tunnels)")
    parser.add_argument("--since", type=int, default=0, help="print only entries after this position")
    running.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if all entries are printed, 1 if the server could not answer, 3 if no server runs."""
    since, more = arguments.since, True
    while more:
        answer = running.ask(
            arguments, "devices", SECONDS, what="audit", names=[arguments.tunnel, str(since)]
        )
        if isinstance(answer, int):
            return answer
        running.print_lines(answer.get("entries") or [])
        since, more = int(answer.get("next", since)), bool(answer.get("more"))
    return 0
