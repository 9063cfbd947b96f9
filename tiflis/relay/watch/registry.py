"""The watches of one tunnel at its home: those connected, their queues, and how both outlive the home.

A journal writes the queues to the store, so that the next home goes on with the same numbers. A tunnel
without watches costs one read of the store when its home begins, and none when its id is new.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from tiflis.clock import running_clock
from tiflis.protocol import messages
from tiflis.protocol.cursor import Cursor
from tiflis.protocol.errors import SendFailed, WorkstationOffline
from tiflis.relay.pinned import Account, Pinned
from tiflis.relay.watch.departures import Departures
from tiflis.relay.watch.device import Watch
from tiflis.relay.watch.digest import counted, digest, stamp
from tiflis.relay.watch.holdings import Holdings
from tiflis.relay.watch.interfaces import QueueLimits, WatchesHome, WatchesMoved
from tiflis.relay.watch.journal import Recovered, WatchJournal
from tiflis.relay.watch.numbers import PastNumbers
from tiflis.relay.watch.queue import Bounds, Message, StartupBuffer
from tiflis.relay.watch.records import StoredWatch, WatchRecord
from tiflis.relay.watch.recovery import restore
from tiflis.relay.watch.stays import STAYS, StayingDevices
from tiflis.relay.watch.store import Fenced, StoreUnavailable, WatchStore
from tiflis.relay.watch.writer import WatchWriter

log = logging.getLogger(__name__)

UNREACHABLE = "The watch store cannot be reached; try again"
RECOVERY_PAUSE = 0.25  # seconds between two reads of a store that does not answer
SWEEP_LEAST = 0.05  # seconds: a sweep that comes early by rounding does not spin
LAST_WRITES = 5  # flushes of a release while more is delivered


class WatchRegistry:
    """The connected watches with their queues. In use from ``open`` to ``release`` or ``close``."""

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
        """``account``: of the tunnel's pinned bytes."""
        self._tunnel_id = tunnel_id
        self._home = home
        self._limits = limits or QueueLimits()
        self._clock = clock
        self._wall = wall
        self._watches: dict[str, Watch] = {}
        self.staying: dict[str, Watch] = {}  # those of the watches that are devices that stay
        self.stays = StayingDevices(self, self._limits.stay)
        self._when_restored: list[Callable[[], None]] = []
        self.departures = Departures(clock, self._limits.idle)
        self._numbers = PastNumbers(self._limits.idle)
        self._journal = WatchJournal(
            tunnel_id, store, self._watches, clock, lambda: home.generation, self._numbers
        )
        self._holdings = Holdings(account or Pinned().account(tunnel_id))
        self._writer = WatchWriter(tunnel_id, self._journal, self._woken, self._fenced, self._limits.pace)
        self._early: StartupBuffer | None = StartupBuffer(self._limits.bounds)
        self._opening: asyncio.Task[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False  # calls are refused
        self._ignores_deliveries = False
        self._auth_key = ""  # as the workstation registered it, to introduce restored watches

    def open(self) -> None:
        """Start reading what an earlier home left, as the first message, registration or call also does.
        Messages that are delivered meanwhile wait."""
        if not self._closed and self._early is not None:
            self._opened()

    def begin_empty(self) -> None:
        """Begin without a read of the store: the tunnel's id is new, so nothing is stored under it."""
        if self._early is not None:
            self._begin(Recovered([], [], True))

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
        self._restore(recovered)
        for text, device_id in early.texts if early else ():
            self._take(text, device_id)
        if self._watches:
            self._writer.kick()
            self._introduce_all()
            self.sweep()
        for watch in self.staying.values():
            self._mark(watch)
        for callback in self._when_restored:
            callback()

    def _restore(self, recovered: Recovered) -> None:
        now = self._clock()
        here = [stored for stored in recovered.watches if self._goes_on(stored, now)]
        for watch in restore(recovered._replace(watches=here), self._bounds, self._released, now):
            # It may have called since its record was written.
            watch.last_call = min(now, watch.last_call + 2 * self._limits.refresh)
            watch.introduced &= not self._auth_key  # its record is older than the last registration
            self._watches[watch.device_id] = watch
            if watch.stay:
                self.staying[watch.device_id] = watch
            for message in watch.queue.held.values():
                self._holdings.enter(message)

    def _goes_on(self, stored: StoredWatch, now: float) -> bool:
        """Return whether a watch of the last home goes on here. One that had gone leaves its number, one
        whose key is over leaves now."""
        record = stored.record
        if record.gone:
            self._numbers.keep(record.device_id, record.last, now - stored.age)
            return False
        self._journal.touch(record.device_id)
        ended = self._home.access.ended(record.key_id)
        if ended:
            self._home.device_left(record.device_id.removeprefix(STAYS))
        return not ended

    def _bounds(self, record: WatchRecord) -> Bounds:
        return self.stays.bounds(record.stay) if record.stay else self._limits.bounds

    @property
    def restored(self) -> bool:
        """Return whether the queues of the last home are here."""
        return self._early is None

    def when_restored(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` as soon as the queues of the last home are here."""
        self._when_restored.append(callback)
        self.open()

    async def _recover(self) -> Recovered:
        logged = False
        while True:
            try:
                return await self._journal.recover()
            except (StoreUnavailable, Fenced) as problem:
                if not logged:
                    log.warning("watches wait for the store: %s", problem, extra={"tunnel": self._tunnel_id})
                logged = True
                await asyncio.sleep(RECOVERY_PAUSE)

    def expect_gap(self) -> None:
        """Announce a gap: the last home could not store everything (its ``release`` returned False)."""
        if self._early is not None:
            self._early.lost = True

    async def release(self) -> bool:
        """Store what is queued and end. Return whether the next home can go on without a gap. The caller sets
        the deadline; messages delivered until the end are stored too."""
        try:
            if self._early is not None and self._early.texts:
                with contextlib.suppress(SendFailed):
                    await self.ready()
            written = self._early is None or not (self._early.texts or self._early.lost)
            await self._stop()
            return await self._write_down() and written
        except (StoreUnavailable, Fenced):
            return False
        finally:  # at the deadline too: beside the next home nothing more may be read or written
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
        await self._journal.flush()  # deliveries do not stop: the next home has to expect a gap
        return False

    async def close(self) -> None:
        """End at once and store nothing more: another home has the tunnel, or will announce a gap."""
        self._ignores_deliveries = True
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
        self._closed = self._ignores_deliveries = True
        self._holdings.close()
        for watch in self._watches.values():
            watch.wake()
        self._home.watches_lost(self)

    @property
    def closed(self) -> bool:
        """Return whether calls are refused, as another home answers them."""
        return self._closed

    async def ready(self) -> None:
        """Wait until the watches of the last home are restored. Raise SendFailed, and WatchesMoved after the
        end."""
        if not self._closed and self._early is not None:
            with contextlib.suppress(TimeoutError):
                async with running_clock().timeout(self._limits.store_timeout):
                    await asyncio.wait([self._opened()])
        if self._closed:
            raise WatchesMoved
        if self._early is not None:
            raise SendFailed(UNREACHABLE)

    # Messages of the workstation

    def devices(self) -> list[str]:
        """Return the device ids of the connected watches."""
        return [device_id for device_id in self._watches if device_id not in self.staying]

    def get(self, device_id: str) -> Watch | None:
        """Return the device's watch, or None if it is not connected."""
        return self._watches.get(device_id)

    def number(self, device_id: str) -> int:
        """Return the highest number that the device may have seen, connected or not."""
        watch = self._watches.get(device_id)
        return watch.queue.shown if watch else self._numbers.get(device_id) or 0

    def deliver(self, text: bytes) -> None:
        """Put the message into every watch's queue."""
        if self._watches or self._early is not None:
            self._take(text, None)

    def keep(self, device_id: str, text: bytes) -> None:
        """Put a message that was sent to a device's sockets into its queue, if the device stays."""
        if self._early is not None or (self.staying and STAYS + device_id in self.staying):
            self._take(text, STAYS + device_id)

    def deliver_to(self, device_id: str, text: bytes) -> bool:
        """Put the message into one watch's queue. Return False if there is no such watch, True also while the
        watches of the last home are being restored."""
        if self._early is None and device_id not in self._watches:
            return False
        self._take(text, device_id)
        return True

    def _take(self, text: bytes, device_id: str | None) -> None:
        if self._ignores_deliveries:
            return
        if self._early is not None:
            self.open()
            self._early.hold(text, device_id)
            self._holdings.wait(self._early.size)
            return
        addressed = self._watches if device_id is None else [device_id]
        watches = [self._watches[name] for name in addressed if name in self._watches]
        watches = self.stays.fitting(watches, len(text))
        if not watches or (found := digest(text)) is None:
            return
        message = Message(found[0], stamp(self._wall()), self._clock(), found[1])
        with message.held(self._released):
            for watch in watches:
                watch.append(message)
            self._journal.add(message)
        self._holdings.enter(message)
        self._holdings.trim(self._watches.values())
        self._writer.kick()
        if self.staying:
            self._mark_due([watch for watch in watches if watch.stay], found[0])

    def _mark_due(self, watches: list[Watch], text: bytes) -> None:
        is_counted = counted(text) if watches else True
        for watch in watches:
            if self.stays.mark_due(watch, is_counted):
                self._mark(watch)

    def _mark(self, watch: Watch) -> None:
        watch.unmarked = 0
        self._home.mark(watch.name, Cursor(watch.mark, watch.queue.last))

    def _released(self, message: Message) -> None:
        """Forget a message that no queue holds any more."""
        self._holdings.leave(message)
        self._journal.released(message)

    def workstation_registered(self, auth_key: str) -> None:
        """Introduce all watches to a workstation that has registered: it knows no device yet (protocol,
        3.3)."""
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
        """Send the watch's ``auth`` to the workstation, if that is online and its key is known. A device with
        a socket is introduced by its home."""
        if not auth_key or self.is_present(watch) or self._home.access.ended(watch.key_id):
            return
        with contextlib.suppress(WorkstationOffline):
            self._home.to_workstation(messages.auth(auth_key, watch.name), watch.name, b"")
            watch.introduced = True

    # Connecting and disconnecting

    async def attach(
        self, device_id: str, auth_key: str, since: int | None = None, key_id: str = ""
    ) -> Watch:
        """Connect the device with an empty queue, and store that. Numbers begin at 1, or above those of the
        device's earlier queue (``since``: the highest that it has received). Raise SendFailed."""
        self._remove(device_id)
        self.departures.forget(device_id)
        self._home.device_came(device_id)
        watch = Watch(device_id, self._limits.bounds, self._released, self._clock(), key_id=key_id)
        if since is None:
            self._numbers.forget(device_id)
        else:
            self._numbers.resume(device_id, watch.queue, since)
        self._add(watch)
        await self.settle()
        if self._watches.get(device_id) is watch:
            self.introduce(watch, auth_key)
        return watch

    def begin(self, key: str, bounds: Bounds, stay: float, key_id: str = "") -> Watch:
        """Begin the queue of a device that stays so many seconds after its last socket."""
        watch = Watch(key, bounds, self._released, self._clock(), stay=stay, key_id=key_id)
        self.staying[key] = watch
        self._add(watch)
        self._writer.kick()
        return watch

    def _add(self, watch: Watch) -> None:
        self._watches[watch.device_id] = watch
        self._journal.touch(watch.device_id)
        if len(self._watches) > self._limits.watches:
            self.leave(min(self._watches.values(), key=self._silence))
        if self._sweeper is None:
            self.sweep()

    def now(self) -> float:
        """Return the time by the clock of the queues."""
        return self._clock()

    def is_present(self, watch: Watch) -> bool:
        """Return whether a device that stays has a socket."""
        return bool(watch.stay) and self._home.has_device(watch.name)

    def _silence(self, watch: Watch) -> tuple[bool, float]:
        """Order watches, those first that have to go first."""
        return self.is_present(watch), watch.last_call

    def _remove(self, device_id: str) -> None:
        self.staying.pop(device_id, None)
        watch = self._watches.pop(device_id, None)
        if watch is not None:
            watch.queue.clear()
            watch.wake()

    def leave(self, watch: Watch, orderly: bool = False) -> None:
        """Disconnect the watch. Unless it disconnects itself (``orderly``), its numbers are kept for its
        return."""
        if not orderly and watch.queue.last and not watch.stay:
            self._numbers.keep(watch.device_id, watch.queue.last, self._clock())
        self._remove(watch.device_id)
        self._write(watch)
        self._home.device_left(watch.name)

    async def settle(self) -> None:
        """Wait until all changes so far are stored. Raise SendFailed."""
        try:
            async with running_clock().timeout(self._limits.store_timeout):
                await self._writer.settle()
        except (TimeoutError, StoreUnavailable):
            raise SendFailed(UNREACHABLE) from None

    def called(self, watch: Watch, write: bool = False) -> None:
        """Note a call of the watch, and store that it is alive if the last record is old, or on ``write``."""
        watch.last_call = self._clock()
        if write or watch.last_call - watch.recorded_at >= self._limits.refresh:
            self._write(watch)

    def acknowledge(self, watch: Watch, *numbers: int) -> None:
        """Drop the messages that the watch has received: all up to each of these numbers."""
        if any([watch.queue.acknowledge(number) for number in numbers]):
            self._write(watch)

    def _write(self, watch: Watch) -> None:
        self._journal.touch(watch.device_id)
        self._writer.kick()

    def _woken(self, shown: list[Watch]) -> None:
        for watch in shown:
            watch.wake()

    def sweep(self) -> None:
        """Drop old messages and silent watches; runs again by itself as long as there is a watch."""
        self._sweeper = None
        if self._closed:
            return
        now = self._clock()
        self._numbers.expire(now)
        for watch in list(self._watches.values()):
            watch.queue.expire(now)
            if self._is_over(watch, now):
                self.leave(watch)
        if self._watches:
            due = min(map(self._due, self._watches.values()))
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(max(due - now, SWEEP_LEAST), self.sweep)

    def _is_over(self, watch: Watch, now: float) -> bool:
        """Return whether the watch, or the device's last socket, has been silent for too long."""
        if self.is_present(watch):
            watch.last_call = now
        return watch.last_call + (watch.stay or self._limits.idle) <= now and not watch.polled

    def _due(self, watch: Watch) -> float:
        return min(watch.last_call + (watch.stay or self._limits.idle), watch.queue.expires_at)
