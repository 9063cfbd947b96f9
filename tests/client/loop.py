"""An event loop in a thread of its own: the browser's tests are plain functions, the demo is not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")
DEADLINE = 20.0


class LoopThread:
    """Use as `with LoopThread() as loop`, then `loop.run(coroutine)`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T], deadline: float = DEADLINE) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(deadline)

    def call(self, function: Callable[[], T]) -> T:
        """Run a plain function in the loop's thread, where the objects of the loop live."""

        async def inside() -> T:
            return function()

        return self.run(inside())
