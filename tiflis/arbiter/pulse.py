"""The pulse of the workers: one whose event loop stands still is ended, so that it is replaced."""

import asyncio
import contextlib
import logging
import os
import signal

from tiflis.arbiter.slots import Slots

log = logging.getLogger(__name__)

PULSE_SECONDS = 1.0
# Its peers have given it up by then (15 s without a pong), and it would keep its tunnels and its place for
# ever. Pulses are counted, not seconds: after a pause of the whole machine everybody is given its turn.
UNANSWERED_PULSES = 20


async def watch_pulse(slots: Slots) -> None:
    """Feel every ready worker's pulse, for ever."""
    while True:
        await asyncio.sleep(PULSE_SECONDS)
        for session in slots.sessions():
            if session.unanswered >= UNANSWERED_PULSES:
                log.error("worker hangs, killed", extra={"worker": session.worker_id, "pid": session.pid})
                with contextlib.suppress(ProcessLookupError):
                    os.kill(session.pid, signal.SIGKILL)
            else:
                session.unanswered += 1
                session.send({"do": "pulse"})
