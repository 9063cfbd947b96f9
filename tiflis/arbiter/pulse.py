"""The watchdog: a worker whose event loop does not answer pulses is killed, so that it is replaced."""

import asyncio
import contextlib
import logging
import os
import signal
from typing import Protocol

from tiflis.arbiter.control import WorkerSession

log = logging.getLogger(__name__)

PULSE_SECONDS = 1.0
# By then its peers have reconnected elsewhere (15 s without a pong), and it would keep its tunnels for ever.
# Pulses are counted, not seconds: after a pause of the whole machine each process gets its turn.
UNANSWERED_PULSES = 20


class WorkerObserver(Protocol):
    def sessions(self) -> list[WorkerSession]:
        """Return the workers that should answer."""


async def watch_pulse(observer: WorkerObserver) -> None:
    """Send every ready worker a pulse each second, for ever; kill one that does not answer."""
    while True:
        await asyncio.sleep(PULSE_SECONDS)
        for session in observer.sessions():
            _feel(session)


def _feel(session: WorkerSession) -> None:
    """Send a worker a pulse, or kill it if it has not answered for too long.

    A worker that waits for a CPU is starved, not hung, and a restart would add to the load: time spent
    waiting for a CPU does not count. Time in which the worker runs, sleeps or is stopped does.
    """
    waited = session.cpu_wait.seconds()
    if not session.unanswered:
        session.waited = waited
    # A main process without a descriptor cannot read how long that was: no reason to end a worker.
    starved = max(0.0, waited - session.waited) / PULSE_SECONDS
    if session.unanswered - starved >= UNANSWERED_PULSES:
        log.error("worker hangs, killed", extra={"worker": session.worker_id, "pid": session.pid})
        with contextlib.suppress(ProcessLookupError):
            os.kill(session.pid, signal.SIGKILL)
        return
    if session.unanswered == UNANSWERED_PULSES:
        starving = {"worker": session.worker_id, "pid": session.pid, "pulses": round(starved)}
        log.warning("worker gets too little cpu", extra=starving)
    session.unanswered += 1
    session.send({"do": "pulse"})
