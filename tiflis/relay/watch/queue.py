"""One watch's queue: the messages that wait for a poll, numbered 1, 2, 3 … and bounded (protocol, section 4).

Pure: callers pass the time. A number is *given* at once and *shown* to polls only when the message is
stored, so that numbers never go back after a crash. A stream's newest stored snapshot stays until a newer
one is stored, and the one that is being written until it is, or polls would find nothing of an answer that
grows faster than it is written.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tiflis import metrics

StreamKey = tuple[str, str]  # a message's type and its streaming_message_id


class Message:
    """A message, shared by all queues that hold it."""

    __slots__ = ("at", "entered", "holders", "key", "numbers", "slot", "stamp", "text")

    def __init__(self, text: bytes, stamp: str, at: float, key: StreamKey | None = None) -> None:
        self.text = text
        self.stamp = stamp  # the timestamp in answers to polls
        self.at = at  # by the clock of the queues
        self.key = key
        self.holders = 0
        self.entered = 0  # counted as pinned bytes
        self.numbers: dict[str, int] = {}  # its number in each watch's queue
        self.slot: int | None = None  # its record's number in the store

    @contextmanager
    def held(self, released: "Released") -> Iterator[None]:
        """Keep the message while it is put into several queues, one of which may drop it at once."""
        self.holders += 1
        yield
        self.let_go(released)

    def let_go(self, released: "Released") -> None:
        """Note that one queue less holds it; call ``released`` after the last."""
        self.holders -= 1
        if not self.holders:
            released(self)


Released = Callable[[Message], None]  # called when no queue holds the message any more


class Bounds(NamedTuple):
    messages: int = 100
    size: int = 64 * 1024 * 1024  # bytes
    age: float = 300.0  # seconds


class Reading(NamedTuple):
    """The answer to a poll."""

    messages: list[tuple[int, Message]]
    current: int
    oldest: int
    missed: bool


class WatchQueue:
    """A watch's messages. ``last``: the highest number given; ``shown``: the highest that polls may return;
    ``lost``: the highest that was dropped unread; ``acknowledged``: all up to it were received; ``size``: in
    bytes."""

    def __init__(self, bounds: Bounds, released: Released = lambda message: None) -> None:
        self._bounds = bounds
        self._released = released
        self._held: dict[int, Message] = {}
        self._streams: dict[StreamKey, list[int]] = {}  # held numbers, ascending: the last counts
        self._replaced: dict[int, None] = {}
        self._writing = 0  # the store is writing what is not stored up to this number
        self.size = 0
        self.last = self.shown = self.lost = self.acknowledged = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def waiting(self) -> int:
        """Return how many messages a poll could return."""
        return sum(number <= self.shown for number in self._held)

    @property
    def expires_at(self) -> float:
        """Return the time at which the oldest message is too old, infinity without one."""
        return next(iter(self._held.values())).at + self._bounds.age if self._held else float("inf")

    @property
    def held(self) -> dict[int, Message]:
        """Return the messages by number, oldest first. Do not change it."""
        return self._held

    @property
    def newest(self) -> list[int]:
        """Return the held numbers that no later snapshot replaces, ascending."""
        return [number for number in self._held if number not in self._replaced]

    def append(self, message: Message) -> int:
        """Give the message the next number. It replaces an unread earlier one of its stream."""
        self.last += 1
        self.put(self.last, message)
        return self.last

    def put(self, number: int, message: Message) -> None:
        """Hold a message under a number above all that are held."""
        self._held[number] = message
        self.size += len(message.text)
        message.holders += 1
        if message.key is not None:
            numbers = self._streams.setdefault(message.key, [])
            self._replaced.update(dict.fromkeys(numbers))
            numbers.append(number)
            self._thin(message.key)
        self._fit()

    def _thin(self, key: StreamKey) -> None:
        """Keep of a stream the newest that is shown, the newest that is being written, and the newest."""
        numbers = self._streams.get(key, [])
        limits = (self.shown, self._writing, self.last)
        needed = {max((number for number in numbers if number <= limit), default=0) for limit in limits}
        for number in [number for number in numbers if number not in needed]:
            self._remove(number)

    def _thin_all(self) -> None:
        for key in {self._held[number].key for number in self._replaced}:
            if key is not None:
                self._thin(key)

    def _fit(self) -> None:
        """Drop messages until the bounds are kept. Replaced ones go first: no content is lost with them. They
        do not count as messages, since a poll returns only one per stream."""
        while self.size > self._bounds.size and self._replaced:
            self._remove(next(iter(self._replaced)))
        while len(self._held) - len(self._replaced) > self._bounds.messages or self.size > self._bounds.size:
            self._lose(next(number for number in self._held if number not in self._replaced), "full")

    def write(self, number: int) -> None:
        """Keep everything up to this number until ``store`` or ``give_up``: it is being written."""
        self._writing = number

    def give_up(self) -> None:
        """End ``write`` without success."""
        self._writing = self.shown
        self._thin_all()

    def store(self, number: int) -> None:
        """Show everything up to this number: it is stored."""
        self.shown = max(self.shown, number)
        self._writing = self.shown
        self._thin_all()

    def skip(self, by: int = 1) -> None:
        """Leave out numbers and count them as lost: there may have been messages that were not stored."""
        self.last += by
        self.lost = self.shown = self.last

    def miss(self) -> None:
        """Give a number to a message that is larger than the queue, and count it as lost with all that is
        held."""
        metrics.count("watch_dropped_total", "full")
        self.clear()
        self.skip()

    @property
    def limit(self) -> int:
        """Return how many bytes may be held."""
        return self._bounds.size

    def refuse(self, number: int) -> None:
        """Drop a message that the store does not accept."""
        self._drop(number, "refused")

    def acknowledge(self, number: int) -> bool:
        """Drop everything up to this number, which the watch has received. Return False, and do nothing, for
        a number above ``shown`` or one acknowledged before."""
        if number > self.shown or number <= self.acknowledged:
            return False
        self.acknowledged = number
        for held in [held for held in self._held if held <= number]:
            self._remove(held)
        return True

    def read(self, since: int) -> Reading:
        """Return the stored messages above ``since``; all of them if ``since`` is above ``shown``, a number
        of an earlier queue."""
        foreign = since > self.shown
        after = 0 if foreign else since
        shown = [(number, message) for number, message in self._held.items() if number <= self.shown]
        fresh = [(number, message) for number, message in shown if number > after]
        oldest = shown[0][0] if shown else self.shown
        return Reading(fresh, self.shown, oldest, foreign or self.lost > since)

    def after(self, since: int) -> list[tuple[int, Message]] | None:
        """Return the messages above ``since``, stored or not, without snapshots that a later one replaces.
        Return None if one of them is missing."""
        if not max(self.lost, self.acknowledged) <= since <= self.last:
            return None
        return [(number, self._held[number]) for number in self.newest if number > since]

    def bound(self, bounds: Bounds) -> None:
        """Replace the bounds."""
        self._bounds = bounds
        self._fit()

    def expire(self, now: float) -> None:
        """Drop messages that are too old."""
        horizon = now - self._bounds.age
        for number in [number for number, message in self._held.items() if message.at <= horizon]:
            self._drop(number, "expired")

    def drop_oldest(self) -> bool:
        """Drop one message as a full queue does. Return False if there is none."""
        if not self._held:
            return False
        if self._replaced:
            self._remove(next(iter(self._replaced)))
        else:
            self._lose(next(iter(self._held)), "full")
        return True

    def clear(self) -> None:
        for number in list(self._held):
            self._remove(number)

    def _drop(self, number: int, reason: str) -> None:
        if number in self._replaced:
            self._remove(number)  # no gap: a newer one of its stream is held
        elif number in self._held:
            self._lose(number, reason)

    def _lose(self, number: int, reason: str) -> None:
        """Drop a message unread, with the earlier snapshots of its stream."""
        metrics.count("watch_dropped_total", reason)
        self.lost = max(self.lost, number)
        key = self._held[number].key
        for gone in list(self._streams.get(key, ())) if key is not None else [number]:
            self._remove(gone)

    def _remove(self, number: int) -> None:
        message = self._held.pop(number)
        self._replaced.pop(number, None)
        self.size -= len(message.text)
        if message.key is not None:
            numbers = self._streams[message.key]
            numbers.remove(number)
            if not numbers:
                del self._streams[message.key]
        message.let_go(self._released)


class StartupBuffer:
    """The messages delivered before the tunnel's watches are known; bounded like one watch's queue.
    ``lost``: some were dropped."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.size = 0
        self.texts: list[tuple[bytes, str | None]] = []  # with the device it is for; None: all
        self.lost = False

    def hold(self, text: bytes, device_id: str | None) -> None:
        """Add a message, and drop the oldest ones above the bounds."""
        self.texts.append((text, device_id))
        self.size += len(text)
        while len(self.texts) > self._bounds.messages or self.size > self._bounds.size:
            self.size -= len(self.texts.pop(0)[0])
            self.lost = True
