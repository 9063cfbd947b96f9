"""What the bus needs from outside: a clock and a link. Tests bring their own."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from tiflis.bus.link import Listener


class Clock(Protocol):
    """The part of an event loop that the bus uses."""

    def time(self) -> float: ...
    def call_soon(self, callback: Callable[[], None], /) -> object: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> asyncio.TimerHandle: ...


class Wire(Protocol):
    """The part of a Link that the bus uses."""

    up: bool
    max_payload: int

    @property
    def writable(self) -> bool: ...
    def listen(self, listener: Listener) -> None: ...
    def subscribe(
        self, subject: str, handler: Callable[[bytes, bytes], None], queue: str | None = None
    ) -> int: ...
    def unsubscribe(self, sid: int) -> None: ...
    def publish_parts(self, subject: bytes, size: int, parts: list[bytes | memoryview]) -> bool: ...
    def flush_writes(self) -> None: ...
