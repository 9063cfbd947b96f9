"""Claims: each event that is being sent is written down first, so that it is sent though this worker may die.

A claim is made before the POST, and removed after its answer. Whether a dead worker's POST has arrived is
not known; so an event may be sent twice, never not at all. A repeated notification has the topic, tag and id
of the first, and takes its place.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from tiflis.bus.directory.bucket import WrongRevision
from tiflis.relay.push.records import Claim
from tiflis.relay.push.store import PushStore, Unavailable

WORK_SECONDS = 45.0  # three attempts of 10 s at a notifier, the pauses between them, and the store's writes
CLAIM_SECONDS = WORK_SECONDS + 15.0  # and the wait for a turn; a claim that waits longer is renewed
RELEASE_TRIES, RELEASE_PAUSE = 5, 5.0  # attempts at a store that is away, and seconds between them
OLDEST = 3600.0  # seconds: an event that could not be sent for so long is of no interest any more


class Held(NamedTuple):
    """A claim of this worker, at its revision in the store."""

    claim: Claim
    revision: int


class Claims:
    """The claims of one worker."""

    def __init__(
        self, store: PushStore, me: str, alive: Callable[[str], bool], wall: Callable[[], float]
    ) -> None:
        """``me``: the worker's id; ``alive`` returns whether another one may be at work."""
        self._store, self._me, self._alive, self._wall = store, me, alive, wall

    async def make(self, claim: Claim) -> Held | None:
        """Claim an event; return None if another worker has. Raise Unavailable."""
        claim.by, claim.until = self._me, self._wall() + CLAIM_SECONDS
        try:
            return Held(claim, await self._store.claim(claim, 0))
        except WrongRevision:
            found, revision = await self._store.claimed(claim.key)
            # An earlier attempt of this write may have got through.
            return Held(found, revision) if found is not None and found.by == self._me else None

    async def renew(self, held: Held) -> Held | None:
        """Prolong a claim that would end during a POST; return None if it has been taken over. Raise
        Unavailable."""
        if held.claim.until - self._wall() > WORK_SECONDS:
            return held
        return await self._take(held)

    async def _take(self, held: Held) -> Held | None:
        claim = msgspec.structs.replace(held.claim, by=self._me, until=self._wall() + CLAIM_SECONDS)
        try:
            return Held(claim, await self._store.claim(claim, held.revision))
        except WrongRevision:
            return None

    async def release(self, held: Held) -> None:
        """Remove a claim: its event has been sent. One that cannot be removed is removed when it is found."""
        for attempt in range(RELEASE_TRIES):
            if attempt:
                await asyncio.sleep(RELEASE_PAUSE)
            try:
                return await self._store.release(*held)
            except WrongRevision:
                return  # another worker has taken it over
            except Unavailable:
                continue

    async def take_over(self) -> list[Held]:
        """Take over the claims of workers that have died. Raise Unavailable."""
        now, taken = self._wall(), []
        for one in await self._store.claims():
            held = Held(*one)
            if held.claim.at + OLDEST < now:
                await self.release(held)
            elif held.claim.until <= now or not self._alive(held.claim.by):
                taken.append(await self._take(held))
        return [held for held in taken if held is not None]
