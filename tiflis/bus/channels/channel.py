"""One channel between two workers: a reliable stream each way, its opening and its end. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from tiflis.bus.channels import packets
from tiflis.bus.channels.packets import Kind
from tiflis.bus.channels.streams import (
    ACK_AT_ONCE,
    HARD_CAP,
    HIGH_WATER,
    LOW_WATER,
    Incoming,
    Outgoing,
    RetryTimer,
)
from tiflis.bus.errors import ChannelClosed

__all__ = ["Channel", "ChannelHandler", "Port"]


class ChannelHandler(Protocol):
    """The user of a channel. All calls come from the event loop and must not block."""

    def received(self, channel: Channel, message: bytes) -> None:
        """Take one message; each comes in order and once."""

    def writable_changed(self, channel: Channel, writable: bool) -> None:
        """Stop sending (False) or go on (True)."""

    def closed(self, channel: Channel, undelivered: list[bytes]) -> None:
        """Note the end of the channel. `undelivered`: our messages that the peer had not consumed, in
        order."""


class Port(Protocol):
    """The peer connection as its channels use it."""

    peer: str

    @property
    def chunk_size(self) -> int: ...
    def now(self) -> float: ...
    def soon(self, call: Callable[[], None]) -> None: ...
    def wants_to_send(self, channel: Channel) -> None: ...
    def wants_control(self, channel: Channel) -> None: ...
    def ack_later(self, channel: Channel) -> None: ...
    def acked(self, size: int) -> None: ...
    def forget(self, channel: Channel, notify: bool) -> None: ...


log = logging.getLogger(__name__)


class Channel:
    """A reliable, ordered, flow-controlled pair of streams to one worker, for one tunnel."""

    def __init__(self, port: Port, number: int, tunnel_id: str, confirmed: bool) -> None:
        self._port = port
        self.peer = port.peer
        self.number = number
        self.tunnel_id = tunnel_id
        self.confirmed = confirmed  # the peer knows this channel
        self.handler: ChannelHandler | None = None
        self.writable = True
        self.ended = False
        self.counted = False  # the peer has said how much it consumed, and consumes no more
        self.queued = False  # waits in its peer connection to send messages
        self.control_queued = False  # the same for frames besides messages
        self.outgoing = Outgoing()
        self.incoming = Incoming()
        self._unacked: list[tuple[int, bytes]] = []
        self._held = False
        self._closing = False
        self._peer_end = -1
        self._sync_due = False
        self._patience = RetryTimer(port.now())

    # -- for its user

    def send(self, message: bytes | list[bytes]) -> None:
        """Queue one message (a list is one message in parts). ChannelClosed after the end."""
        if self.ended or self._closing:
            raise ChannelClosed(f"the channel to {self.peer} has ended")
        if isinstance(message, list):
            message = b"".join(message)
        outgoing = self.outgoing
        outgoing.add(message, self._port.chunk_size)
        if not self.queued:
            self._port.wants_to_send(self)
        if outgoing.buffered > HIGH_WATER:
            self._above_high_water()

    @property
    def buffered(self) -> int:
        """Return the bytes that the peer has not consumed yet."""
        return self.outgoing.buffered

    @property
    def closing(self) -> bool:
        """Return whether nothing can be sent any more."""
        return self._closing or self.ended

    @property
    def consumed(self) -> int:
        """Return the number of the peer's chunks that have been consumed here."""
        return self.incoming.consumed

    def unacked(self) -> list[tuple[int, bytes]]:
        """Return our messages that the peer has not confirmed as consumed, each with the number of its last
        chunk."""
        return self._unacked if self.ended else self.outgoing.unacked()

    def hold(self) -> None:
        """Deliver no more until `resume`; the peer runs out of credit."""
        self._held = True

    def resume(self) -> None:
        """Go on delivering, from the next loop turn."""
        if self._held:
            self._held = False
            self._port.soon(self._deliver_waiting)

    def close(self) -> None:
        """End the channel once all that was sent is delivered. Consume nothing more from now on."""
        if self.ended or self._closing:
            return
        self._closing = True
        self.incoming.waiting.clear()
        self.restart_clock()
        self._port.wants_control(self)

    # -- frames of the peer

    def run(self, first: int, lengths: tuple[int, ...], data: bytes, position: int) -> int:
        """Receive consecutive chunks, beginning with number `first`; return where they end in `data`."""
        incoming = self.incoming
        skip = incoming.received + 1 - first
        if skip < 0:
            if incoming.missed(self._port.now()):
                self._port.wants_control(self)
            return position + packets.total(lengths)
        for length in lengths:
            stop = position + (length & packets.LENGTH)
            if skip > 0:
                skip -= 1
            else:
                incoming.received += 1
                self._chunk(data[position:stop], length > packets.LENGTH)
            position = stop
        self._acknowledge()
        return position

    def acknowledged(self, received: int, consumed: int) -> None:
        """Note how many of our chunks the peer has received and consumed."""
        outgoing = self.outgoing
        self.confirmed = True
        if received <= outgoing.received and consumed <= outgoing.consumed:
            return
        self._port.acked(outgoing.acknowledged(received, consumed))
        self.restart_clock()
        if outgoing.unsent and not self.queued:
            self._port.wants_to_send(self)
        if not self.writable and outgoing.buffered <= LOW_WATER and not self.ended:
            self._set_writable(True)

    def asked_again(self, received: int, consumed: int) -> None:
        """Send everything after chunk `received` again."""
        self.acknowledged(received, consumed)
        self._port.acked(self.outgoing.rewind())
        if self.outgoing.unsent and not self.queued:
            self._port.wants_to_send(self)

    def asked(self, sent: int) -> None:
        """Answer the peer with our position; it has sent up to chunk `sent`."""
        self.incoming.asked(sent)
        self._port.wants_control(self)

    def peer_closed(self, last: int, consumed: int) -> None:
        """Note that the peer's messages end with chunk `last`, and that it consumed so many of ours and no
        more."""
        self.confirmed = True
        self._peer_end = last
        self.outgoing.stopped = True
        self._settle(consumed)
        if self._closing or self.incoming.consumed >= last:
            self._finish()
        else:
            self._acknowledge()

    def peer_ended(self, consumed: int | None) -> None:
        """Note that the channel has ended at the peer, which consumed so many chunks; None: it does not
        know."""
        if consumed is not None:
            self._settle(consumed)
        self._finish(notify=False)

    # -- for the peer connection

    def run_header(self, first: int, count: int) -> bytes:
        """Return the header of a run, which carries our acknowledgement."""
        incoming = self.incoming
        incoming.position_sent()
        return packets.RUN.pack(Kind.RUN, self.number, first, incoming.received, incoming.consumed, count)

    def control_frames(self) -> list[bytes]:
        """Return all frames that are due besides messages."""
        frames: list[bytes] = []
        incoming, number = self.incoming, self.number
        if not self.confirmed:
            frames.append(packets.open_frame(number, self.tunnel_id))
        if self._closing:
            frames.append(packets.FIN.pack(Kind.FIN, number, self.outgoing.end, incoming.consumed))
        if self._sync_due:
            frames.append(
                packets.SYNC.pack(Kind.SYNC, number, incoming.received, incoming.consumed, self.outgoing.sent)
            )
        if incoming.nak_due:
            frames.append(packets.ACK.pack(Kind.NAK, number, incoming.received, incoming.consumed))
        elif incoming.ack_due and not self._sync_due:
            frames.append(packets.ACK.pack(Kind.ACK, number, incoming.received, incoming.consumed))
        self._sync_due = incoming.nak_due = False
        incoming.position_sent()
        return frames

    @property
    def complete(self) -> bool:
        """Return whether the peer has closed the channel and all its messages have been consumed here."""
        return 0 <= self._peer_end <= self.incoming.consumed

    @property
    def settled(self) -> bool:
        """Return whether nothing is expected from the peer."""
        return self.confirmed and not self._closing and not self.outgoing.outstanding

    def tick(self, now: float, up_seconds: float) -> None:
        """Ask the peer for its position or give up, if it is time. `up_seconds`: for how long the bus was up
        since."""
        patience = self._patience
        if not self.confirmed and patience.open_expired(now, up_seconds):
            self.abandon()
        elif self._closing and patience.linger_expired(now):
            self.abandon()
        elif patience.should_ask(now):
            self.ask()

    def ask(self) -> None:
        """Ask the peer for its position."""
        self._sync_due = True
        self._port.wants_control(self)

    def send_control(self) -> None:
        """Send what is due, even if no message goes along."""
        self._port.wants_control(self)

    def abandon(self) -> None:
        """End now and notify the peer, without waiting for it."""
        self._finish()

    # -- inside

    def _above_high_water(self) -> None:
        if self.outgoing.buffered > HARD_CAP:
            log.warning("channel over its cap", extra={"peer": self.peer, "tunnel_id": self.tunnel_id})
            self._port.soon(self.abandon)
        elif self.writable:
            self._set_writable(False)

    def _set_writable(self, writable: bool) -> None:
        self.writable = writable
        self._call(lambda handler: handler.writable_changed(self, writable))

    def _chunk(self, chunk: bytes, more: bool) -> None:
        if self._held or self.incoming.waiting:
            if not self._closing and not self.ended:
                self.incoming.waiting.append((chunk, more))
            return
        self._consume(chunk, more)

    def _consume(self, chunk: bytes, more: bool) -> None:
        if self._closing or self.ended:
            return
        incoming = self.incoming
        message = incoming.take(chunk, more)
        if message is not None and self.handler is not None:
            try:
                self.handler.received(self, message)
            except Exception:  # outermost frame: one message's mistake must not cost the others
                log.exception("channel handler failed", extra={"peer": self.peer})
        elif incoming.parts_size > HARD_CAP:
            self._port.soon(self.abandon)
        if self._peer_end == incoming.consumed:
            self._finish()

    def _deliver_waiting(self) -> None:
        waiting = self.incoming.waiting
        while waiting and not self._held:
            self._consume(*waiting.popleft())
        self._acknowledge()

    def _acknowledge(self) -> None:
        incoming = self.incoming
        if self.ended:
            return
        if incoming.unacked_bytes >= ACK_AT_ONCE:
            incoming.ack_due = True
            self._port.wants_control(self)
        elif not incoming.ack_due:
            incoming.ack_due = True
            self._port.ack_later(self)

    def restart_clock(self) -> None:
        """Count the waiting time for the peer from now."""
        self._patience.progressed(self._port.now())

    def _settle(self, consumed: int) -> None:
        self.counted = True
        self._port.acked(self.outgoing.acknowledged(consumed, consumed))

    def _finish(self, notify: bool = True) -> None:
        if self.ended:
            return
        self.ended = True
        self._port.forget(self, notify)
        self._unacked = self.outgoing.unacked()
        self.outgoing = Outgoing()
        self.incoming.waiting.clear()
        self.incoming.parts.clear()
        self._call(lambda handler: handler.closed(self, [message for _, message in self._unacked]))
        self._unacked = []

    def _call(self, what: Callable[[ChannelHandler], None]) -> None:
        if self.handler is not None:
            try:
                what(self.handler)
            except Exception:  # outermost frame: whoever uses the channel must not cost us the others
                log.exception("channel handler failed", extra={"peer": self.peer})
