"""Devices that stay: clients whose queue goes on after their last socket has closed (docs/staying.md).

Their queues are watch queues of the same registry. A number is given when a message is sent, before it is
stored; so a home that has died makes the next one leave out more numbers than it can have given.
"""

from collections.abc import Collection
from typing import NamedTuple, Protocol

from tiflis.limits import MIB
from tiflis.protocol.cursor import MARK_EVERY, Cursor
from tiflis.protocol.scan import LARGE
from tiflis.relay.watch.device import Watch
from tiflis.relay.watch.queue import Bounds, Message

STAYS = "\0"  # begins the key of a staying device's queue; no device id has this character


class StayLimits(NamedTuple):
    """Of one device. ``resume``: seconds; 0: no device stays."""

    messages: int = 256
    size: int = 4 * MIB
    resume: float = 600.0
    push: float = 86_400.0  # of a device with a push subscription


class Resumption(NamedTuple):
    """The answer to a client's ``resume``, and the messages that it has missed, by number."""

    start: Cursor
    verdict: str  # ok, gap or new
    missed: list[tuple[int, Message]]
    last: int
    registered: bool  # the workstation has registered anew since the device's last socket closed

    def answer(self) -> dict[str, object]:
        """Return the ``resume`` of ``connected``."""
        found: dict[str, object] = {
            "epoch": self.start.epoch,
            "seq": self.start.seq,
            "verdict": self.verdict,
        }
        return found | ({"missed": len(self.missed)} if self.verdict == "ok" else {})


class Queues(Protocol):
    """The registry as its staying devices need it."""

    staying: dict[str, Watch]

    @property
    def restored(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    def now(self) -> float: ...
    def is_present(self, watch: Watch) -> bool:
        """Return whether a device that stays has a socket."""

    def begin(self, key: str, bounds: Bounds, stay: float, key_id: str = "") -> Watch: ...
    def called(self, watch: Watch, write: bool = False) -> None: ...
    def leave(self, watch: Watch, orderly: bool = False) -> None: ...
    def acknowledge(self, watch: Watch, *numbers: int) -> None: ...


class StayingDevices:
    """The staying devices of one registry."""

    def __init__(self, registry: Queues, limits: StayLimits) -> None:
        self._registry, self._limits = registry, limits
        self._subscribed: set[str] = set()  # devices with a push subscription

    @property
    def ready(self) -> bool:
        """Return whether a device can resume: the queues of the last home have been restored."""
        return self._registry.restored and not self._registry.closed

    @property
    def over(self) -> bool:
        """Return whether another home has the queues."""
        return self._registry.closed

    @property
    def on(self) -> bool:
        """Return whether devices may stay."""
        return self._limits.resume > 0

    def holds(self, device_id: str) -> bool:
        """Return whether the device stays."""
        return STAYS + device_id in self._registry.staying

    def introduced(self, device_id: str) -> bool:
        """Return whether the workstation has received the device's ``auth`` while it had no socket."""
        watch = self._queue(device_id)
        return watch is not None and watch.introduced

    def absent(self) -> int:
        """Return how many devices stay without a socket."""
        return sum(not self._registry.is_present(watch) for watch in self._registry.staying.values())

    def cursor(self, device_id: str, key_id: str = "") -> Cursor:
        """Return the end of the device's queue; make the queue if there is none. ``key_id``: of the device
        key that it comes with."""
        watch = self._queue(device_id) or self._begin(device_id, key_id)
        watch.unmarked = 0
        return Cursor(watch.mark, watch.queue.last)

    def resume(self, device_id: str, cursor: Cursor, socket: object = None, key_id: str = "") -> Resumption:
        """Continue from a client's cursor on this socket, and have the device stay from now on."""
        watch = self._queue(device_id)
        known = watch is not None and watch.mark == cursor.epoch
        watch = watch or self._begin(device_id, key_id)
        watch.key_id = key_id
        self._registry.called(watch)
        end = Cursor(watch.mark, watch.queue.last)
        registered, watch.registered = watch.registered, False
        watch.unmarked = 0
        missed = watch.queue.after(cursor.seq) if known else None
        watch.readers.came(socket, end.seq if missed is None else cursor.seq)
        if missed is None:
            return Resumption(end, "gap" if known else "new", [], end.seq, False)
        return Resumption(cursor, "ok", missed, end.seq, registered)

    def called(self, device_id: str) -> None:
        """Note that one of the device's sockets lives."""
        watch = self._queue(device_id)
        if watch is not None:
            self._registry.called(watch)

    def seen(self, device_id: str, socket: object, number: int, sockets: Collection[object]) -> None:
        """Note how far a socket's client has processed the queue, and drop what every reader has. A number
        that is not stored yet is dropped with a later call. ``sockets``: all of the device that resume."""
        watch = self._queue(device_id)
        if watch is None or number > watch.queue.last:
            return
        watch.readers.read(socket, number)
        least = watch.readers.least(sockets, self._registry.now() - watch.stay)
        self._registry.acknowledge(watch, min(least, watch.queue.shown))

    def socket_left(self, device_id: str, socket: object) -> None:
        """Note that a socket that resumed has closed: what it has not processed is kept for it."""
        watch = self._queue(device_id)
        if watch is not None:
            watch.readers.left(socket, self._registry.now())

    def left(self, device_id: str) -> bool:
        """Note that the device's last socket has closed; return whether the device stays."""
        watch = self._queue(device_id)
        if watch is None or self._registry.closed:
            return watch is not None
        watch.introduced = True
        self._registry.called(watch, write=True)
        return True

    def forget(self, device_id: str) -> bool:
        """End the device's stay; return whether it stayed without a socket."""
        watch = self._queue(device_id)
        if watch is None:
            return False
        absent = not self._registry.is_present(watch)
        self._registry.leave(watch, orderly=True)
        return absent

    def forget_all(self) -> int:
        """End the stays of all devices; return how many of them had no socket."""
        return sum(self.forget(watch.name) for watch in list(self._registry.staying.values()))

    def workstation_changed(self) -> None:
        """Note that devices without a socket have missed that the workstation was away or is another one."""
        for watch in self._registry.staying.values():
            watch.registered = True

    def fitting(self, watches: list[Watch], size: int) -> list[Watch]:
        """Return those whose queues may hold a message of this size. For other devices that stay it is a gap,
        and need not be read."""
        if size <= LARGE:
            return watches
        for watch in (missed := [one for one in watches if one.stay and size > one.queue.limit]):
            watch.queue.miss()
            self._registry.acknowledge(watch, watch.queue.last)
        return [watch for watch in watches if watch not in missed]

    def mark_due(self, watch: Watch, counted: bool) -> bool:
        """Count a message that was sent to the device; return whether a mark is to follow it."""
        watch.unmarked += 1
        return watch.unmarked >= MARK_EVERY or not counted

    def bounds(self, stay: float) -> Bounds:
        """Return the bounds of a device that stays for so many seconds."""
        return Bounds(self._limits.messages, self._limits.size, stay)

    def _queue(self, device_id: str) -> Watch | None:
        return self._registry.staying.get(STAYS + device_id)

    def _begin(self, device_id: str, key_id: str) -> Watch:
        stay = self._stay(device_id)
        return self._registry.begin(STAYS + device_id, self.bounds(stay), stay, key_id)

    def _stay(self, device_id: str) -> float:
        return max(self._limits.resume, self._limits.push if device_id in self._subscribed else 0.0)

    def subscribed(self, device_id: str, subscribed: bool) -> None:
        """Note whether the device has a push subscription: then it stays for longer."""
        (self._subscribed.add if subscribed else self._subscribed.discard)(device_id)
        watch = self._queue(device_id)
        if watch is not None:
            watch.stay = self._stay(device_id)
            watch.queue.bound(self.bounds(watch.stay))
            self._registry.called(watch, write=True)
