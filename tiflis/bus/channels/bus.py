"""The bus between workers: reliable channels over a NATS client that may lose any message at any time."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from tiflis.bus import subjects
from tiflis.bus.channels import packets
from tiflis.bus.channels.channel import Channel, ChannelHandler
from tiflis.bus.channels.peer import FLIGHT_ALL, FLIGHT_LEAST, PACKET_ROOM, PeerConnection, chunk_size
from tiflis.bus.errors import PacketRefused
from tiflis.bus.nats.client import ConnectionListener
from tiflis.clock import running_clock

__all__ = ["Bus", "Channel", "ChannelHandler"]


class Clock(Protocol):
    """The part of an event loop that the bus uses."""

    def time(self) -> float: ...
    def call_soon(self, callback: Callable[[], None], /) -> object: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> asyncio.TimerHandle: ...


class Wire(Protocol):
    """The part of a NatsClient that the bus uses."""

    up: bool
    max_payload: int

    @property
    def writable(self) -> bool: ...
    def listen(self, listener: ConnectionListener) -> None: ...
    def subscribe(
        self, subject: str, handler: Callable[[bytes, bytes], None], queue: str | None = None
    ) -> int: ...
    def unsubscribe(self, sid: int) -> None: ...
    def publish_parts(self, subject: bytes, size: int, parts: list[bytes | memoryview]) -> bool: ...
    def flush_writes(self) -> None: ...


log = logging.getLogger(__name__)

ACK_SECONDS = 0.02
"""How long an acknowledgement waits for a message to ride along with."""
TICK_SECONDS = 0.05
"""How often the channels that expect something are looked at."""
IDLE_SECONDS = 15
"""A channel without traffic asks its peer this often whether it still exists there."""
TURN_BYTES = 1024 * 1024
"""Published in one loop turn, at most: then sockets get their turn."""
SILENT_SECONDS = 60.0
"""A peer that answers nothing for so long, with the bus up, counts as gone."""
CONNECTION_SECONDS = 600.0
"""A peer connection without channels is forgotten after this long in silence."""


class Bus:
    """Opens channels to other workers and accepts theirs. `accept` gives each new channel its handler."""

    def __init__(
        self,
        link: Wire,
        me: str,
        accept: Callable[[Channel], ChannelHandler],
        clock: Clock | None = None,
        epoch: int | None = None,
    ) -> None:
        self._link = link
        self._me = subjects.checked(me)
        self._accept = accept
        self._clock: Clock = clock or running_clock()
        self.now = self._clock.time
        self._header = packets.packet_header(time.time_ns() if epoch is None else epoch, me)
        self._connections: dict[str, PeerConnection] = {}
        self._by_header: dict[bytes, PeerConnection] = {}
        self._dirty: dict[PeerConnection, None] = {}
        self._watched: dict[Channel, None] = {}
        self._acks: list[Channel] = []
        self._flush_scheduled = False
        self._ticking = False
        self._ticked_at = 0.0
        self._up_since = self._clock.time()
        self._turn = 0
        self._closed = False
        self.bytes_in = self.bytes_out = 0  # of packets, since the worker started
        self.flight_limit = FLIGHT_ALL
        self._sid = link.subscribe(subjects.inbox(me), self._received)
        link.listen(ConnectionListener(self._link_up, _nothing, self._schedule_flush))
        self._clock.call_later(1.0, self._second)

    # -- for its user

    def open(self, peer: str, tunnel_id: str, handler: ChannelHandler) -> Channel:
        """Open a channel to another worker; send at once. It is closed if the peer does not answer."""
        if peer == self._me:
            raise ValueError("a channel leads to another worker")
        channel = self._connection(subjects.checked(peer)).open(subjects.checked(tunnel_id))
        channel.handler = handler
        return channel

    def peer_gone(self, peer: str) -> None:
        """Close all channels to a dead worker, each with what it had not consumed."""
        connection = self._connections.get(peer)
        if connection is not None:
            connection.peer_gone()

    @property
    def channels(self) -> int:
        """Return how many channels are open."""
        return sum(len(connection.channels) for connection in self._connections.values())

    def unconsumed(self) -> dict[str, int]:
        """Return the bytes that channels keep, both ways, by tunnel."""
        sizes: dict[str, int] = {}
        for connection in self._connections.values():
            for channel in connection.channels.values():
                if size := channel.outgoing.buffered + channel.incoming.buffered:
                    sizes[channel.tunnel_id] = sizes.get(channel.tunnel_id, 0) + size
        return sizes

    async def drain(self, deadline: float) -> bool:
        """Wait until every peer has consumed everything, at most `deadline` seconds."""
        end = self._clock.time() + deadline
        while self._watched and self._clock.time() < end:
            await asyncio.sleep(ACK_SECONDS)
        self._send_acks()
        self._flush()
        return not self._watched

    async def leave(self, deadline: float) -> bool:
        """Close every channel and wait for the ends: then both sides know exactly what was consumed. Return
        whether all ended within `deadline` seconds."""
        end = self._clock.time() + deadline
        while self.channels and self._clock.time() < end:
            for connection in self._connections.values():
                for channel in list(connection.channels.values()):
                    channel.close()
            await asyncio.sleep(ACK_SECONDS / 4)
        return not self.channels

    def close(self) -> None:
        """Send and receive nothing any more. Peers are not notified: call `leave` first."""
        self._send_acks()
        self._flush()
        self._closed = True
        self._link.unsubscribe(self._sid)

    # -- receiving

    def _received(self, _subject: bytes, data: bytes) -> None:
        self.bytes_in += len(data)
        header = data[: data[0]] if data else b""
        connection = self._by_header.get(header) or self._of_sender(header)
        if connection is None or self._closed:
            return
        try:
            connection.receive(data, len(header))
        except PacketRefused as error:
            log.warning("packet refused", extra={"peer": connection.peer, "reason": str(error)})

    def _of_sender(self, header: bytes) -> PeerConnection | None:
        """Return the peer connection of a new packet header, or None if a former process of its sender wrote
        it."""
        try:
            epoch, peer = packets.origin(header)
            connection = self._connection(subjects.checked(peer))
        except (PacketRefused, ValueError) as error:
            log.warning("packet refused", extra={"reason": str(error)})
            return None
        if epoch < connection.epoch:
            return None
        for known in [known for known, other in self._by_header.items() if other is connection]:
            del self._by_header[known]
        self._by_header[header] = connection
        connection.renewed(epoch)
        return connection

    def accept(self, channel: Channel) -> None:
        """Give a channel that a peer has opened its handler."""
        try:
            channel.handler = self._accept(channel)
        except Exception:  # outermost frame of the accepting code
            log.exception("channel not accepted", extra={"peer": channel.peer})
            channel.abandon()

    def _connection(self, peer: str) -> PeerConnection:
        connection = self._connections.get(peer)
        if connection is None:
            connection = self._connections[peer] = PeerConnection(
                self, self._me, peer, subjects.inbox(peer).encode()
            )
            self.flight_limit = max(FLIGHT_LEAST, FLIGHT_ALL // max(4, len(self._connections)))
        return connection

    # -- for the peer connections

    @property
    def chunk_size(self) -> int:
        """Return the size of a chunk that the server takes now, in bytes. Not kept: the limit may change."""
        return chunk_size(self._link.max_payload)

    def soon(self, call: Callable[[], None]) -> None:
        self._clock.call_soon(call)

    def wake(self, connection: PeerConnection) -> None:
        """Send for this peer connection at the end of the loop turn."""
        self._dirty[connection] = None
        if not self._flush_scheduled:
            self._schedule_flush()

    def watch(self, channel: Channel) -> None:
        """Check the channel until its peer has answered."""
        if channel not in self._watched:
            self._watched[channel] = None
            channel.restart_clock()
            if not self._ticking:
                self._ticking = True
                self._ticked_at = self._clock.time()
                self._clock.call_later(TICK_SECONDS, self._tick)

    def unwatch(self, channel: Channel) -> None:
        self._watched.pop(channel, None)

    def ack_later(self, channel: Channel) -> None:
        if not self._acks:
            self._clock.call_later(ACK_SECONDS, self._send_acks)
        self._acks.append(channel)

    def packet(self, subject: bytes, parts: list[bytes | memoryview], size: int) -> None:
        """Publish a packet; the peer asks again for a lost one."""
        self.bytes_out += size
        self._link.publish_parts(subject, size, parts)

    # -- sending

    def _schedule_flush(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._clock.call_soon(self._flush)

    def _flush(self) -> None:
        """Send all that was queued in this loop turn: one packet per peer, unless it is a lot."""
        self._flush_scheduled = False
        link = self._link
        if self._closed or not link.up or not link.writable:
            return  # goes on when the link is up or writable again
        budget = TURN_BYTES
        room = min(link.max_payload, PACKET_ROOM)
        dirty, self._dirty = self._dirty, {}
        for connection in dirty:
            budget -= connection.write(self._header, room, max(budget, FAIR_BYTES))
            if not connection.idle:
                self._dirty[connection] = None
                if connection.may_send:
                    self._schedule_flush()
        link.flush_writes()

    def _send_acks(self) -> None:
        acks, self._acks = self._acks, []
        for channel in acks:
            if channel.incoming.ack_due and not channel.ended:
                channel.send_control()

    # -- the clock

    def _link_up(self) -> None:
        self._up_since = self._clock.time()
        for connection in self._connections.values():
            for channel in connection.channels.values():
                channel.ask()
        self._schedule_flush()

    def _tick(self) -> None:
        now = self._clock.time()
        elapsed = now - self._ticked_at if self._link.up else 0.0
        self._ticked_at = now
        for channel in list(self._watched):
            if channel.settled:
                self.unwatch(channel)
            else:
                channel.tick(now, elapsed)
        self._ticking = bool(self._watched) and not self._closed
        if self._ticking:
            self._clock.call_later(TICK_SECONDS, self._tick)

    def _second(self) -> None:
        """Ask on a fifteenth of the quiet channels; give up peer connections that are silent or unused."""
        if self._closed:
            return
        self._clock.call_later(1.0, self._second)
        self._turn = (self._turn + 1) % IDLE_SECONDS
        now = self._clock.time()
        for connection in list(self._connections.values()):
            connection.tidy()
            if not connection.channels and now - connection.heard_at > CONNECTION_SECONDS:
                self._forget(connection)
            elif self._link.up and now - max(connection.heard_at, self._up_since) > SILENT_SECONDS:
                connection.peer_gone()
            else:
                self._ask_quiet(connection)

    def _ask_quiet(self, connection: PeerConnection) -> None:
        for number, channel in connection.channels.items():
            if (number >> 1) % IDLE_SECONDS == self._turn and channel not in self._watched:
                channel.ask()

    def _forget(self, connection: PeerConnection) -> None:
        del self._connections[connection.peer]
        for header in [header for header, other in self._by_header.items() if other is connection]:
            del self._by_header[header]


FAIR_BYTES = 128 * 1024
"""What a peer connection may publish in a turn even if the others have used the turn up."""


def _nothing() -> None:
    return None
