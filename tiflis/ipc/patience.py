"""Retries: a step of a process that fails is logged and tried again, after growing pauses."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

# Seconds before the next try, by how many have failed in a row. The longest leaves most of the 10 s within
# which the server is whole again after a lack of processes, threads, descriptors or memory.
PAUSES = (0.1, 0.5, 1.0, 2.0, 3.0)


def pause_after(failures: int) -> float:
    """Return the seconds to wait after this number of failures in a row, at least one."""
    return PAUSES[min(failures, len(PAUSES)) - 1]


OF_MAIN = "step of the main process failed, trying again"


async def keep_trying(step: Callable[[], Awaitable[None]], name: str, event: str = OF_MAIN) -> None:
    """Run `step` until it returns; when it raises, log `event` and run it again after a growing pause.

    For loops that normally run for ever: after one that has worked for a while, the pauses begin anew.
    """
    loop, failures = asyncio.get_running_loop(), 0
    while True:
        began = loop.time()
        try:
            return await step()
        except Exception as problem:  # whatever failed, the workers go on serving
            failures = 1 if loop.time() - began > PAUSES[-1] else failures + 1
            pause = pause_after(failures)
            fields = {"step": name, "reason": reason_of(problem), "wait": pause}
            log.error(event, exc_info=failures == 1, extra=fields)
            await asyncio.sleep(pause)


def reason_of(problem: BaseException) -> str:
    """Return the error's text, or its class name if it has none."""
    return str(problem) or type(problem).__name__
