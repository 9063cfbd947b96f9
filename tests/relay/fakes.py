"""One end of each seam of the relay: wires that remember, clocks turned by hand, channels without a bus."""

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

from tiflis.bus.channels.channel import Channel, ChannelHandler
from tiflis.bus.directory.directory import Record
from tiflis.limits import Limits
from tiflis.protocol.frames import FrameReader
from tiflis.protocol.long_text import EscapedText
from tiflis.protocol.spliced import SplicedText
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.devices.audit import Audit
from tiflis.relay.held.store import HeldLimits, HeldStore
from tiflis.relay.home import Home
from tiflis.relay.push.sender import PushSender
from tiflis.relay.sessions.session import Pause, Session
from tiflis.relay.watch.calls import Call
from tiflis.relay.watch.stays import Queues, StayingDevices, StayLimits

AUTH_KEY = "an auth key of sixteen and more"
REGISTRATION_KEY = "a registration key of thirty-two characters"


def record(tunnel_id: str = "tunnel-1", **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "tunnel_id": tunnel_id,
        "name": "desk",
        "key_digest": "",
        "key_id": "",
        "generation": 1,
        "home": "me-0-a",
        "online": True,
        "online_since": 0.0,
        "revision": 1,
    }
    return Record(**(fields | changes))


class FakeWire:
    """A socket that remembers what it was sent. ``messages`` are its texts as objects."""

    _count = 0
    _sends = itertools.count()

    def __init__(self, address: str = "10.0.0.1") -> None:
        FakeWire._count += 1
        self.number = FakeWire._count
        self.connection_id = f"me-0-a.{self.number:x}"
        self.address = address
        self.heard = self.opened = 0.0
        self.session: Session = cast(Session, None)
        self.texts: list[bytes] = []
        self.times: list[int] = []  # for each text, how many texts were sent before it on all wires
        self.pongs: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.dropped = False
        self.probes = 0
        self.paused = Pause(0)
        self.wide = False
        self.reading = FrameReader()
        self.slow = self.high_water = False

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    def take(self) -> list[dict[str, Any]]:
        """Return and forget the messages received so far."""
        messages = self.messages
        self.texts.clear()
        self.times.clear()
        return messages

    def codes(self) -> list[str]:
        return [message["payload"]["code"] for message in self.messages if message["type"] == "error"]

    # Wire

    def send(self, text: bytes) -> None:
        if self.closed is None:
            self.texts.append(text)
            self.times.append(next(FakeWire._sends))

    def send_large(self, text: EscapedText | SplicedText) -> None:
        self.send(bytes(text) if isinstance(text, SplicedText) else text.whole())

    def send_pong(self, text: bytes) -> None:
        self.pongs.append(text)

    def close(self, code: int, reason: str = "") -> None:
        self.closed = self.closed or (code, reason)

    def cut_off(self, code: int, reason: str) -> None:
        self.dropped = True
        self.close(code, reason)

    def too_slow(self, now: float) -> bool:
        return self.slow

    def probe(self) -> None:
        self.probes += 1

    def pause(self, why: Pause) -> None:
        self.paused |= why

    def resume(self, why: Pause) -> None:
        self.paused &= ~why

    def raise_message_limit(self) -> None:
        self.wide = True

    def lower_message_limit(self) -> None:
        self.wide = False

    # The peer

    def say(self, message: dict[str, Any] | bytes) -> None:
        """Have the peer send a message."""
        self.session.received(message if isinstance(message, bytes) else json.dumps(message).encode())

    def end(self) -> None:
        """Close the socket from the peer's side."""
        self.closed = self.closed or (1006, "")
        self.session.lost()


@dataclass
class FakeTimer:
    at: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class FakeHost:
    """A worker whose clock is turned by hand."""

    me: str = "me-0-a"
    limits: Limits = field(default_factory=Limits)
    held_store: HeldStore | None = None
    push: PushSender | None = None
    held_limits: HeldLimits = field(default_factory=HeldLimits)
    time: float = 1000.0
    timers: list[FakeTimer] = field(default_factory=list)
    offline: list[str] = field(default_factory=list)
    desks_lost: int = 0
    keys: DeviceKeys | None = None
    audit: Audit | None = None

    def now(self) -> float:
        return self.time

    def later(self, delay: float, callback: Callable[[], None], /) -> FakeTimer:
        timer = FakeTimer(self.time + delay, callback)
        self.timers.append(timer)
        return timer

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        raise NotImplementedError  # there is no edge here

    def alive(self, worker_id: str) -> bool:
        return worker_id == self.me

    def lock(self, tunnel_id: str) -> asyncio.Lock:
        return asyncio.Lock()

    def lost_watches(self, home: Home) -> None:
        self.desks_lost += 1

    def outdated(self, home: Home) -> bool:
        return False

    def touched(self, home: Home) -> None:
        """Do nothing: there is no directory."""

    def went_offline(self, home: Home) -> None:
        self.offline.append(home.tunnel_id)

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        due, self.timers = (
            [timer for timer in self.timers if timer.at <= self.time],
            [timer for timer in self.timers if timer.at > self.time],
        )
        for timer in due:
            if not timer.cancelled:
                timer.callback()


class FakeDesk:
    """A tunnel's watches, by name."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.broadcasts: list[bytes] = []
        self.to: list[tuple[str, bytes]] = []
        self.registered: list[str] = []
        self.released = 0
        self.closed = False
        self.gap = self.began_empty = False
        self.calls: list[Call] = []
        self.answer: dict[str, Any] | Exception = {"success": True}
        self.staying: dict[str, Any] = {}
        self.restored = True

    def begin_empty(self) -> None:
        self.began_empty = True

    def expect_gap(self) -> None:
        self.gap = True

    async def call(self, call: Call) -> dict[str, Any]:
        self.calls.append(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def release(self) -> bool:
        self.released += 1
        return True

    async def close(self) -> None:
        self.closed = True

    def deliver(self, text: bytes) -> None:
        self.broadcasts.append(text)

    def deliver_to(self, device_id: str, text: bytes) -> bool:
        if device_id in self.names:
            self.to.append((device_id, text))
        return device_id in self.names

    def devices(self) -> list[str]:
        return list(self.names)

    def workstation_registered(self, auth_key: str) -> None:
        self.registered.append(auth_key)

    @property
    def stays(self) -> StayingDevices:
        return StayingDevices(cast(Queues, self), StayLimits(resume=0))

    def keep(self, device_id: str, text: bytes) -> None: ...
    def when_restored(self, callback: Callable[[], None]) -> None: ...


class FakeChannel:
    """One end of a channel without a bus. Messages cross when ``Cable.carry`` says so, in order."""

    def __init__(self, cable: "Cable", peer: str, tunnel_id: str) -> None:
        self.peer, self.tunnel_id = peer, tunnel_id
        self.handler: ChannelHandler | None = None
        self.other: FakeChannel
        self.writable = True
        self.buffered = 0
        self.ended = False
        self.closing = False
        self.complete = False  # the other end has closed in good order, and all it sent has been received
        self.held = False
        self.outgoing: list[bytes] = []
        self.sent = self.consumed = 0
        self.counted = False  # the other end has reported its position
        cable.ends.append(self)
        self.number = len(cable.ends) // 2 * 2  # of both ends

    def unacked(self) -> list[tuple[int, bytes]]:
        return list(enumerate(self.outgoing, self.sent + 1))

    def send(self, message: bytes | list[bytes]) -> None:
        assert not self.ended and not self.closing, "a message was given to a channel that has ended"
        self.outgoing.append(message if isinstance(message, bytes) else b"".join(message))

    def hold(self) -> None:
        self.held = True

    def resume(self) -> None:
        self.held = False

    def close(self) -> None:
        """Close: what was sent is still delivered, what comes from now on is not consumed."""
        self.closing = True

    def abandon(self) -> None:
        self.end()

    def fill(self, full: bool) -> None:
        """Call the handler as if the peer had fallen behind, or caught up."""
        self.writable = not full
        assert self.handler is not None
        self.handler.writable_changed(self.real, self.writable)

    @property
    def real(self) -> Channel:
        return cast(Channel, self)

    def end(self) -> None:
        if not self.ended:
            self.ended = True
            assert self.handler is not None
            self.handler.closed(self.real, list(self.outgoing))
            self.outgoing = []


class Cable:
    """All channels between the workers of one test."""

    def __init__(self) -> None:
        self.ends: list[FakeChannel] = []
        self.acceptors: dict[str, Callable[[Channel], ChannelHandler]] = {}

    def opener(self, me: str) -> Callable[[str, str, ChannelHandler], Channel]:
        def open_channel(peer: str, tunnel_id: str, handler: ChannelHandler, /) -> Channel:
            near = FakeChannel(self, peer, tunnel_id)
            far = FakeChannel(self, me, tunnel_id)
            near.other, far.other = far, near
            far.number = near.number
            near.handler = handler
            return near.real

        return open_channel

    def carry(self) -> None:
        """Deliver until no message is under way."""
        while any(self._carry_one(end) for end in list(self.ends)):
            pass

    def _carry_one(self, end: FakeChannel) -> bool:
        far = end.other
        if end.ended:
            return False
        if far.handler is None:
            far.handler = self.acceptors[end.peer](far.real)
        if end.outgoing and not far.closing and not far.ended and not far.held:
            end.sent += 1
            far.consumed += 1
            far.handler.received(far.real, end.outgoing.pop(0))
            return True
        if end.closing and (not end.outgoing or far.closing or far.ended):
            far.complete = not end.outgoing
            end.complete = far.closing and not far.outgoing
            end.counted = far.counted = True
            end.end()
            far.end()
            return True
        return False

    def carry_some(self, chance: random.Random, count: int) -> None:
        """Try ``count`` deliveries, between random workers."""
        for _ in range(count):
            if self.ends:
                self._carry_one(chance.choice(self.ends))

    async def settle(self) -> None:
        """Deliver, and let tasks run, until neither has anything to do."""
        for _ in range(20):
            self.carry()
            await asyncio.sleep(0)

    def cut(self, worker: str) -> None:
        """End all channels of a worker, as if it had died."""
        for end in list(self.ends):
            if end.peer == worker:
                end.end()


class Works:
    """Runs background work; ``finish`` waits for all of it."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def finish(self) -> None:
        while self.tasks:
            tasks, self.tasks = self.tasks, []
            await asyncio.gather(*tasks)
