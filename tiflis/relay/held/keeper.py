"""The held messages of one tunnel at its home: accepts them, delivers each at most once, and sends receipts.

Every change of state is a compare-and-set in the store. A message is marked as *sending* before it is written
to the workstation's socket, so no other home, and no later life of this one, writes it again.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from tiflis import metrics
from tiflis.bus.errors import NoRoom, RecordTooLarge
from tiflis.clock import running_clock
from tiflis.protocol import hold, messages
from tiflis.protocol.errors import Forbidden
from tiflis.protocol.hold import Request
from tiflis.relay.held import records
from tiflis.relay.held.interfaces import Host
from tiflis.relay.held.receipts import Receipts
from tiflis.relay.held.records import CANCELLED, DELIVERED, EXPIRED, FINAL, HELD, SENDING, UNSURE, HeldRecord
from tiflis.relay.held.store import HeldLimits, HeldStore, Stored, Unavailable, WrongRevision
from tiflis.relay.sessions.client import Attached

LARGEST = 256 * 1024  # bytes of a message: each is one record of the bus
TUNNEL_BYTES = 4 * 2**20  # of a tunnel's messages that wait: a sixteenth of the bucket
ACK_SECONDS = 10.0  # for the workstation's ``message.ack``, before the next message
LONGEST_PAUSE = 30.0  # seconds between two looks at what waits
RETRY = 0.5  # seconds after a failure of the store
ASKED_LIMIT = 256  # requests of a tunnel that wait for the store
CLAIM_SECONDS = 3.0  # that a message may be *sending* at another home before it counts as unsure


class HeldMessages:
    """Without a store nothing is held. ``awaits``: a ``message.ack`` is waited for."""

    def __init__(
        self,
        host: Host,
        store: HeldStore | None,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        limits: HeldLimits | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._host, self._store, self._spawn = host, store, spawn
        self._receipts = Receipts(host)
        self._limits, self._wall = limits or HeldLimits(), wall
        self._me = secrets.token_urlsafe(6)
        self._entries: dict[str, Stored] = {}
        self._unanswered: dict[str, bool] = {}  # that the store may have or not: whether cancelled since
        self._order = asyncio.Lock()  # requests are answered one after the other
        self._wake = asyncio.Event()
        self._loaded: asyncio.Task[None] | None = None
        self._running = self._closed = self._resting = False
        self._asked: list[Request] = []  # that are not answered yet
        self._keys_changed = True  # the keys of what waits are to be checked
        self._last = 0.0
        self.awaits = ""  # the id
        self._answer: asyncio.Future[str] | None = None

    @property
    def waiting(self) -> int:
        """Return how many messages wait."""
        return sum(entry.record.state not in FINAL for entry in self._entries.values())

    @property
    def size(self) -> int:
        """Return the bytes of the messages that wait, those for which the store is asked among them."""
        stored = sum(len(entry.record.text) for entry in self._entries.values())
        return stored + sum(len(request.text) for request in self._asked)

    # The home's events

    def workstation_registered(self) -> None:
        """Deliver what waits: the workstation is here."""
        if self._store is not None and not self._closed:
            self._spawn(self._begin_soon())

    async def _begin_soon(self) -> None:
        pause = RETRY
        while not self._closed:
            try:
                return await self._begin()
            except Unavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def workstation_lost(self) -> None:
        """Note that the workstation's socket has closed: what it has not confirmed is unsure."""
        self._settle("lost")

    def look(self, text: bytes) -> None:
        """Note a message of the workstation while a ``message.ack`` is waited for."""
        if b"message.ack" in text[:256] and hold.acknowledged(text) == self.awaits:
            self._settle("confirmed")

    def check_keys(self) -> None:
        """Cancel what waits and came with a device key that does not allow it any more."""
        self._keys_changed = True
        self.go_on()

    async def rest(self) -> None:
        """Wait for the answer to the current request, and answer no more until ``thaw``: the next home does
        not learn of what is stored after it has begun."""
        await self._order.acquire()
        self._resting = True

    def thaw(self) -> None:
        """Go on after ``rest``: the tunnel has not moved."""
        if self._resting:
            self._resting = False
            self._order.release()
        self.go_on()

    def close(self) -> None:
        """Deliver nothing more: another home has the tunnel. The workstation's socket may go on there."""
        self._closed = True
        self.thaw()
        self._settle("moved")

    def _settle(self, outcome: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(outcome)

    # Requests of devices

    def ask(self, attached: Attached, request: Request) -> None:
        """Hold a message, cancel one, or list them; the answer goes to the device's sockets."""
        ready = self._store is not None and self._store.ready and not (self._closed or self._host.frozen)
        known = records.name(attached.device_id, request.id) in self._entries.keys() | self._unanswered.keys()
        if not ready or len(self._asked) >= ASKED_LIMIT:
            self._refuse(attached, request, "unavailable")
        elif len(request.text) > LARGEST:
            self._refuse(attached, request, "too_large")
        elif request.text and not known and self.size + len(request.text) > TUNNEL_BYTES:
            self._refuse(attached, request, "full")
        else:
            self._asked.append(request)
            self._spawn(self._ask(attached, request))

    def _refuse(self, attached: Attached, request: Request, reason: str) -> None:
        known = self._entries.get(records.name(attached.device_id, request.id))
        if request.kind == hold.HELD:
            self._receipts.send(attached, hold.listing(None))
        elif request.kind == hold.UNHOLD and known is not None:
            self._receipts.tell(attached, known.record)  # it still waits, and "refused" is final
        elif request.kind != hold.UNHOLD or self._store is None:
            self._receipts.send(attached, hold.receipt(request.id, "refused", reason=reason))

    async def _ask(self, attached: Attached, request: Request) -> None:
        try:
            async with self._order:
                if self._closed:
                    return  # its device asks again, at the next home
                await self._begin()
                if request.kind == hold.HELD:
                    self._receipts.send(attached, hold.listing(self._listed(attached.device_id)))
                elif request.kind == hold.UNHOLD:
                    await self._cancel(attached, request.id)
                else:
                    await self._hold(attached, request)
        except (Unavailable, WrongRevision):
            self._refuse(attached, request, "unavailable")
        finally:
            self._asked.remove(request)

    async def _hold(self, attached: Attached, request: Request) -> None:
        now = self._wall()
        until = now + request.ttl
        self._last = max(now, self._last + 1e-6)
        record = records.accepted(request, attached.device_id, attached.key_id, until, self._last, self._me)
        known = self._entries.get(record.key)
        if record.key in self._unanswered:
            return  # sent again: its receipt follows
        if known is not None:
            self._receipts.tell(attached, known.record)  # sent again: its receipt was lost
        elif not self._host.access.allows(record.key_id, record.text):
            self._receipts.send(attached, messages.error(Forbidden(), hold.raw_id(record.id)))
        elif record.not_before >= until:
            self._refuse(attached, request, "invalid")
        elif self.waiting + len(self._unanswered) >= self._limits.messages or self.size > TUNNEL_BYTES:
            self._refuse(attached, request, "full")
        else:
            try:
                await self._accept(attached, record)
            except (NoRoom, RecordTooLarge) as problem:
                self._refuse(attached, request, "full" if isinstance(problem, NoRoom) else "too_large")
            except Unavailable:
                self._unanswered[record.key] = False
                self._spawn(self._accept_late(attached, record))

    async def _accept(self, attached: Attached, record: HeldRecord) -> None:
        """Store a message, and send its receipt. Raise Unavailable, WrongRevision."""
        entry = self._entries[record.key] = await self._add(record)
        metrics.count("held_total", "accepted")
        self._tell_all(entry.record.key, attached)
        self.go_on()

    async def _accept_late(self, attached: Attached, record: HeldRecord) -> None:
        """Go on until the store says that it has the message: a sender that reads "refused" sends it in
        another way, and the stored one would arrive too."""
        try:
            while not self._closed and record.until > self._wall():
                await asyncio.sleep(RETRY)
                with contextlib.suppress(Unavailable):
                    await self._accept(attached, record)
                    if self._unanswered[record.key]:
                        self.ask(attached, Request(hold.UNHOLD, record.id))
                    return
        except WrongRevision:
            self._refuse(attached, Request(record.kind, record.id), "unavailable")
        finally:
            del self._unanswered[record.key]

    async def _add(self, record: HeldRecord) -> Stored:
        """Store a message. Raise Unavailable, WrongRevision."""
        assert self._store is not None
        try:
            return Stored(record, await self._store.write(self._host.tunnel_id, record, 0))
        except WrongRevision:
            found = await self._store.read(self._host.tunnel_id, record.key)
            if found is None:
                raise
            return found  # an earlier attempt has got through, of this write or at another home

    async def _cancel(self, attached: Attached, id: str) -> None:
        key = records.name(attached.device_id, id)
        entry = self._entries.get(key)
        if key in self._unanswered:
            self._unanswered[key] = True  # its receipts follow
        elif entry is None:
            self._receipts.send(attached, hold.receipt(id, "unknown"))
        elif entry.record.state in FINAL:
            self._receipts.tell(attached, entry.record)
            await self._forget(entry)
        elif entry.record.waits and await self._change(entry, CANCELLED):
            self._tell_all(entry.record.key, attached)
        else:
            found = self._entries.get(entry.record.key, entry)
            self._receipts.tell(attached, found.record)

    def _listed(self, device_id: str) -> list[dict[str, Any]] | None:
        if self._unanswered:
            return None  # the store may have a message that is missing here, and that may still be delivered
        return records.listed(
            one.record for one in self._entries.values() if one.record.device_id == device_id
        )

    def list_to(self, attached: Attached) -> None:
        """Send a device that has connected its held messages, if there are any."""
        if self._store is not None and self._store.ready and not self._closed:
            self._spawn(self._list_to(attached))

    async def _list_to(self, attached: Attached) -> None:
        with contextlib.suppress(Unavailable):
            await self._begin()
            if found := self._listed(attached.device_id):
                self._receipts.send(attached, hold.listing(found))

    # Receipts

    def _tell_all(self, key: str, asker: Attached | None = None) -> None:
        if key in self._entries:
            self._receipts.tell_all(self._entries[key].record, asker)

    # What is stored

    async def _begin(self) -> None:
        """Load what is stored, once. Raise Unavailable."""
        if self._loaded is None or (self._loaded.done() and self._loaded.exception()):
            self._loaded = asyncio.ensure_future(self._load())
        await asyncio.shield(self._loaded)
        self.go_on()

    async def _load(self) -> None:
        assert self._store is not None
        for entry in await self._store.load(self._host.tunnel_id):
            self._entries[entry.record.key] = entry
            self._last = max(self._last, entry.record.order)
            if entry.record.state == SENDING:
                self._spawn(self._doubt(entry))

    async def _doubt(self, entry: Stored) -> None:
        """Decide on a message that another home was sending, after that home has had time to do so."""
        assert self._store is not None
        await asyncio.sleep(CLAIM_SECONDS)
        with contextlib.suppress(Unavailable):
            await self._change(entry, UNSURE)
            self._tell_all(entry.record.key)

    async def _change(self, entry: Stored, state: str) -> bool:
        """Give a message another state; return whether this home did it. Raise Unavailable."""
        assert self._store is not None
        key = entry.record.key
        record = msgspec.structs.replace(entry.record, state=state, by=self._me)
        if state in FINAL:
            record.text, record.ended_at = b"", self._wall()
            record.received = bool(self._receipts.receivers(record.device_id))
        try:
            revision = await self._store.write(self._host.tunnel_id, record, entry.revision)
            self._entries[key] = Stored(record, revision)
            if state in FINAL:
                metrics.count("held_total", state)
                self._host.access.outcome(record.device_id, record.key_id, entry.record.text, state)
            return True
        except WrongRevision:
            found = await self._store.read(self._host.tunnel_id, key)
            if found is None:
                self._entries.pop(key, None)
                return False
            self._entries[key] = found
            return (found.record.state, found.record.by) == (state, self._me)

    async def _forget(self, entry: Stored) -> None:
        assert self._store is not None
        self._entries.pop(entry.record.key, None)
        with contextlib.suppress(WrongRevision, Unavailable):
            await self._store.forget(self._host.tunnel_id, entry.record.key, entry.revision)

    # Delivery

    def go_on(self) -> None:
        """Deliver what waits, if anything does."""
        self._wake.set()
        if not self._running and not self._closed and self.waiting:
            self._running = True
            self._spawn(self._run())

    async def _run(self) -> None:
        try:
            while not self._closed and self.waiting:
                self._wake.clear()
                try:
                    await self._step()
                except Unavailable:
                    await asyncio.sleep(RETRY)
        finally:
            self._running = False

    async def _step(self) -> None:
        tidied = self._wall()
        await self._tidy(tidied)
        await self._cancel_ended()
        now = self._wall()
        waiting = sorted(
            (one for one in self._entries.values() if one.record.waits), key=lambda one: one.record.order
        )
        due = next((one for one in waiting if one.record.not_before <= now < one.record.until), None)
        if due is not None and self._reachable:
            await self._deliver(due)
            return
        moments = [moment for one in waiting for moment in (one.record.until, one.record.not_before)]
        due_at = min([moment for moment in moments if moment > tidied], default=now + LONGEST_PAUSE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(due_at - now, 0.0), LONGEST_PAUSE) + 0.001):
                await self._wake.wait()

    async def _tidy(self, now: float) -> None:
        """Expire messages, and forget old final states."""
        for entry in list(self._entries.values()):
            # No delivery is under way: what this home marked as sending was not written.
            unwritten = (entry.record.state, entry.record.by) == (SENDING, self._me)
            if entry.record.until <= now and (entry.record.waits or unwritten):
                if await self._change(entry, EXPIRED):
                    self._tell_all(entry.record.key)
            elif unwritten:
                await self._change(entry, HELD)
            elif entry.record.state in FINAL and entry.record.ended_at + records.FINAL_SECONDS <= now:
                await self._forget(entry)
        ended = [one for one in self._entries.values() if one.record.state in FINAL]
        for entry in sorted(ended, key=lambda one: one.record.ended_at)[: -4 * self._limits.messages]:
            await self._forget(entry)

    async def _cancel_ended(self) -> None:
        """Cancel what came with keys that have been revoked or limited since. Raise Unavailable."""
        if not (self._keys_changed and self._host.access.ready):
            return
        self._keys_changed = False
        try:
            for entry in list(self._entries.values()):
                record = entry.record
                if not record.waits or self._host.access.allows(record.key_id, record.text):
                    continue
                if await self._change(entry, CANCELLED):
                    self._tell_all(record.key)
        except Unavailable:
            self._keys_changed = True
            raise

    @property
    def _reachable(self) -> bool:
        host = self._host
        over = host.frozen or host.retired or self._closed
        return host.presence.workstation is not None and host.access.ready and not over

    async def _deliver(self, entry: Stored) -> None:
        """Deliver one message, and wait for the workstation to confirm it. Raise Unavailable."""
        record = entry.record
        if not await self._change(entry, SENDING):
            return
        if not self._reachable or record.until <= self._wall():
            return  # it is not written: `_tidy` lets it wait again
        if not self._host.access.allows(record.key_id, record.text):
            await self._end(record.key, record.device_id, CANCELLED)  # its key was revoked or limited since
            return
        self.awaits, self._answer = record.id, asyncio.get_running_loop().create_future()
        try:
            # No await up to here since the check: the socket is the one that was checked.
            self._introduce(record.device_id, record.key_id)
            request = hold.raw_id(record.id)
            self._host.presence.send(record.device_id, request, record.text)
            outcome = await self._outcome()
        finally:
            self.awaits, self._answer = "", None
        await self._end(record.key, record.device_id, UNSURE if outcome == "lost" else DELIVERED)

    async def _outcome(self) -> str:
        """Return "confirmed", "lost" with the workstation's socket, "moved" with it, or "silent"."""
        assert self._answer is not None
        try:
            async with running_clock().timeout(ACK_SECONDS):
                return await self._answer
        except TimeoutError:
            return "silent"

    def _introduce(self, device_id: str, key_id: str) -> None:
        """Have the workstation know the device, which stays from now on if it has no socket."""
        present = device_id in self._host.device_registry
        # One that has just connected may not have sent its own, and the workstation drops what precedes it.
        self._host.presence.introduce(device_id, again=present)
        stays = self._host.watches.stays
        if not present and stays.on and stays.ready:
            stays.cursor(device_id, key_id)

    async def _end(self, key: str, device_id: str, state: str) -> None:
        """Store the final state, however long that takes."""
        while True:
            with contextlib.suppress(Unavailable):
                await self._change(self._entries[key], state)
                break
            await asyncio.sleep(RETRY)
        self._tell_all(key)
        if not self._host.watches.stays.on and not self._closed:
            self._host.device_left(device_id)
