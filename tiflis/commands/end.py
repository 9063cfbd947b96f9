"""`tiflis end`: close the sockets of a tunnel, of a device, or one socket, in all workers."""

from __future__ import annotations

import argparse
import sys

from tiflis.commands import running

NAME = "end"
ABOUT = "close the sockets of a tunnel, of a device, or one socket, in all workers and hosts"
END_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="what", required=True, dest="what")
    for what, names in (("tunnel", ["id"]), ("device", ["tunnel", "device"]), ("connection", ["id"])):
        one = kinds.add_parser(
            what, help="close a socket" if what == "connection" else f"close a {what}'s sockets"
        )
        for name in names:
            one.add_argument(name)
        one.set_defaults(names=names)
        running.add_arguments(one)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 after the end, 1 if there is nothing of this name or the server failed, 3 if no server
    runs."""
    names = [getattr(arguments, name) for name in arguments.names]
    answer = running.ask(arguments, "end", END_SECONDS, what=arguments.what, names=names)
    if isinstance(answer, int):
        return answer
    ended = int(answer.get("ended", 0))
    print(f"{ended} ended", file=sys.stdout if ended else sys.stderr)
    return 0 if ended else running.REFUSED
