"""Large messages on their way in: which are read, which wait for room, and which come too slowly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.protocol.wire import client as frame
from tests.protocol.wire import head
from tests.relay.fakes import FakeWire
from tests.web.endpoint import Hall, hall
from tests.web.raw_peer import CLOSE, TEXT, RawPeer
from tiflis.protocol.close import CloseCode
from tiflis.relay.pinned import Pinned, Shares
from tiflis.relay.sessions.session import BaseSession
from tiflis.web.intake import BUSY_SECONDS, LEAST_RATE, LOOK_SECONDS, WAIT_SECONDS, Intake

KIB = 1024
SHARES = Shares(tunnel=256 * KIB, worker=400 * KIB)
SILENCE = 15.0  # seconds


class Session(BaseSession):
    def __init__(self, tunnel_id: str) -> None:
        self.tunnel_id = tunnel_id
        self.wire = FakeWire()


class Peer(FakeWire):
    """A socket in the middle of its message."""

    def __init__(self, tunnel_id: str) -> None:
        super().__init__()
        self.session = Session(tunnel_id)
        self.arrived = 0
        self.gave_up: CloseCode | None = None

    def give_up(self, code: CloseCode, reason: str) -> None:
        self.gave_up = code


class Watches:
    """An intake whose clock is turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.pinned = Pinned(SHARES)
        self.intake = Intake(self.pinned, lambda: self.now, self.later, SILENCE)

    def later(self, delay: float, call: Callable[[], None]) -> None:
        self.timers.append((self.now + delay, call))

    def begin(self, tunnel_id: str, size: int) -> Peer:
        peer = Peer(tunnel_id)
        peer.begun = self.intake.begin(peer)  # type: ignore[attr-defined,arg-type]
        self.intake.announce(peer.begun, size)  # type: ignore[attr-defined]
        return peer

    def end(self, peer: Peer) -> None:
        self.intake.end(peer.begun)  # type: ignore[attr-defined]

    def run(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        """Let time pass; `each` is called before each look."""
        end = self.now + seconds
        while self.now < end:
            self.now += LOOK_SECONDS
            each()
            due, self.timers = self.timers, []
            for _, call in due:
                call()


@pytest.fixture
def watches() -> Watches:
    return Watches()


def test_a_message_without_room_is_not_read_until_another_has_ended(watches: Watches) -> None:
    first, second, third = (watches.begin("t", 100 * KIB) for _ in range(3))
    assert [peer.paused for peer in (first, second)] == [0, 0]
    assert third.paused
    watches.end(first)
    watches.run(LOOK_SECONDS)
    assert not third.paused


def test_another_tunnel_has_room_of_its_own(watches: Watches) -> None:
    watches.begin("t", 200 * KIB)
    assert watches.begin("t", 100 * KIB).paused
    assert not watches.begin("other", 100 * KIB).paused


def test_a_message_that_drips_is_ended_and_one_at_the_least_rate_is_not(watches: Watches) -> None:
    dripping, slow = watches.begin("t", 90 * KIB), watches.begin("t", 90 * KIB)

    def bytes_come() -> None:
        dripping.arrived += 1
        slow.arrived += int(LEAST_RATE * LOOK_SECONDS) + 1

    watches.run(2 * SILENCE, bytes_come)
    assert (dripping.gave_up, slow.gave_up) == (CloseCode.POLICY_VIOLATION, None)


def test_one_that_we_do_not_read_is_not_slow(watches: Watches) -> None:
    peer = watches.begin("t", 90 * KIB)
    peer.paused = 2  # type: ignore[assignment]
    watches.run(2 * SILENCE)
    assert peer.gave_up is None


def test_while_one_waits_the_largest_that_is_slow_makes_room(watches: Watches) -> None:
    small, large = watches.begin("t", 80 * KIB), watches.begin("t", 150 * KIB)
    waiting = watches.begin("t", 120 * KIB)
    watches.run(BUSY_SECONDS + 2 * LOOK_SECONDS)
    assert (small.gave_up, large.gave_up, waiting.gave_up) == (None, CloseCode.TRY_AGAIN_LATER, None)
    assert not waiting.paused


def test_the_wait_for_room_ends(watches: Watches) -> None:
    busy, waiting = watches.begin("t", 200 * KIB), watches.begin("t", 120 * KIB)

    def quickly() -> None:
        busy.arrived += 100 * KIB

    watches.run(WAIT_SECONDS + LOOK_SECONDS, quickly)
    assert (busy.gave_up, waiting.gave_up) == (None, CloseCode.TRY_AGAIN_LATER)
    watches.end(busy)
    assert watches.pinned.total == 0


# Over real sockets


def widened(here: Hall) -> None:
    for socket in here.sockets.open.values():
        socket.raise_message_limit()


async def test_a_large_message_waits_in_its_senders_socket_and_then_arrives() -> None:
    async with (
        hall(SHARES) as here,
        await RawPeer.open(here.port) as one,
        await RawPeer.open(here.port) as two,
    ):
        widened(here)
        one.raw(head(TEXT, 200 * KIB) + b"x" * 1000)
        await here.until(lambda: here.pinned.total == 200 * KIB)
        text = b"y" * 200 * KIB
        two.send(text)
        await here.until(lambda: any(socket.paused for socket in here.sockets.open.values()))
        one.writer.transport.abort()  # and with it its room is free
        await here.until(lambda: any(session.heard == [text] for session in here.sessions))
        await here.until(lambda: here.pinned.total == 0)


async def test_a_peer_that_is_given_up_frees_its_message_and_reads_why() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        widened(here)
        peer.raw(head(TEXT, 900 * KIB) + b"x" * 1000)
        await here.until(lambda: here.pinned.total == 900 * KIB)
        [socket] = here.sockets.open.values()
        inbox = socket._inbox
        inbox._intake._give_up(inbox.large, CloseCode.TRY_AGAIN_LATER, "No room", "waited")  # type: ignore[arg-type]
        assert here.pinned.total == 0
        assert await peer.next() == (CLOSE, (1013).to_bytes(2, "big") + b"No room")
        assert inbox.reader.arrived == 0
        peer.raw(b"x" * 1000 + frame(CLOSE, b""))


async def test_a_message_that_comes_whole_is_not_entered() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        widened(here)
        peer.send(b"echo" + b"." * 10 * KIB)
        assert (await peer.next())[0] == TEXT
        assert here.pinned.total == 0


async def test_a_socket_that_moves_takes_its_message_along_in_the_ledger() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        widened(here)
        text = b"x" * 300 * KIB
        peer.raw(frame(TEXT, text)[:-5])
        await here.until(lambda: here.pinned.total == len(text))
        [socket] = here.sockets.open.values()
        descriptor, state = await socket.leave()
        assert here.pinned.total == 0
        moved = here.sockets.make("10.0.0.1")
        moved.session = socket.session
        await moved.adopt(descriptor, state)
        moved.go()
        assert here.pinned.total == len(text)
        peer.raw(frame(TEXT, text)[-5:])
        await here.until(lambda: here.sessions[0].heard == [text])
        assert here.pinned.total == 0
