"""An event loop whose time passes only when nothing else is to be done: hours in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class VirtualLoop(asyncio.BaseEventLoop):
    """``elapsed`` is its time, in seconds. It has no descriptors: nothing comes from outside."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._selector = self
        super().__init__()

    def time(self) -> float:
        return self.elapsed

    def select(self, timeout: float | None) -> tuple[()]:
        """Instead of waiting for descriptors, let the time pass."""
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        if timeout > 0:
            self.elapsed += timeout
        return ()

    def _process_events(self, events: object) -> None: ...
    def _write_to_self(self) -> None: ...


def run(main: Coroutine[Any, Any, None]) -> float:
    """Run to the end; the seconds of the loop's own time that it took."""
    loop = VirtualLoop()
    try:
        loop.run_until_complete(main)
        return loop.elapsed
    finally:
        loop.run_until_complete(_end_all())
        loop.close()


async def _end_all() -> None:
    pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
