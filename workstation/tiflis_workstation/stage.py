"""The surroundings of the pretended agents: time, chance, the shelf of sounds, and the way to the devices."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tiflis_workstation.sound import SoundShelf

ID_BITS = 48  # of chance in an id: enough that a device never meets one of an earlier life again


def iso(seconds: float) -> str:
    """Return a time of the wall clock as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Stage:
    """`now` is the wall clock in seconds; `speed` divides every pause and may be changed at any time.

    `writable` returns when the devices have room for more. `grace` is the number of seconds for which the
    id and the text of a finished answer are kept, as the shipped workstation does; None: keep to the
    specification.
    """

    rng: random.Random
    now: Callable[[], float]
    speed: float
    sounds: SoundShelf
    writable: Callable[[], Awaitable[None]]
    grace: float | None = None

    @property
    def as_shipped(self) -> bool:
        return self.grace is not None

    def milliseconds(self) -> int:
        return int(self.now() * 1000)

    def iso(self) -> str:
        return iso(self.now())

    def new_id(self, kind: str) -> str:
        """Return an id that begins with its kind; a seeded generator gives the same ones again."""
        return f"{kind}-{self.rng.getrandbits(ID_BITS):012x}"

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)
