"""An event loop whose time passes only when nothing else is to be done: hours in seconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Patience(selectors.SelectSelector):
    """Instead of waiting for descriptors, lets the loop's time pass."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self.loop.elapsed += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """``elapsed`` is its time, in seconds."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        patience = _Patience()
        patience.loop = self
        super().__init__(patience)

    def time(self) -> float:
        return self.elapsed


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
