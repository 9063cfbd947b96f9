"""A clock and a network without time or sockets: seeded, so that every run can be had again."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tiflis.bus.channels.bus import Bus
from tiflis.bus.channels.channel import Channel
from tiflis.bus.nats.client import ConnectionListener

Handler = Callable[[bytes, bytes], None]


class Timer:
    """What `call_later` returns."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class SimClock:
    """Runs calls in the order of their time."""

    def __init__(self) -> None:
        self._now = 0.0
        self._count = 0
        self._calls: list[tuple[float, int, Callable[[], None], Timer]] = []

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[[], None], /) -> Timer:
        return self.call_later(0.0, callback)

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        timer = Timer()
        self._count += 1
        heapq.heappush(self._calls, (self._now + delay, self._count, callback, timer))
        return timer

    def run_until(self, done: Callable[[], bool], limit: float) -> bool:
        """Advance until `done`, at most to the time `limit`; returns whether it was."""
        while self._calls and self._calls[0][0] <= limit:
            self._now, _, callback, timer = heapq.heappop(self._calls)
            if not timer.cancelled:
                callback()
                if done():
                    return True
        self._now = max(self._now, limit)
        return done()

    def run(self, seconds: float) -> None:
        self.run_until(lambda: False, self._now + seconds)


@dataclass
class Faults:
    """How badly the network behaves: probabilities a packet, and delays in seconds."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.001
    jitter: float = 0.0


class SimNetwork:
    """Carries packets by subject; stays calm or not."""

    def __init__(self, clock: SimClock, seed: int, faults: Faults) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.faults = faults
        self.subscribers: dict[bytes, list[tuple[SimLink, Handler]]] = {}
        self.packets = 0

    def carry(self, subject: bytes, payload: bytes) -> None:
        self.packets += 1
        faults = self.faults
        copies = 2 if self.random.random() < faults.duplicate else 1
        for _ in range(copies):
            if self.random.random() >= faults.drop:
                delay = faults.delay + self.random.random() * faults.jitter
                self.clock.call_later(delay, lambda: self._arrive(subject, payload))

    def _arrive(self, subject: bytes, payload: bytes) -> None:
        for link, handler in self.subscribers.get(subject, []):
            if link.up:
                handler(subject, payload)


class SimLink:
    """One worker's link to the network."""

    def __init__(self, network: SimNetwork) -> None:
        self._network = network
        self._listeners: list[ConnectionListener] = []
        self.up = True
        self.stalled = False
        self.max_payload = 1024 * 1024
        self.largest = 0

    @property
    def writable(self) -> bool:
        return self.up and not self.stalled

    def listen(self, listener: ConnectionListener) -> None:
        self._listeners.append(listener)

    def subscribe(self, subject: str, handler: Handler, queue: str | None = None) -> int:
        self._network.subscribers.setdefault(subject.encode(), []).append((self, handler))
        return 1

    def unsubscribe(self, sid: int) -> None:
        for subscribers in self._network.subscribers.values():
            subscribers[:] = [entry for entry in subscribers if entry[0] is not self]

    def publish_parts(self, subject: bytes, size: int, parts: list[bytes | memoryview]) -> bool:
        payload = b"".join(parts)
        assert len(payload) == size <= self.max_payload
        self.largest = max(self.largest, size)
        if self.up:
            self._network.carry(subject, payload)
        return self.up

    def flush_writes(self) -> None:
        return None

    def go_down(self) -> None:
        self.up = False
        for listener in self._listeners:
            listener.on_down()

    def come_up(self) -> None:
        self.up = True
        for listener in self._listeners:
            listener.on_up()

    def stall(self) -> None:
        self.stalled = True

    def go_on(self) -> None:
        self.stalled = False
        for listener in self._listeners:
            listener.on_writable()


@dataclass
class Recorder:
    """A handler that remembers what it saw."""

    received_: list[bytes] = field(default_factory=list)
    writable: list[bool] = field(default_factory=list)
    undelivered: list[bytes] | None = None
    on_message: Callable[[Channel, bytes], None] | None = None

    def received(self, channel: Channel, message: bytes) -> None:
        self.received_.append(message)
        if self.on_message is not None:
            self.on_message(channel, message)

    def writable_changed(self, channel: Channel, writable: bool) -> None:
        self.writable.append(writable)

    def closed(self, channel: Channel, undelivered: list[bytes]) -> None:
        assert self.undelivered is None, "closed twice"
        self.undelivered = undelivered


class SimWorker:
    """A bus on a simulated link; `accepted` are the channels that others opened, in order."""

    def __init__(self, network: SimNetwork, worker_id: str, epoch: int = 1) -> None:
        self.link = SimLink(network)
        self.accepted: list[tuple[Channel, Recorder]] = []
        self.bus = Bus(self.link, worker_id, self._accept, network.clock, epoch)  # type: ignore[arg-type]

    def _accept(self, channel: Channel) -> Recorder:
        recorder = Recorder()
        self.accepted.append((channel, recorder))
        return recorder

    def open(self, peer: str, tunnel_id: str) -> tuple[Channel, Recorder]:
        recorder = Recorder()
        return self.bus.open(peer, tunnel_id, recorder), recorder
