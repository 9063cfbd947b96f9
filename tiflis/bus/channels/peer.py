"""The connection between this worker and one other: their channels, and the packets that carry them."""

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from struct import error as StructError
from typing import Any, Protocol

from tiflis.bus.channels import packets
from tiflis.bus.channels.channel import Channel
from tiflis.bus.channels.packets import Kind
from tiflis.bus.errors import PacketRefused


class Carrier(Protocol):
    """The bus as a peer connection uses it."""

    flight_limit: int

    @property
    def chunk_size(self) -> int: ...
    def now(self) -> float: ...
    def soon(self, call: Callable[[], None]) -> None: ...
    def wake(self, connection: Any) -> None: ...
    def watch(self, channel: Channel) -> None: ...
    def unwatch(self, channel: Channel) -> None: ...
    def ack_later(self, channel: Channel) -> None: ...
    def accept(self, channel: Channel) -> None: ...
    def packet(self, subject: bytes, parts: list[bytes | memoryview], size: int) -> None: ...


class Packet:
    """Collects frames and hands a packet over whenever the next frame does not fit."""

    def __init__(self, carrier: Carrier, subject: bytes, header: bytes, room: int) -> None:
        self._carrier = carrier
        self._subject = subject
        self._header = header
        self._room = room - len(header)
        self._parts: list[bytes | memoryview] = [header]
        self._size = len(header)
        self.room = self._room
        self.total = 0

    def need(self, size: int) -> None:
        if size > self.room and len(self._parts) > 1:
            self.finish()

    def add(self, frame: bytes | memoryview) -> None:
        self._parts.append(frame)
        self._size += len(frame)
        self.room -= len(frame)

    def extend(self, frames: Sequence[bytes | memoryview]) -> None:
        self._parts += frames
        size = sum(map(len, frames))
        self._size += size
        self.room -= size

    def finish(self) -> None:
        if len(self._parts) > 1:
            self._carrier.packet(self._subject, self._parts, self._size)
            self.total += self._size
            self._parts = [self._header]
            self._size = len(self._header)
            self.room = self._room


log = logging.getLogger(__name__)

CHUNK_SIZE = 128 * 1024
"""A chunk, and so a packet: small enough that another channel's message waits behind little."""
PACKET_ROOM = CHUNK_SIZE + 4 * 1024
"""Frames in one packet, at most."""
OVERHEAD = 1024
"""Bytes in a packet besides its one chunk, at most: worker id, tunnel id, and the fields of the frames."""
FLIGHT_ALL = 32 * 1024 * 1024
"""Bytes in the air towards all peers together: half of what makes NATS cut a slow consumer off (64 MiB)."""
FLIGHT_LEAST = 1024 * 1024
REPLIES_KEPT = 4096
REMEMBERED_ENDS = 16_384
"""Ended channels whose last word can still be repeated."""


def chunk_size(max_payload: int) -> int:
    """Return the size of a chunk that fits into one NATS message of ``max_payload`` bytes."""
    return min(CHUNK_SIZE, max(max_payload - OVERHEAD, max_payload // 2))


class PeerConnection:
    """The channels to one worker: even numbers for the side with the smaller id, odd for the other."""

    def __init__(self, carrier: Carrier, me: str, peer: str, subject: bytes) -> None:
        self._carrier, self.now = carrier, carrier.now
        self.peer = peer
        self.subject = subject
        self.epoch = 0
        self.heard_at = carrier.now()
        self.channels: dict[int, Channel] = {}
        self._parity = 0 if me < peer else 1
        self._next = self._parity + 2
        self._ended: OrderedDict[int, int] = OrderedDict()
        self._forgotten = 0
        self._sending: deque[Channel] = deque()
        self._control: list[Channel] = []
        self._replies: list[bytes] = []
        self._flight = 0

    # -- for its channels

    @property
    def chunk_size(self) -> int:
        return self._carrier.chunk_size

    def soon(self, call: Callable[[], None]) -> None:
        self._carrier.soon(call)

    def wants_to_send(self, channel: Channel) -> None:
        channel.queued = True
        self._sending.append(channel)
        self._carrier.watch(channel)
        self._carrier.wake(self)

    def wants_control(self, channel: Channel) -> None:
        if not channel.control_queued:
            channel.control_queued = True
            self._control.append(channel)
            if not channel.settled:
                self._carrier.watch(channel)
        self._carrier.wake(self)

    def ack_later(self, channel: Channel) -> None:
        self._carrier.ack_later(channel)

    def reply(self, frame: bytes) -> None:
        """Send a final frame of an ended channel. In a long outage the oldest are dropped, and repeated on
        demand."""
        self._replies.append(frame)
        if len(self._replies) > REPLIES_KEPT:
            del self._replies[: REPLIES_KEPT // 2]
        self._carrier.wake(self)

    def acked(self, size: int) -> None:
        """Note that the peer has acknowledged so many bytes."""
        if size:
            self._flight -= size
            if self._sending:
                self._carrier.wake(self)

    def forget(self, channel: Channel, notify: bool) -> None:
        """Remember the position of an ended channel; `notify`: send it to the peer."""
        self._flight -= channel.outgoing.flying_size
        self.channels.pop(channel.number, None)
        self._ended[channel.number] = channel.incoming.consumed
        self._carrier.unwatch(channel)
        if notify:
            self.reply(packets.closed_frame(channel.number, channel.incoming.consumed))
        if len(self._ended) > REMEMBERED_ENDS:
            number, _ = self._ended.popitem(last=False)
            if number % 2 != self._parity:
                self._forgotten = max(self._forgotten, number)

    # -- for the bus

    def open(self, tunnel_id: str) -> Channel:
        """Open a channel. Its OPEN is part of every packet until the peer answers."""
        number, self._next = self._next, self._next + 2
        channel = Channel(self, number, tunnel_id, confirmed=False)
        self.channels[number] = channel
        channel.ask()
        return channel

    def peer_gone(self) -> None:
        """End all channels; a peer that is alive after all is notified."""
        for channel in list(self.channels.values()):
            channel.abandon()

    def tidy(self) -> None:
        """Drop channels that ended while nothing could be sent."""
        self._sending = deque(channel for channel in self._sending if not channel.ended)
        self._control = [channel for channel in self._control if not channel.ended]

    def renewed(self, epoch: int) -> None:
        """Note that the peer has restarted under a new epoch: its channels have ended."""
        former, self.epoch = self.epoch, epoch
        if former:
            for channel in list(self.channels.values()):
                channel.peer_ended(None)
            self._ended.clear()
            self._replies.clear()

    @property
    def idle(self) -> bool:
        return not (self._sending or self._control or self._replies)

    @property
    def may_send(self) -> bool:
        """Return whether there are messages to send, and fewer bytes under way than the limit."""
        return bool(self._sending) and self._flight < self._carrier.flight_limit

    # -- receiving

    def receive(self, data: bytes, position: int) -> None:
        """Read all frames of one packet. Raise PacketRefused at the first that is wrong."""
        end = len(data)
        self.heard_at = self.now()
        try:
            while position < end:
                reader = _READERS.get(data[position])
                if reader is None:
                    raise PacketRefused(f"frame of kind {data[position]}")
                position = reader(self, data, position)
        except StructError as error:
            raise PacketRefused("frame cut short") from error

    def _read_run(self, data: bytes, position: int) -> int:
        _, number, first, received, consumed, count = packets.RUN.unpack_from(data, position)
        position += packets.RUN.size
        lengths = packets.lengths(count).unpack_from(data, position)
        position += 4 * count
        channel = self.channels.get(number)
        if channel is None:
            self._stranger(number)
            return position + packets.total(lengths)
        channel.acknowledged(received, consumed)
        return channel.run(first, lengths, data, position)

    def _read_ack(self, data: bytes, position: int) -> int:
        kind, number, received, consumed = packets.ACK.unpack_from(data, position)
        channel = self.channels.get(number)
        if channel is None:
            self._stranger(number)
        elif kind == Kind.NAK:
            channel.asked_again(received, consumed)
        else:
            channel.acknowledged(received, consumed)
        return position + packets.ACK.size

    def _read_sync(self, data: bytes, position: int) -> int:
        _, number, received, consumed, sent = packets.SYNC.unpack_from(data, position)
        channel = self.channels.get(number)
        if channel is None:
            self._stranger(number)
        else:
            channel.acknowledged(received, consumed)
            channel.asked(sent)
        return position + packets.SYNC.size

    def _read_open(self, data: bytes, position: int) -> int:
        _, number, length = packets.OPEN.unpack_from(data, position)
        position += packets.OPEN.size
        name = data[position : position + length].decode("ascii", "replace")
        if number not in self.channels:
            if number in self._ended or number <= self._forgotten or number % 2 == self._parity:
                self._stranger(number)
            else:
                self.channels[number] = channel = Channel(self, number, name, confirmed=True)
                self._carrier.accept(channel)
        return position + len(name)

    def _read_fin(self, data: bytes, position: int) -> int:
        _, number, last, consumed = packets.FIN.unpack_from(data, position)
        channel = self.channels.get(number)
        if channel is None:
            self._stranger(number)
        else:
            channel.peer_closed(last, consumed)
        return position + packets.FIN.size

    def _read_closed(self, data: bytes, position: int) -> int:
        _, number, consumed = packets.CLOSED.unpack_from(data, position)
        channel = self.channels.get(number)
        if channel is not None:
            channel.peer_ended(consumed)
        return position + packets.CLOSED.size

    def _read_unknown(self, data: bytes, position: int) -> int:
        _, number = packets.UNKNOWN.unpack_from(data, position)
        channel = self.channels.get(number)
        if channel is not None:
            channel.peer_ended(None)
        return position + packets.UNKNOWN.size

    def _stranger(self, number: int) -> None:
        """Answer a frame for a channel that is not open here with its end."""
        consumed = self._ended.get(number)
        frame = packets.unknown_frame(number) if consumed is None else packets.closed_frame(number, consumed)
        if not self._replies or self._replies[-1] != frame:
            self.reply(frame)

    # -- sending

    def write(self, header: bytes, room: int, budget: int) -> int:
        """Fill packets until `budget` bytes are spent; returns the bytes handed over."""
        packet = Packet(self._carrier, self.subject, header, min(room, PACKET_ROOM))
        sending = self._sending
        while sending and self._flight < self._carrier.flight_limit and packet.total < budget:
            channel = sending.popleft()
            channel.queued = False
            if channel.ended:
                continue
            if not self._write_run(channel, packet):
                continue
            if channel.outgoing.unsent and channel.outgoing.next_size() >= 0:
                channel.queued = True
                sending.append(channel)
        self._write_control(packet)
        packet.finish()
        return packet.total

    def _write_run(self, channel: Channel, packet: Packet) -> bool:
        outgoing = channel.outgoing
        opening = b"" if channel.confirmed else packets.open_frame(channel.number, channel.tunnel_id)
        needed = outgoing.next_size()
        if needed < 0:
            return False
        fixed = len(opening) + packets.RUN.size
        packet.need(fixed + 4 + needed)
        run = outgoing.run(packet.room - fixed, packets.RUN_COUNT_MAX)
        if not run.chunks:
            log.error("chunk above what the bus takes", extra={"peer": self.peer, "size": needed})
            self.soon(channel.abandon)
            return False
        self._flight += run.size
        if opening:
            packet.add(opening)
        count = len(run.lengths)
        packet.add(channel.run_header(run.first, count) + packets.lengths(count).pack(*run.lengths))
        packet.extend(run.chunks)
        return True

    def _write_control(self, packet: Packet) -> None:
        replies, self._replies = self._replies, []
        control, self._control = self._control, []
        for frame in replies:
            packet.need(len(frame))
            packet.add(frame)
        for channel in control:
            channel.control_queued = False
            if not channel.ended:
                frames = channel.control_frames()
                packet.need(sum(map(len, frames)))
                packet.extend(frames)


_READERS: dict[int, Callable[[PeerConnection, bytes, int], int]] = {
    Kind.RUN: PeerConnection._read_run,
    Kind.ACK: PeerConnection._read_ack,
    Kind.NAK: PeerConnection._read_ack,
    Kind.SYNC: PeerConnection._read_sync,
    Kind.OPEN: PeerConnection._read_open,
    Kind.FIN: PeerConnection._read_fin,
    Kind.CLOSED: PeerConnection._read_closed,
    Kind.UNKNOWN: PeerConnection._read_unknown,
}
