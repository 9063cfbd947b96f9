"""The watches of one tunnel, at its home: who is connected, what is sent to them, how they survive.

Each queue is written behind into the store, so that the next home goes on with the same numbers. A tunnel
without watches costs one look into the store when its home begins.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from tiflis.clock import running_clock
from tiflis.protocol import messages
from tiflis.protocol.errors import SendFailed, WorkstationOffline
from tiflis.relay.pinned import Account, Pinned
from tiflis.relay.watch.device import Watch
from tiflis.relay.watch.digest import digest, stamp
from tiflis.relay.watch.holdings import Holdings
from tiflis.relay.watch.interfaces import QueueLimits, WatchesHome, WatchesMoved
from tiflis.relay.watch.journal import Recovered, WatchJournal
from tiflis.relay.watch.numbers import PastNumbers
from tiflis.relay.watch.queue import Message, StartupBuffer
from tiflis.relay.watch.recovery import restore
from tiflis.relay.watch.store import Fenced, StoreUnavailable, WatchStore
from tiflis.relay.watch.writer import WatchWriter

log = logging.getLogger(__name__)

UNREACHABLE = "The watch store cannot be reached; try again"
RECOVERY_PAUSE = 0.25  # seconds between two looks into a store that does not answer
SWEEP_LEAST = 0.05  # seconds: a sweep that comes early by rounding does not spin
LAST_WRITES = 5  # of a release, as long as more is delivered meanwhile
DEPARTED_LIMIT = 1024  # devices whose leaving is remembered, a tunnel


class WatchRegistry:
    """Who is connected. Lives from ``open`` to ``release`` or ``close``."""

    def __init__(
        self,
        tunnel_id: str,
        home: WatchesHome,
        store: WatchStore,
        limits: QueueLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        account: Account | None = None,
    ) -> None:
        """``account``: the tunnel's, in the worker's ledger of pinned bytes."""
        self._tunnel_id = tunnel_id
        self._home = home
        self._limits = limits or QueueLimits()
        self._clock = clock
        self._wall = wall
        self._watches: dict[str, Watch] = {}
        self._departed: dict[str, float] = {}
        self._numbers = PastNumbers(self._limits.idle)
        self._journal = WatchJournal(
            tunnel_id, store, self._watches, clock, lambda: home.generation, self._numbers
        )
        self._holdings = Holdings(account or Pinned().account(tunnel_id))
        self._writer = WatchWriter(tunnel_id, self._journal, self._woken, self._fenced, self._limits.pace)
        self._early: StartupBuffer | None = StartupBuffer(self._limits.bounds)
        self._opening: asyncio.Task[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False  # no more calls
        self._deaf = False  # no more deliveries
        self._auth_key = ""  # as the workstation registered it, to introduce restored watches

    def open(self) -> None:
        """Begin to look for what an earlier home left, as the first message, registration or call also does.
        Messages that come meanwhile wait for the outcome."""
        if not self._closed:
            self._opened()

    def _opened(self) -> asyncio.Task[None]:
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())
        return self._opening

    async def _open(self) -> None:
        try:
            self._begin(await self._recover())
        except Exception:
            log.exception("watches not recovered", extra={"tunnel": self._tunnel_id})
            self._fenced()

    def _begin(self, recovered: Recovered) -> None:
        early, self._early = self._early, None
        self._holdings.wait(0)
        if early is not None and early.lost:
            recovered = recovered._replace(orderly=False)
        now = self._clock()
        for record, age in recovered.watches:
            if record.gone:
                self._numbers.keep(record.device_id, record.last, now - age)
        for watch in restore(recovered, self._limits.bounds, self._released, now):
            # It may have called since its record was written.
            watch.last_call = min(now, watch.last_call + 2 * self._limits.refresh)
            watch.introduced &= not self._auth_key  # its record knows nothing of the last registration
            self._watches[watch.device_id] = watch
            self._journal.touch(watch.device_id)
            for message in watch.queue.held.values():
                self._holdings.enter(message)
        for text, device_id in early.texts if early else ():
            self._take(text, device_id)
        if self._watches:
            self._writer.kick()
            self._introduce_all()
            self.sweep()

    async def _recover(self) -> Recovered:
        told = False
        while True:
            try:
                return await self._journal.recover()
            except (StoreUnavailable, Fenced) as problem:
                if not told:
                    log.warning("watches wait for the store: %s", problem, extra={"tunnel": self._tunnel_id})
                told = True
                await asyncio.sleep(RECOVERY_PAUSE)

    def expect_gap(self) -> None:
        """The last home could not write everything down (``release`` said so): announce a gap."""
        if self._early is not None:
            self._early.lost = True

    async def release(self) -> bool:
        """End orderly: what is queued is stored, and the next home goes on without a gap, if all went well.
        The caller sets the deadline; what is delivered before the end is taken along, nothing after it."""
        try:
            if self._early is not None and self._early.texts:
                with contextlib.suppress(SendFailed):
                    await self.ready()
            written = self._early is None or not (self._early.texts or self._early.lost)
            await self._stop()
            return await self._write_down() and written
        except (StoreUnavailable, Fenced):
            return False
        finally:  # at the deadline too: beside the next home nothing more may be looked for or written
            await self.close()

    async def _write_down(self) -> bool:
        if not self._watches and self._journal.idle:
            return True
        tries = LAST_WRITES
        while tries:
            await self._journal.flush(orderly=True)
            if self._journal.idle:
                return True
            tries -= not self._journal.behind
        await self._journal.flush()  # they will not stop talking: the next home has to expect a gap
        return False

    async def close(self) -> None:
        """End at once: another home has the tunnel, or will find a gap."""
        self._deaf = True
        await self._stop()

    async def _stop(self) -> None:
        self._closed = True
        self._holdings.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self._writer.stop()
        for watch in self._watches.values():
            watch.wake()

    def _fenced(self) -> None:
        self._closed = self._deaf = True
        self._holdings.close()
        for watch in self._watches.values():
            watch.wake()
        self._home.watches_lost(self)

    @property
    def closed(self) -> bool:
        """Whether calls have to be made at another home."""
        return self._closed

    async def ready(self) -> None:
        """Until it is known who is connected. Raises SendFailed."""
        if not self._closed and self._early is not None:
            with contextlib.suppress(TimeoutError):
                async with running_clock().timeout(self._limits.store_timeout):
                    await asyncio.wait([self._opened()])
        if self._closed:
            raise WatchesMoved
        if self._early is not None:
            raise SendFailed(UNREACHABLE)

    # What the workstation sends

    def devices(self) -> list[str]:
        """The connected watches."""
        return list(self._watches)

    def get(self, device_id: str) -> Watch | None:
        """Return the device's watch, or None if it is not connected."""
        return self._watches.get(device_id)

    def number(self, device_id: str) -> int:
        """Return the highest number that polls of the device have seen, connected or not."""
        watch = self._watches.get(device_id)
        return watch.queue.shown if watch else self._numbers.get(device_id) or 0

    def deliver(self, text: bytes) -> None:
        """Into every watch's queue."""
        if self._watches or self._early is not None:
            self._take(text, None)

    def deliver_to(self, device_id: str, text: bytes) -> bool:
        """Into one watch's queue; whether there is such a watch (or may be: the desk is still opening)."""
        if self._early is None and device_id not in self._watches:
            return False
        self._take(text, device_id)
        return True

    def _take(self, text: bytes, device_id: str | None) -> None:
        if self._deaf:
            return
        if self._early is not None:
            self.open()
            self._early.hold(text, device_id)
            self._holdings.wait(self._early.size)
            return
        addressed = self._watches if device_id is None else [device_id]
        watches = [self._watches[name] for name in addressed if name in self._watches]
        found = digest(text) if watches else None
        if found is None:
            return
        message = Message(found[0], stamp(self._wall()), self._clock(), found[1])
        with message.held(self._released):
            for watch in watches:
                watch.append(message)
            self._journal.add(message)
        self._holdings.enter(message)
        self._holdings.trim(self._watches.values())
        self._writer.kick()

    def _released(self, message: Message) -> None:
        """No queue holds the message any more."""
        self._holdings.leave(message)
        self._journal.released(message)

    def workstation_registered(self, auth_key: str) -> None:
        """A workstation that registers knows no device: introduce all watches to it (3.3)."""
        self.open()
        self._auth_key = auth_key
        for watch in self._watches.values():
            watch.introduced = False
        self._introduce_all()

    def _introduce_all(self) -> None:
        for watch in self._watches.values():
            if self._auth_key and not watch.introduced:
                self.introduce(watch, self._auth_key)

    def introduce(self, watch: Watch, auth_key: str) -> None:
        with contextlib.suppress(WorkstationOffline):
            self._home.to_workstation(messages.auth(auth_key, watch.device_id), watch.device_id, b"")
            watch.introduced = True

    # Coming and going

    async def attach(self, device_id: str, auth_key: str, since: int | None = None) -> Watch:
        """Connect the device anew, durably: with numbers from 1, or above those that it knows from a queue
        that has gone (``since``: the highest of them, as it says). Raises SendFailed."""
        self._remove(device_id)
        self._departed.pop(device_id, None)
        self._home.device_came(device_id)
        watch = Watch(device_id, self._limits.bounds, self._released, self._clock())
        if since is None:
            self._numbers.forget(device_id)
        else:
            self._numbers.resume(device_id, watch.queue, since)
        self._watches[device_id] = watch
        self._journal.touch(device_id)
        if len(self._watches) > self._limits.watches:
            self.leave(min(self._watches.values(), key=lambda other: other.last_call))
        if self._sweeper is None:
            self.sweep()
        await self.settle()
        if self._watches.get(device_id) is watch:
            self.introduce(watch, auth_key)
        return watch

    def _remove(self, device_id: str) -> None:
        watch = self._watches.pop(device_id, None)
        if watch is not None:
            watch.queue.clear()
            watch.wake()

    def leave(self, watch: Watch, orderly: bool = False) -> None:
        """Disconnect it. Unless it said so itself (``orderly``) its numbers are kept for its return."""
        if not orderly and watch.queue.last:
            self._numbers.keep(watch.device_id, watch.queue.last, self._clock())
        self._remove(watch.device_id)
        self._journal.touch(watch.device_id)
        self._writer.kick()
        self._home.device_left(watch.device_id)

    def note_departure(self, device_id: str) -> None:
        """A straggling poll must not connect again a watch that has just said goodbye."""
        if len(self._departed) >= DEPARTED_LIMIT:
            del self._departed[next(iter(self._departed))]
        self._departed[device_id] = self._clock()

    def has_departed(self, device_id: str) -> bool:
        return self._departed.get(device_id, float("-inf")) > self._clock() - self._limits.idle

    async def settle(self) -> None:
        """Until all changes so far are stored. Raises SendFailed."""
        try:
            async with running_clock().timeout(self._limits.store_timeout):
                await self._writer.settle()
        except (TimeoutError, StoreUnavailable):
            raise SendFailed(UNREACHABLE) from None

    def called(self, watch: Watch) -> None:
        """A sign of life; now and then the store is to know of it."""
        watch.last_call = self._clock()
        if watch.last_call - watch.recorded_at >= self._limits.refresh:
            self._write(watch)

    def acknowledge(self, watch: Watch, *numbers: int) -> None:
        """Drop what has arrived: everything up to each of these numbers."""
        if any([watch.queue.acknowledge(number) for number in numbers]):
            self._write(watch)

    def _write(self, watch: Watch) -> None:
        self._journal.touch(watch.device_id)
        self._writer.kick()

    def _woken(self, shown: list[Watch]) -> None:
        for watch in shown:
            watch.wake()

    def sweep(self) -> None:
        """Drop what is too old; comes again by itself as long as there is a watch."""
        self._sweeper = None
        if self._closed:
            return
        now = self._clock()
        self._numbers.expire(now)
        for watch in list(self._watches.values()):
            watch.queue.expire(now)
            if watch.last_call + self._limits.idle <= now and not watch.polled:
                self.leave(watch)
        if self._watches:
            due = min(map(self._due, self._watches.values()))
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(max(due - now, SWEEP_LEAST), self.sweep)

    def _due(self, watch: Watch) -> float:
        return min(watch.last_call + self._limits.idle, watch.queue.oldest_at + self._limits.bounds.age)
