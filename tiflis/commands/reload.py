"""`tiflis reload`: has the running server replace its workers one by one; no socket is closed."""

from __future__ import annotations

import argparse

from tiflis.commands import running

NAME = "reload"
ABOUT = "replace the workers one by one by the code now on disk; no socket is closed"
ROLL_SECONDS = 600.0  # a worker has 30 s to become ready, and there may be many


def add_arguments(parser: argparse.ArgumentParser) -> None:
    running.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """0: all workers are new; 1: the server kept an old one; 3: no server runs."""
    answer = running.ask(arguments, "reload", ROLL_SECONDS)
    if isinstance(answer, int):
        return answer
    print("all workers are replaced")
    return 0
