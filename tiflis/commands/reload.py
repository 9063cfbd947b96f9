"""`tiflis reload`: replace the workers of the running server one by one; no socket is closed."""

from __future__ import annotations

import argparse
import sys

from tiflis.commands import running
from tiflis.commands.tables import Row, shown, table
from tiflis.ipc.control_client import Message

NAME = "reload"
ABOUT = "replace the workers one by one by the code now on disk; no socket is closed"
ROLL_SECONDS = 1_800.0  # a worker may take 30 s to become ready and more to drain, and there may be many
COLUMNS = ("slot", "old_pid", "new_pid", "replaced", "handed", "fell_back")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    running.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if all workers are new and no socket was closed, 1 if not, 3 if no server runs."""
    answer = running.ask(arguments, "reload", ROLL_SECONDS)
    if isinstance(answer, int):
        return answer
    workers: list[Row] = answer.get("workers", [])
    print("\n".join(table([{name: worker.get(name) for name in COLUMNS} for worker in workers])))
    if answer.get("complete") is True:
        return 0
    for reason in reasons(answer):
        print(f"tiflis: {shown(reason)}", file=sys.stderr)
    return running.REFUSED


def reasons(answer: Message) -> list[str]:
    """Return the reasons why the reload is incomplete, as a whole and per worker."""
    told = [answer["reason"]] if answer.get("reason") else []
    for worker in answer.get("workers", []):
        told += [f"worker {worker.get('slot')}: {reason}" for reason in worker.get("reasons", [])]
        if worker.get("fell_back"):
            told.append(f"worker {worker.get('slot')}: {worker['fell_back']} sockets had to be closed")
    return told or ["not all workers are replaced: see the server's log"]
