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
    def wants_to_tell(self, channel: Channel) -> None: ...
    def ack_later(self, channel: Channel) -> None: ...
    def landed(self, size: int) -> None: ...
    def forget(self, channel: Channel, tell: bool) -> None: ...


log = logging.getLogger(__name__)


class Channel:
    """A reliable, ordered, flow-controlled pair of streams to one worker, for one tunnel."""

    def __init__(self, lane: Port, number: int, tunnel_id: str, confirmed: bool) -> None:
        self._lane = lane
        self.peer = lane.peer
        self.number = number
        self.tunnel_id = tunnel_id
        self.confirmed = confirmed  # the peer knows this channel
        self.handler: ChannelHandler | None = None
        self.writable = True
        self.ended = False
        self.counted = False  # the peer has said how much it consumed, and consumes no more
        self.queued = False  # waits in its lane to send data
        self.told = False  # waits in its lane to send anything else
        self.outgoing = Outgoing()
        self.incoming = Incoming()
        self._left: list[tuple[int, bytes]] = []
        self._held = False
        self._closing = False
        self._peer_end = -1
        self._sync_due = False
        self._patience = RetryTimer(lane.now())

    # -- for its user

    def send(self, message: bytes | list[bytes]) -> None:
        """Queue one message (a list is one message in parts). ChannelClosed after the end."""
        if self.ended or self._closing:
            raise ChannelClosed(f"the channel to {self.peer} has ended")
        if isinstance(message, list):
            message = b"".join(message)
        outgoing = self.outgoing
        outgoing.add(message, self._lane.chunk_size)
        if not self.queued:
            self._lane.wants_to_send(self)
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
        return self.incoming.taken

    def owed(self) -> list[tuple[int, bytes]]:
        """Return our messages that the peer has not confirmed as consumed, each with the number of its last
        chunk."""
        return self._left if self.ended else self.outgoing.owed()

    def hold(self) -> None:
        """Deliver no more until `resume`; the peer runs out of credit."""
        self._held = True

    def resume(self) -> None:
        """Go on delivering, from the next loop turn."""
        if self._held:
            self._held = False
            self._lane.soon(self._deliver_waiting)

    def close(self) -> None:
        """End the channel once all that was sent is delivered. Consume nothing more from now on."""
        if self.ended or self._closing:
            return
        self._closing = True
        self.incoming.waiting.clear()
        self.restart_clock()
        self._lane.wants_to_tell(self)

    # -- frames of the peer

    def run(self, first: int, lengths: tuple[int, ...], data: bytes, position: int) -> int:
        """Receive consecutive chunks, beginning with number `first`; return where they end in `data`."""
        incoming = self.incoming
        skip = incoming.got + 1 - first
        if skip < 0:
            if incoming.missed(self._lane.now()):
                self._lane.wants_to_tell(self)
            return position + packets.total(lengths)
        for length in lengths:
            stop = position + (length & packets.LENGTH)
            if skip > 0:
                skip -= 1
            else:
                incoming.got += 1
                self._chunk(data[position:stop], length > packets.LENGTH)
            position = stop
        self._acknowledge()
        return position

    def acknowledged(self, got: int, taken: int) -> None:
        """Note how many chunks the peer has received (`got`) and consumed (`taken`)."""
        outgoing = self.outgoing
        self.confirmed = True
        if got <= outgoing.got and taken <= outgoing.taken:
            return
        self._lane.landed(outgoing.acknowledged(got, taken))
        self.restart_clock()
        if outgoing.unsent and not self.queued:
            self._lane.wants_to_send(self)
        if not self.writable and outgoing.buffered <= LOW_WATER and not self.ended:
            self._set_writable(True)

    def asked_again(self, got: int, taken: int) -> None:
        """Send everything after chunk `got` again."""
        self.acknowledged(got, taken)
        self._lane.landed(self.outgoing.rewind())
        if self.outgoing.unsent and not self.queued:
            self._lane.wants_to_send(self)

    def asked(self, sent: int) -> None:
        """Answer the peer with our position; it has sent up to chunk `sent`."""
        self.incoming.asked(sent)
        self._lane.wants_to_tell(self)

    def peer_closed(self, last: int, taken: int) -> None:
        """Note that the peer's messages end with chunk `last`, and that it consumed ours up to `taken` and no
        more."""
        self.confirmed = True
        self._peer_end = last
        self.outgoing.stopped = True
        self._settle(taken)
        if self._closing or self.incoming.taken >= last:
            self._finish()
        else:
            self._acknowledge()

    def peer_ended(self, taken: int | None) -> None:
        """Note that the channel has ended at the peer, which consumed `taken` chunks; None: it does not
        know."""
        if taken is not None:
            self._settle(taken)
        self._finish(tell=False)

    # -- for the peer connection

    def run_header(self, first: int, count: int) -> bytes:
        """Return the header of a run, which carries our acknowledgement."""
        incoming = self.incoming
        incoming.told()
        return packets.RUN.pack(Kind.RUN, self.number, first, incoming.got, incoming.taken, count)

    def control_frames(self) -> list[bytes]:
        """Return all frames that are due besides messages."""
        frames: list[bytes] = []
        incoming, number = self.incoming, self.number
        if not self.confirmed:
            frames.append(packets.open_frame(number, self.tunnel_id))
        if self._closing:
            frames.append(packets.FIN.pack(Kind.FIN, number, self.outgoing.end, incoming.taken))
        if self._sync_due:
            frames.append(
                packets.SYNC.pack(Kind.SYNC, number, incoming.got, incoming.taken, self.outgoing.sent)
            )
        if incoming.nak_due:
            frames.append(packets.ACK.pack(Kind.NAK, number, incoming.got, incoming.taken))
        elif incoming.ack_due and not self._sync_due:
            frames.append(packets.ACK.pack(Kind.ACK, number, incoming.got, incoming.taken))
        self._sync_due = incoming.nak_due = False
        incoming.told()
        return frames

    @property
    def complete(self) -> bool:
        """Return whether the peer has closed the channel and all its messages have been consumed here."""
        return 0 <= self._peer_end <= self.incoming.taken

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
        self._lane.wants_to_tell(self)

    def tell(self) -> None:
        """Send what is due, even if no message goes along."""
        self._lane.wants_to_tell(self)

    def abandon(self) -> None:
        """End now and tell the peer, without waiting for it."""
        self._finish()

    # -- inside

    def _above_high_water(self) -> None:
        if self.outgoing.buffered > HARD_CAP:
            log.warning("channel over its cap", extra={"peer": self.peer, "tunnel_id": self.tunnel_id})
            self._lane.soon(self.abandon)
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
            self._lane.soon(self.abandon)
        if self._peer_end == incoming.taken:
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
        if incoming.untold >= ACK_AT_ONCE:
            incoming.ack_due = True
            self._lane.wants_to_tell(self)
        elif not incoming.ack_due:
            incoming.ack_due = True
            self._lane.ack_later(self)

    def restart_clock(self) -> None:
        """Count the waiting time for the peer from now."""
        self._patience.progressed(self._lane.now())

    def _settle(self, taken: int) -> None:
        self.counted = True
        self._lane.landed(self.outgoing.acknowledged(taken, taken))

    def _finish(self, tell: bool = True) -> None:
        if self.ended:
            return
        self.ended = True
        self._lane.forget(self, tell)
        self._left = self.outgoing.owed()
        self.outgoing = Outgoing()
        self.incoming.waiting.clear()
        self.incoming.parts.clear()
        self._call(lambda handler: handler.closed(self, [message for _, message in self._left]))
        self._left = []

    def _call(self, what: Callable[[ChannelHandler], None]) -> None:
        if self.handler is not None:
            try:
                what(self.handler)
            except Exception:  # outermost frame: whoever uses the channel must not cost us the others
                log.exception("channel handler failed", extra={"peer": self.peer})
