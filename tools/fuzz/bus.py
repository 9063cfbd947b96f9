"""What workers read from the bus: NATS's own lines, our packets, and the envelopes of homes and edges."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from tests.bus.simulation import Faults, SimClock, SimLink, SimNetwork
from tiflis.bus import subjects
from tiflis.bus.channels import packets
from tiflis.bus.channels.bus import Bus
from tiflis.bus.channels.channel import Channel
from tiflis.bus.channels.packets import Kind
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.nats.protocol import NatsProtocol
from tiflis.protocol.errors import InvalidPayload, SendFailed, TunnelError
from tiflis.relay.remote import envelope
from tiflis.relay.remote.envelope import Arrival
from tiflis.relay.watch.calls import Command, Messages
from tools.fuzz.script import Script, cut

Call = tuple[Any, ...]
WORDS = ("MSG ", "HMSG ", "INFO {}", "PING", "PONG", "-ERR 'x'", "+OK", "\r\n", "a 1 ", "NATS/1.0", " 5\r\n")
GARBAGE = max(Kind) + 1
ME, PEER = "me-0-a", "them-1-b"


# A frame of garbage: a RUN that is cut short.
SEEDS = (bytes((0, 1, 1, 0, GARBAGE - 1, 0, 0, 0, 0, 3, 1, 2, 3, 0)),)


# NATS


class Heard:
    """A link that only remembers, and the transport of its connection."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.written = b""
        self.ended = False

    def refused(self, text: str) -> None:
        pass

    def informed(self, info: dict[str, Any]) -> None:
        self.calls.append(("INFO", info))

    def writable_again(self) -> None: ...

    def get_extra_info(self, name: str) -> None: ...

    def set_write_buffer_limits(self, high: int, low: int) -> None: ...

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.ended = True


def nats(data: bytes) -> None:
    """Check that legal lines arrive as they were meant, in any cuts; others end the connection at most."""
    script = Script(data)
    built, sizes = script.byte() & 1, script.take(3)
    stream, meant = _lines(script) if built else (script.rest(), None)
    asyncio.run(_same(stream, sizes, meant))


async def _same(stream: bytes, sizes: bytes, meant: list[Call] | None) -> None:
    at_once = _hear([stream])
    assert _hear(cut(stream, sizes)) == at_once
    assert _hear(cut(stream, b"\0")) == at_once
    assert meant is None or at_once == (meant, False)


def _lines(script: Script) -> tuple[bytes, list[Call]]:
    stream, meant = b"", list[Call]()
    while script.more:
        kind, payload = script.byte() % 5, script.piece()
        if kind == 0:
            stream += b"MSG inbox.a 1 %d\r\n%b\r\n" % (len(payload), payload)
            meant.append((b"inbox.a", payload))
        elif kind == 1:
            stream += b"MSG inbox.b 2 reply %d\r\n%b\r\n" % (len(payload), payload)
            meant.append((b"inbox.b", b"reply", b"", payload))
        elif kind == 2:
            headers = b"NATS/1.0\r\n\r\n"
            stream += b"HMSG inbox.b 2 %d %d\r\n" % (len(headers), len(headers) + len(payload))
            stream += headers + payload + b"\r\n"
            meant.append((b"inbox.b", b"", headers, payload))
        elif kind == 3:
            stream += b'INFO {"n":%d}\r\n' % len(payload)
            meant.append(("INFO", {"n": len(payload)}))
        else:
            stream += script.choice((b"PING\r\n", b"PONG\r\n", b"+OK\r\n"))
    return stream, meant


def _hear(pieces: list[bytes]) -> tuple[list[Call], bool]:
    heard = Heard()
    connection = NatsProtocol(
        heard,
        {b"1": lambda subject, payload: heard.calls.append((subject, payload))},
        {b"2": lambda *whole: heard.calls.append(whole)},
    )
    connection.connection_made(cast(Any, heard))
    for piece in pieces:
        if not heard.ended:
            connection.data_received(piece)
    connection.info.cancel()
    return heard.calls, heard.ended


# Our packets


class Channels:
    """A worker's channels, and what came over them."""

    def __init__(self) -> None:
        self.clock = SimClock()
        self.network = SimNetwork(self.clock, 1, Faults())
        link = SimLink(self.network)
        self.bus = Bus(cast(NatsClient, link), ME, self._accept, cast(Any, self.clock), epoch=1)

    def _accept(self, channel: Channel) -> Channels:
        return self

    def received(self, channel: Channel, message: bytes) -> None: ...

    def writable_changed(self, channel: Channel, writable: bool) -> None: ...

    def closed(self, channel: Channel, undelivered: list[bytes]) -> None: ...

    def arrives(self, packet: bytes) -> None:
        for _, handler in self.network.subscribers.get(subjects.inbox(ME).encode(), []):
            handler(b"", packet)


def packet_stream(data: bytes) -> None:
    """Check that packets of any bytes, and of frames with any numbers, are read or refused."""
    script, here = Script(data), Channels()
    if script.byte() & 1:
        here.bus.open(PEER, "tunnel", here).send(b"message")
    while script.more:
        if script.byte() & 1:
            header = packets.packet_header(script.byte(), PEER)
            here.arrives(header + b"".join(_frame(script) for _ in range(1 + script.byte() % 4)))
        else:
            here.arrives(script.piece())
        here.clock.run(script.byte() / 100)
    here.clock.run(10.0)


def _frame(script: Script) -> bytes:
    kind = 1 + script.byte() % 9
    channel, first, second, third = (script.byte() % 8 for _ in range(4))
    if kind == GARBAGE:
        return script.piece()
    if kind == Kind.RUN:
        chunks = [script.piece() for _ in range(script.byte() % 4)]
        sizes = [len(chunk) | (packets.MORE if script.byte() & 1 else 0) for chunk in chunks]
        head = packets.RUN.pack(kind, channel, first, second, third, len(chunks))
        return head + packets.lengths(len(sizes)).pack(*sizes) + b"".join(chunks)
    if kind in (Kind.ACK, Kind.NAK, Kind.FIN):
        return packets.ACK.pack(kind, channel, first, second)
    if kind == Kind.SYNC:
        return packets.SYNC.pack(kind, channel, first, second, third)
    return {
        Kind.OPEN: packets.open_frame(channel, "t" * first),
        Kind.CLOSED: packets.closed_frame(channel, first),
    }.get(Kind(kind), packets.unknown_frame(channel))


# Envelopes


def envelopes(data: bytes) -> None:
    """Check that what one side writes the other reads."""
    script = Script(data)
    number, request, text = int.from_bytes(script.take(4), "big"), script.piece(), script.piece()
    name = script.piece().decode("utf-8", "replace")
    places = [("them-1-b", number)] if script.byte() & 1 else []
    arrival = Arrival(number, script.byte(), request, name, places, name)
    assert envelope.read_attach(b"".join(envelope.attach(arrival))) == arrival
    assert envelope.read_message(b"".join(envelope.message(number, request, text))) == (number, request, text)
    assert envelope.read_numbered(b"".join(envelope.numbered(envelope.SEND, number, text))) == (number, text)
    for call in (Messages(name, since=number), Command(name, name, text)):
        assert envelope.read_call(b"".join(envelope.call(number, call))) == (number, call)
    assert envelope.read_answer(envelope.answered({"a": name})) == {"a": name}
    for problem in (InvalidPayload(name or "x", {"a": name}), SendFailed(name)):
        try:
            envelope.read_answer(envelope.failed(problem))
        except TunnelError as read:
            assert (type(read), str(read), read.details) == (type(problem), str(problem), problem.details)
        else:
            raise AssertionError("a refusal was read as an answer")
