"""`tiflis rekey`: let a tunnel's workstation change its key and keep the tunnel with its devices."""

from __future__ import annotations

import argparse
import sys

from tiflis.commands import running

NAME = "rekey"
ABOUT = "accept another key from the tunnel's workstation, once, at its next registration within 10 minutes"
SECONDS = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tunnel", help="tunnel id")
    running.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if the server now accepts another key, 1 if there is no such tunnel or the server failed, 3 if
    no server runs."""
    answer = running.ask(arguments, "devices", SECONDS, what="rekey", names=[arguments.tunnel, ""])
    if isinstance(answer, int):
        return answer
    if not answer.get("found"):
        print("there is no such tunnel", file=sys.stderr)
        return running.REFUSED
    print("start the workstation with its new key within 10 minutes; it has to request this tunnel's id")
    return 0
