"""`tiflis status`: show the state of the running server, read over its control socket."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator

from tiflis.commands import running
from tiflis.commands.tables import Row, shown, table
from tiflis.ipc.control_client import Message

NAME = "status"
ABOUT = "show the workers, tunnels and devices of the running server"
STATUS_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the server's answer as JSON")
    running.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 if the state is shown, 1 if the server could not answer, 3 if no server runs."""
    answer = running.ask(arguments, "status", STATUS_SECONDS)
    if isinstance(answer, int):
        return answer
    print(json.dumps(answer, indent=2) if arguments.json else "\n".join(tables(answer)))
    return 0


def tables(answer: Message) -> Iterator[str]:
    """Return the state of the server in some lines, then its workers and tunnels; on a shared bus those of
    all hosts."""
    arbiter, workers = answer.get("arbiter") or {}, rows_of(answer.get("status"), "workers")
    tunnels = [tunnel for worker in workers for tunnel in rows_of(worker, "tunnels")]
    yield f"main process  {shown(arbiter.get('pid', '?'))}, instance {shown(arbiter.get('instance', '?'))}"
    yield f"bus           {bus_line(arbiter.get('bus'))}"
    yield f"handoffs      {handoffs_line(answer)}"
    yield f"last reload   {reload_line(arbiter.get('last_reload'))}"
    yield f"devices       {sum(count(tunnel, 'devices') for tunnel in tunnels)}"
    yield f"held messages {sum(count(tunnel, 'held') for tunnel in tunnels)}"
    yield from ("", "workers", *table(joined(rows_of(arbiter, "workers"), workers)))
    yield from ("", "tunnels", *table(tunnels))


def bus_line(bus: object) -> str:
    if not isinstance(bus, dict):
        return "NATS_URL"
    return f"embedded, process {shown(bus.get('pid', '?'))}, {shown(bus.get('restarts', 0))} restarts"


def handoffs_line(answer: Message) -> str:
    """Return a line with the number of sockets handed to other workers, by steering or a replacement."""
    handoffs = (answer.get("status") or {}).get("handoffs")
    if not isinstance(handoffs, dict):
        return "?"
    return (
        f"{count(handoffs, 'taken')} sockets taken, {count(handoffs, 'refused')} refused, "
        f"{count(handoffs, 'unknown')} closed, {shown(handoffs.get('pause_mean_ms'))} ms pause on average"
    )


def reload_line(done: object) -> str:
    """Return how long ago a reload was, how long it took, and how many sockets it moved and closed."""
    if not isinstance(done, dict):
        return "none yet"
    workers = rows_of(done, "workers")
    replaced = sum(worker.get("replaced") is True for worker in workers)
    return (
        f"{max(0, int(time.time() - float(done['ended_at'])))} s ago, took {shown(done.get('seconds'))} s: "
        f"{replaced} of {len(workers)} workers replaced, "
        f"{sum(count(worker, 'handed') for worker in workers)} sockets handed over, "
        f"{sum(count(worker, 'fell_back') for worker in workers)} fell back"
    )


def joined(of_main: list[Row], of_workers: list[Row]) -> list[Row]:
    """Return one row per worker: facts of the main process beside those of the worker itself."""
    made = {str(worker.get("worker_id")): dict(worker) for worker in of_main}
    for worker in of_workers:
        row = made.setdefault(str(worker.get("worker")), {"worker_id": worker.get("worker")})
        row |= {name: value for name, value in worker.items() if name not in ("worker", "tunnels")}
    return list(made.values())


def rows_of(answer: object, name: str) -> list[Row]:
    rows = answer.get(name) if isinstance(answer, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def count(row: Row, name: str) -> int:
    value = row.get(name)
    return value if isinstance(value, int) else 0
