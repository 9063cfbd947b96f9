"""The journal of one tunnel's watches: collects changes of the queues and writes them to the watch store."""

import logging
import secrets
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from tiflis.relay.watch.device import Watch
from tiflis.relay.watch.numbers import PastNumbers
from tiflis.relay.watch.queue import Message
from tiflis.relay.watch.records import (
    ITS_OWN,
    PAST_EPOCHS,
    HeadRecord,
    MessageRecord,
    StoredMessage,
    StoredWatch,
    WatchRecord,
    decode_head,
    encode,
    message_name,
    messages,
    valid,
    watch_name,
    watches,
)
from tiflis.relay.watch.store import Fenced, StoreUnavailable, WatchStore

log = logging.getLogger(__name__)

DEAD_LIMIT = 256  # messages in no queue any more that may wait for a store that is away
WARNING_PAUSE = 60.0  # seconds between two log lines on refused messages, per tunnel
PORTIONS = 4  # flushes that fit into the store's room
DROPPED_AT_ONCE = 1024 * 1024  # bytes: a released message above it does not wait in the store for its end


class Recovered(NamedTuple):
    """The records of the last home. ``orderly``: it ended in good order, so nothing is missing."""

    watches: list[StoredWatch]
    messages: list[StoredMessage]
    orderly: bool


class _Batch(NamedTuple):
    """The content of one flush: ``messages``, and the records of the ``dirty`` devices. ``reached``: the
    highest number of each watch that is stored afterwards."""

    messages: list[Message]
    dirty: set[str]
    retired: list[tuple[int, int]]
    reached: list[tuple[Watch, int]]
    gaps: dict[str, int]  # the highest refused number, by device


class WatchJournal:
    """Writes the queues of ``watches`` behind. Not reentrant: one ``recover`` or ``flush`` at a time."""

    def __init__(
        self,
        tunnel_id: str,
        store: WatchStore,
        watches: dict[str, Watch],
        clock: Callable[[], float],
        generation: Callable[[], int],
        past: PastNumbers,
    ) -> None:
        """``generation`` returns that of the home's claim. ``past``: the numbers of watches that have
        gone."""
        self._generation = generation
        self._numbers = past
        self._tunnel_id = tunnel_id
        self._store = store
        self._watches = watches
        self._clock = clock
        self._past: list[tuple[str, int]] = []
        self._revision = 0
        self._unsent: list[Message] = []
        self._dead = 0  # at most so many unsent messages are in no queue any more
        self._dirty: set[str] = set()
        self._free: list[int] = []
        self._slots = 0
        # Slots with outdated content and its size; free once the records that replace it are stored.
        self._retired: list[tuple[int, int]] = []
        self._warned_at = float("-inf")
        self.behind = False  # the last flush left out some of the messages that were due

    @cached_property
    def _epoch(self) -> str:
        """The name of this journal in the store, of which no other has the same."""
        return secrets.token_urlsafe(8)

    @property
    def idle(self) -> bool:
        """Return whether there is nothing to write."""
        return not self._unsent and not self._dirty

    def add(self, message: Message) -> None:
        """Write the message with the next flush."""
        self._unsent.append(message)

    def touch(self, device_id: str) -> None:
        """Write the device's record with the next flush: its state, or that it has gone."""
        self._dirty.add(device_id)

    def released(self, message: Message) -> None:
        """Drop the message's text: it is in no queue any more."""
        size, message.text = len(message.text), b""
        self._dead += 1
        if self._dead > DEAD_LIMIT:
            self._unsent, self._dead = [message for message in self._unsent if message.holders], 0
        if message.slot is None:
            return
        self._retired.append((message.slot, size))
        for watch in self._watches.values():
            # The stored message was the only record of the highest number that this watch has seen.
            if message.numbers.get(watch.mark, -1) >= watch.queue.shown:
                self._dirty.add(watch.device_id)

    async def recover(self) -> Recovered:
        """Take the tunnel over and return what the last home left. Raise StoreUnavailable, and Fenced when
        another home takes it over too."""
        found = await self._store.head(self._tunnel_id)
        if found is None:
            return Recovered([], [], True)
        self._revision = found.revision
        head = decode_head(found.value)
        if head is None or not head.watches:
            return Recovered([], [], True)
        past = head.past = [(epoch, cut or found.revision) for epoch, cut in head.past][-PAST_EPOCHS:]
        claim = HeadRecord(self._epoch, head.watches, past=[*past, (head.epoch, ITS_OWN)])
        self._revision = await self._store.put_head(self._tunnel_id, encode(claim), found.revision)
        self._past = [*past, (head.epoch, self._revision)]
        records = valid(await self._store.load(self._tunnel_id, self._revision), head, self._revision)
        return Recovered(list(watches(records).values()), messages(records), self._orderly(head))

    def _orderly(self, head: HeadRecord) -> bool:
        """Return whether every delivered message is in the store. Between the home that ended in good order
        and this one there may have been another, which died before it wrote anything."""
        return head.clean and (not head.generation or self._generation() - head.generation <= 1)

    async def flush(self, orderly: bool = False) -> list[Watch]:
        """Write what is due and return the watches with newly stored messages. Raise StoreUnavailable (all of
        it is still due) and Fenced. ``orderly``: the last flush; the next home need not announce a gap."""
        batch = self._begin(orderly)
        try:
            refused = await self._store.put(self._tunnel_id, self._epoch, self._records(batch, orderly))
            lost = [message for message in batch.messages if message_name(message.slot or 0) in refused]
            await self._put_gaps(batch, lost, orderly)
            await self._put_head(orderly and not self.behind)
        except BaseException:
            self._give_back(batch)
            raise
        self._lose(lost)
        shown = self._end(batch)
        await self._retire(batch.retired)
        return shown

    async def _put_gaps(self, batch: _Batch, lost: list[Message], orderly: bool) -> None:
        """Write to the watches' records that the store refused ``lost``. If that fails, the flush fails."""
        if not lost:
            return
        for watch in self._watches.values():
            numbers = [message.numbers[watch.mark] for message in lost if watch.mark in message.numbers]
            if numbers:
                batch.gaps[watch.device_id] = max(numbers)
        batch.dirty.update(batch.gaps)
        records = [(watch_name(device), self._watch_record(device, orderly, batch)) for device in batch.dirty]
        if await self._store.put(self._tunnel_id, self._epoch, records):
            raise StoreUnavailable("the store takes nothing")

    def _lose(self, lost: list[Message]) -> None:
        if lost and self._clock() - self._warned_at > WARNING_PAUSE:
            self._warned_at = self._clock()
            largest = max(len(message.text) for message in lost)
            log.warning("watch message refused", extra={"tunnel": self._tunnel_id, "size": largest})
        for message in lost:
            for watch in self._watches.values():
                if watch.mark in message.numbers:
                    watch.queue.refuse(message.numbers[watch.mark])

    def _begin(self, orderly: bool) -> _Batch:
        unsent = self._portion()
        dirty = self._dirty | set(self._watches) if orderly else self._dirty
        batch = _Batch(unsent, dirty, self._retired, [], {})
        self._dirty, self._retired = set(), []
        for message in unsent:
            if message.slot is None:
                message.slot = self._new_slot()
        for watch in self._watches.values():
            later = [message.numbers[watch.mark] for message in self._unsent if watch.mark in message.numbers]
            last = min(later) - 1 if later else watch.queue.last
            if last > watch.queue.shown:
                batch.reached.append((watch, last))
                watch.queue.write(last)
                if not any(message.numbers.get(watch.mark) == last for message in reversed(unsent)):
                    dirty.add(watch.device_id)
        return batch

    def _portion(self) -> list[Message]:
        """Take the unsent messages for the next flush: no more than a part of the store's room, or the first
        would be removed again before the last are written."""
        unsent, size = [message for message in self._unsent if message.holders], 0
        for count, message in enumerate(unsent):
            size += len(message.text)
            if count and size > self._store.room // PORTIONS:
                self._unsent, self.behind = unsent[count:], True
                return unsent[:count]
        self._unsent, self.behind = [], False
        return unsent

    def _new_slot(self) -> int:
        if self._free:
            return self._free.pop()
        self._slots += 1
        return self._slots

    def _records(self, batch: _Batch, orderly: bool) -> list[tuple[str, bytes]]:
        records = []
        for device_id in batch.dirty:
            records.append((watch_name(device_id), self._watch_record(device_id, orderly, batch)))
        now = self._clock()
        for message in batch.messages:
            record = MessageRecord(
                message.stamp, now - message.at, message.numbers, message.key, message.text
            )
            records.append((message_name(message.slot or 0), encode(record)))
        return records

    def _watch_record(self, device_id: str, orderly: bool, batch: _Batch) -> bytes:
        watch = self._watches.get(device_id)
        if watch is not None:
            record = watch.record(orderly)
            record.lost = max(record.lost, batch.gaps.get(device_id, 0))
            return encode(record)
        number = self._numbers.get(device_id)
        if number is None:
            return b""
        return encode(WatchRecord(device_id, "", number, number, number, gone=True))

    async def _put_head(self, orderly: bool) -> None:
        known = len(self._watches) + len(self._numbers)
        record = HeadRecord(self._epoch, known, orderly, self._past, generation=self._generation())
        head = encode(record)
        try:
            self._revision = await self._store.put_head(self._tunnel_id, head, self._revision)
        except Fenced:
            self._revision = await self._own_revision()
            self._revision = await self._store.put_head(self._tunnel_id, head, self._revision)

    async def _own_revision(self) -> int:
        """Return the head's revision after a write of ours whose answer was lost. Raise Fenced if another
        home has written since."""
        found = await self._store.head(self._tunnel_id)
        head = decode_head(found.value) if found else None
        if found is None:
            self._revision = 0
            self._write_all_again()
            raise StoreUnavailable("the store has lost its data")
        if head is None or head.epoch != self._epoch:
            raise Fenced
        return found.revision

    def _write_all_again(self) -> None:
        held = {
            id(message): message for watch in self._watches.values() for message in watch.queue.held.values()
        }
        sent = {id(message) for message in self._unsent}
        again, size = list[Message](), 0
        for key, message in reversed(held.items()):
            size += len(message.text)
            if size > self._store.room // PORTIONS:
                break  # the oldest stay in memory only: written again, they would push out the rest
            if key not in sent:
                again.append(message)
        self._unsent = again[::-1] + self._unsent
        self._dirty |= set(self._watches)

    def _give_back(self, batch: _Batch) -> None:
        for watch, _ in batch.reached:
            watch.queue.give_up()
        later = {id(message) for message in batch.messages}
        self._unsent = batch.messages + [message for message in self._unsent if id(message) not in later]
        self._dirty |= batch.dirty
        self._retired = batch.retired + self._retired

    async def _retire(self, retired: list[tuple[int, int]]) -> None:
        for slot, size in retired:
            if size >= DROPPED_AT_ONCE:
                try:
                    await self._store.drop(self._tunnel_id, self._epoch, message_name(slot))
                except StoreUnavailable:
                    pass  # it expires by itself
            self._free.append(slot)

    def _end(self, batch: _Batch) -> list[Watch]:
        now = self._clock()
        for device_id in batch.dirty:
            if device_id in self._watches:
                self._watches[device_id].recorded_at = now
        for watch, last in batch.reached:
            watch.queue.store(last)
        return [watch for watch, _ in batch.reached]
