"""`tiflis devices`: show the device keys of the running server, or revoke one."""

from __future__ import annotations

import argparse
import sys

from tiflis.commands import running

NAME = "devices"
ABOUT = "show the device keys of all tunnels or of one, as JSON lines, or revoke one"
SECONDS = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tunnel", nargs="?", default="", help="tunnel id (default: all tunnels)")
    parser.add_argument("--revoke", metavar="KEY_ID", help="revoke this key of the tunnel")
    running.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if the keys are shown or the key is revoked, 1 if there is no such key or the server failed,
    3 if no server runs."""
    if arguments.revoke and not arguments.tunnel:
        print("tiflis devices: --revoke needs the tunnel's id", file=sys.stderr)
        return 2
    names = [arguments.tunnel, arguments.revoke or ""]
    answer = running.ask(
        arguments, "devices", SECONDS, what="revoke" if arguments.revoke else "list", names=names
    )
    if isinstance(answer, int):
        return answer
    if arguments.revoke:
        print("revoked" if answer.get("found") else "there is no such key")
        return 0 if answer.get("found") else running.REFUSED
    running.print_lines(answer.get("rows") or [])
    return 0
