"""Sanic's record of its workers, kept in the main process itself.

Sanic keeps it in a process of its own, which all others reach through proxies: when that process dies, every
use of the record in the main process raises, and the server ends. Only the main process reads it; workers
report their states over the control socket instead.
"""

from typing import Any

from sanic.mixins import startup


class WorkerState:
    """Stands in for the multiprocessing manager that Sanic makes when it starts to serve."""

    def dict(self) -> dict[str, Any]:
        """Return the record; a worker gets a copy of it when it is started."""
        return {}

    def shutdown(self) -> None:
        """Do nothing: there is no process to end."""


def keep_in_main() -> None:
    """Have Sanic use WorkerState from the next call of `Sanic.serve` on: Sanic has no way to pass one in."""
    startup.Manager = WorkerState  # type: ignore[attr-defined, assignment]  # all of it that is used
