"""One peer's unsent output: corked, in order, in fragments where it is big, overtaken by pongs alone."""

import contextlib
import json
import socket
import sys
from collections.abc import Callable, Iterator
from operator import eq
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tiflis.protocol.frames import Opcode
from tiflis.protocol.long_text import EscapedText
from tiflis.relay.sessions.large import FRAGMENT, Large
from tiflis.relay.sessions.outbox import BIG_WAIT, KIB, MIB, PRESSURE_HIGH, Cork, Outbox

Message = tuple[int, bytes]


class FakeTransport:
    """Takes what it is given; ``drain`` lets it leave. Blocks above ``high`` bytes like a real one."""

    def __init__(self, high: int = 256 * KIB) -> None:
        self.high = high
        self.writes: list[bytes] = []
        self.left = b""
        self._buffer = b""
        self.outbox: Outbox

    def write(self, data: bytes | memoryview) -> None:
        self.writes.append(bytes(data))
        self._buffer += bytes(data)
        if len(self._buffer) > self.high:
            self.outbox.blocked = True

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def drain(self, size: int | None = None) -> None:
        size = len(self._buffer) if size is None else size
        self.left, self._buffer = self.left + self._buffer[:size], self._buffer[size:]
        if self.outbox.blocked and len(self._buffer) <= self.high // 4:
            self.outbox.blocked = False
            self.outbox.flush()

    def drain_all(self) -> None:
        while self._buffer or self.outbox.waiting or self.outbox.pong_bytes:
            self.drain()


class Loop:
    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None], /) -> None:
        self.soon.append(callback)

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()


class Watches:
    def __init__(self, high: int = 256 * KIB, descriptor: int = -1) -> None:
        self.loop = Loop()
        self.cork = Cork(self.loop.call_soon)
        self.transport = FakeTransport(high)
        outbox = Outbox(self.cork, self.transport, self._relieved, descriptor)
        self.outbox = self.transport.outbox = outbox
        self.reliefs = 0

    def _relieved(self) -> None:
        self.reliefs += 1

    def put(self, payload: bytes) -> None:
        self.outbox.put(payload)
        self.loop.turn()

    def pong(self, payload: bytes, opcode: int = Opcode.TEXT) -> None:
        self.outbox.put_pong(payload, opcode)
        self.loop.turn()

    def messages(self) -> list[Message]:
        """Return what has left, as a client reads it."""
        return read_server(self.transport.left)


def read_server(stream: bytes) -> list[Message]:
    """Unmasked frames to messages; control frames are told where they stand."""
    messages: list[Message] = []
    opcode, parts = 0, b""
    at = 0
    while at < len(stream):
        first, length = stream[at], stream[at + 1]
        at += 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(stream[at : at + size], "big")
            at += size
        payload, at = stream[at : at + length], at + length
        assert len(payload) == length, "cut short"
        kind = first & 15
        if kind >= 8:
            messages.append((kind, payload))
            continue
        assert (kind == 0) == bool(opcode), "a continuation, or a new message, where it must not be"
        opcode, parts = kind or opcode, parts + payload
        if first & 128:
            messages.append((opcode, parts))
            opcode, parts = 0, b""
    return messages


@pytest.fixture
def watches() -> Watches:
    return Watches()


def test_one_loop_turn_is_one_write(watches: Watches) -> None:
    for number in range(10):
        watches.outbox.put(b"%d" % number)
    assert watches.transport.writes == []
    watches.loop.turn()
    assert len(watches.transport.writes) == 1
    watches.transport.drain_all()
    assert watches.messages() == [(1, b"%d" % number) for number in range(10)]


def test_a_burst_is_flushed_once_when_it_ends(watches: Watches) -> None:
    watches.cork.depth = 1
    watches.outbox.put(b"a")
    assert watches.loop.soon == []
    watches.cork.depth = 0
    watches.cork.flush()
    watches.outbox.put(b"b")
    watches.loop.turn()
    assert len(watches.transport.writes) == 2


@pytest.mark.parametrize(
    "size", [0, 1, 125, 126, 65535, 65536, FRAGMENT, FRAGMENT + 1, 5 * FRAGMENT, 3 * MIB + 7]
)
def test_every_size_arrives(watches: Watches, size: int) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    for each in (b"before", payload[:size], b"after"):
        watches.put(each)
    watches.transport.drain_all()
    assert watches.messages() == [(1, b"before"), (1, payload[:size]), (1, b"after")]


def test_an_escaped_text_is_unescaped_as_it_leaves(watches: Watches) -> None:
    text = '"\\ \u00e4\U0001f600\n' * (MIB // 4) + "b" * 17
    escaped = json.dumps(text).encode()
    for each in (b"before", EscapedText(Raw(escaped)), b"after"):
        watches.outbox.put(each)
        watches.loop.turn()
    assert watches.transport.get_write_buffer_size() < 512 * KIB
    watches.transport.drain_all()
    assert watches.messages() == [(1, b"before"), (1, text.encode()), (1, b"after")]
    assert watches.outbox.waiting == 0


def test_an_escaped_text_goes_on_in_another_process(watches: Watches) -> None:
    text = "\u00e4\n" * MIB
    watches.outbox.put(EscapedText(Raw(json.dumps(text).encode())))
    watches.loop.turn()
    sent = watches.transport.left + watches.transport._buffer
    there = Watches()
    there.outbox.restore(sent, watches.outbox.export())
    there.transport.drain_all()
    assert there.messages() == [(1, text.encode())]


def test_the_transport_is_given_little_at_a_time(watches: Watches) -> None:
    watches.put(b"x" * 10 * MIB)
    assert watches.transport.get_write_buffer_size() < 512 * KIB
    assert watches.outbox.waiting > 9 * MIB


def test_a_message_to_many_is_not_copied() -> None:
    payload = b"x" * 10 * MIB
    desks = [Watches() for _ in range(3)]
    for watches in desks:
        watches.put(payload)
    waiting = [item for watches in desks for item in watches.outbox._queue or ()]
    assert all(item._payload is payload for item in waiting if isinstance(item, Large))


def test_pressure_rises_and_everything_is_counted(watches: Watches) -> None:
    watches.transport.high = 0
    watches.put(b"x")
    watches.put(b"x" * 2 * PRESSURE_HIGH)
    assert watches.outbox.high_water
    assert watches.outbox.unsent() >= PRESSURE_HIGH
    before = watches.outbox.sent()
    watches.transport.drain()
    assert watches.outbox.sent() > before
    assert watches.reliefs == 0
    watches.transport.drain_all()
    assert (watches.outbox.unsent(), watches.outbox.waiting, watches.outbox.high_water) == (0, 0, False)
    assert watches.reliefs > 0


def test_the_pressure_ends_though_the_transport_took_everything(watches: Watches) -> None:
    """Then it never says that it could be written to again."""
    watches.transport.high = 100 * MIB
    watches.put(b"x" * 2 * PRESSURE_HIGH)
    assert (watches.outbox.high_water, watches.reliefs > 0) == (False, True)


def test_a_pong_keeps_its_place_behind_small_messages(watches: Watches) -> None:
    watches.transport.high = 0
    for number in range(5):
        watches.put(b"%d" % number)
        watches.pong(b"pong %d" % number)
    watches.transport.drain_all()
    expected = [text for number in range(5) for text in ((1, b"%d" % number), (1, b"pong %d" % number))]
    assert watches.messages() == expected


def test_a_json_pong_overtakes_what_is_big_but_does_not_cut_it(watches: Watches) -> None:
    big = b"x" * 5 * MIB
    watches.put(big)
    watches.put(b"next" + b"y" * 2 * MIB)
    watches.pong(b"pong")
    watches.transport.drain_all()
    assert [payload[:4] for _, payload in watches.messages()] == [b"xxxx", b"pong", b"next"]


def test_a_protocol_pong_goes_between_fragments(watches: Watches) -> None:
    watches.put(b"x" * 5 * MIB)
    watches.pong(b"p", Opcode.PONG)
    watches.transport.drain(FRAGMENT * 3)
    watches.transport.drain_all()
    assert watches.messages()[0] == (Opcode.PONG, b"p"), "long before the message is complete"
    assert len(watches.messages()[1][1]) == 5 * MIB


def test_pongs_stay_in_their_order(watches: Watches) -> None:
    watches.put(b"x" * 5 * MIB)
    for number in range(3):
        watches.pong(b"json %d" % number)
        watches.pong(b"%d" % number, Opcode.PONG)
    watches.transport.drain_all()
    pongs = [payload for _, payload in watches.messages() if len(payload) < 100]
    assert pongs == [b"0", b"1", b"2", b"json 0", b"json 1", b"json 2"]
    assert watches.outbox.pong_bytes == 0


def test_a_pong_waits_behind_a_mebibyte_at_most(watches: Watches) -> None:
    watches.transport.high = 0
    watches.put(b"0")  # the transport is full
    while watches.outbox.waiting <= BIG_WAIT:
        watches.put(b"x" * 64 * KIB)
    watches.pong(b"pong")
    watches.transport.drain()
    watches.transport.drain()
    left = watches.messages()
    assert (1, b"pong") in left
    assert sum(len(payload) for _, payload in left) < 256 * KIB


def test_after_a_drop_a_control_frame_may_follow(watches: Watches) -> None:
    watches.put(b"x" * 5 * MIB)
    watches.pong(b"pong")
    watches.transport.drain(FRAGMENT)
    watches.outbox.drop()
    watches.outbox.put(b"\x03\xf5", Opcode.CLOSE)
    watches.loop.turn()
    watches.transport.drain_all()
    assert watches.messages() == [(Opcode.CLOSE, b"\x03\xf5")]


def test_another_process_goes_on(watches: Watches) -> None:
    big = bytes(range(256)) * 8 * KIB
    watches.put(big)
    watches.put(b"after")
    watches.pong(b"pong")
    watches.transport.drain(FRAGMENT + 5)
    tail = watches.outbox.unsent_tail(watches.transport.get_write_buffer_size())
    other = Watches()
    other.outbox.restore(tail, watches.outbox.export())
    other.transport.drain_all()
    left = read_server(watches.transport.left + other.transport.left)
    assert left == [(1, big), (1, b"pong"), (1, b"after")]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from([1, 200, FRAGMENT, FRAGMENT + 1, 3 * FRAGMENT, 2 * MIB])),
        st.tuples(st.just("pong"), st.sampled_from([Opcode.TEXT, Opcode.PONG])),
        st.tuples(st.just("drain"), st.integers(1, MIB)),
        st.tuples(st.just("move"), st.just(0)),
    ),
    max_size=25,
)


@given(STEPS)
def test_any_schedule_keeps_messages_in_order(steps: list[tuple[str, Any]]) -> None:
    watches, left = Watches(), b""
    sent: list[Message] = []
    for number, (what, value) in enumerate(steps):
        if what == "put":
            sent.append((1, b"m%d " % number + b"x" * value))
            watches.put(sent[-1][1])
        elif what == "pong":
            sent.append((int(value), b"p%d" % number))
            watches.pong(sent[-1][1], value)
        elif what == "drain":
            watches.transport.drain(value)
        else:
            watches.loop.turn()
            left += watches.transport.left
            tail = watches.outbox.unsent_tail(watches.transport.get_write_buffer_size())
            other = Watches()
            other.outbox.restore(tail, watches.outbox.export())
            watches = other
    watches.transport.drain_all()
    heard = read_server(left + watches.transport.left)
    assert [message for message in heard if is_data(message)] == [m for m in sent if is_data(m)]
    assert sorted(heard) == sorted(sent), "a pong may overtake an earlier one that waits in its place"


def is_data(message: Message) -> bool:
    return message[1].startswith(b"m")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def test_what_the_kernel_takes_does_not_go_through_the_transport(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    watches = Watches(descriptor=pair[0].fileno())
    watches.put(b"at once")
    assert watches.transport.writes == []
    assert read_server(pair[1].recv(100)) == [(Opcode.TEXT, b"at once")]


def test_what_the_kernel_does_not_take_follows_in_order(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    watches = Watches(64 * MIB, pair[0].fileno())
    messages = [bytes([number]) * (100 * KIB) for number in range(40)]
    for message in messages:
        watches.put(message)
    assert watches.transport.writes
    taken = b""
    pair[1].setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            taken += pair[1].recv(MIB)
    # There is room again, but what the transport holds comes first.
    watches.put(b"last")
    watches.transport.drain_all()
    arrived = [text for _, text in read_server(taken + watches.transport.left)]
    assert [text[:4] for text in arrived] == [text[:4] for text in [*messages, b"last"]]
    assert all(map(eq, arrived, messages))


def test_a_broken_socket_is_left_to_the_transport() -> None:
    watches = Watches(descriptor=-1)
    watches.put(b"lost")
    assert len(watches.transport.writes) == 1


def test_a_peer_that_is_cut_off_amid_a_large_message_keeps_none_of_it() -> None:
    watches, payload = Watches(), bytes(8 * MIB)
    before = sys.getrefcount(payload)
    watches.outbox.put(payload)
    watches.loop.turn()
    assert watches.transport.writes, "the transport has a fragment that the peer does not take"
    watches.outbox.drop()
    assert sys.getrefcount(payload) == before
    assert watches.outbox.pinned() == (0, {})
