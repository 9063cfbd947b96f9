"""`tiflis reload`: replace the workers of the running server one by one; no socket is closed."""

from __future__ import annotations

import argparse
import sys

from tiflis.commands import running, status
from tiflis.commands.tables import Row, shown, table
from tiflis.ipc.control_client import Message

NAME = "reload"
ABOUT = "restart the workers one at a time with the code now installed; no socket is closed"
ROLL_SECONDS = 1_800.0  # a worker may take 30 s to become ready and more to drain, and there may be many
COLUMNS = ("slot", "old_pid", "new_pid", "replaced", "handed", "fell_back")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    running.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if all workers are new and no socket was closed, 1 if not, 3 if no server runs."""
    before = running.ask(arguments, "status", status.STATUS_SECONDS)
    if isinstance(before, int):
        return before
    answer = running.ask(arguments, "reload", ROLL_SECONDS)
    if isinstance(answer, int):
        return answer
    workers: list[Row] = answer.get("workers", [])
    print("\n".join(table([{name: worker.get(name) for name in COLUMNS} for worker in workers])))
    after = running.ask(arguments, "status", status.STATUS_SECONDS)
    if not isinstance(after, int):
        print(change(code_of(before), code_of(after)))
    if answer.get("complete") is True:
        return 0
    for reason in reasons(answer):
        print(f"tiflis: {shown(reason)}", file=sys.stderr)
    return running.REFUSED


def code_of(answer: Message) -> str:
    """Return version and digest of the code that this server's workers run; several if they differ."""
    own = {str(worker.get("worker_id")) for worker in status.rows_of(answer.get("arbiter"), "workers")}
    rows = [row for row in status.rows_of(answer.get("status"), "workers") if str(row.get("worker")) in own]
    return ", ".join(sorted({f"{shown(row.get('version'))} ({shown(row.get('code'))})" for row in rows}))


def change(before: str, after: str) -> str:
    """Return a line with the code before and after the reload."""
    if before == after and "," not in before:
        return f"code      {before}, not changed: nothing else was installed for these workers"
    return f"code      {before or '?'} -> {after or '?'}"


def reasons(answer: Message) -> list[str]:
    """Return the reasons why the reload is incomplete, as a whole and per worker."""
    found = [answer["reason"]] if answer.get("reason") else []
    for worker in answer.get("workers", []):
        found += [f"worker {worker.get('slot')}: {reason}" for reason in worker.get("reasons", [])]
        if worker.get("fell_back"):
            found.append(f"worker {worker.get('slot')}: {worker['fell_back']} sockets had to be closed")
    return found or ["not all workers are replaced: see the server's log"]
