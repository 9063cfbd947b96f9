"""One WebSocket: bytes to messages for a session, a session's messages to bytes, and how the connection ends.

It is an asyncio protocol that takes over the transport of an ordinary HTTP request after the answer 101.
It has no role: its session interprets the messages.
"""

import asyncio
import logging
import os
import socket as sockets
from asyncio.trsock import TransportSocket
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from tiflis import metrics
from tiflis.limits import Limits
from tiflis.protocol import utf8
from tiflis.protocol.close import CloseCode, ProtocolFailure, close_payload
from tiflis.protocol.frames import FrameReader, Opcode
from tiflis.protocol.long_text import EscapedText
from tiflis.protocol.plain_ping import LEAST, MOST, plain_pong
from tiflis.protocol.scan import LARGE
from tiflis.protocol.spliced import SplicedText
from tiflis.relay.sessions.outbox import TRANSPORT_HIGH, Cork, Outbox
from tiflis.relay.sessions.session import Pause
from tiflis.web import trace
from tiflis.web.inbox import Inbox
from tiflis.web.intake import GRAIN
from tiflis.web.output_limits import OutputLimits
from tiflis.web.overdraft import Guards, Overdraft

if TYPE_CHECKING:
    from tiflis.relay.sessions.session import Session

log = logging.getLogger(__name__)

TIMED = 63  # the relaying of every 64th read of a socket is timed
STALLED_PATIENCE = 30.0  # seconds for a slow peer to read the close frame with the reason

_TEXT = int(Opcode.TEXT)  # a plain int: enum members compare slowly
_UNREAD = ~int(Pause.PONGS)  # pauses in which nothing is read, so that the peer's silence does not count


class WebSocket(asyncio.Protocol):
    """A peer's WebSocket as the relay's Wire: read, paused, answered and closed by the rules of RFC 6455."""

    __slots__ = (
        "_clock",
        "_cork",
        "_ending",
        "_gone",
        "_inbox",
        "_leaving",
        "_limits",
        "_lost",
        "_output_limits",
        "_overdraft",
        "_reads",
        "_traced",
        "_transport",
        "address",
        "bytes_counted",
        "bytes_in",
        "close_by",
        "connection_id",
        "frames_in",
        "heard",
        "number",
        "opened",
        "outbox",
        "running",
        "session",
        "steered",
    )

    def __init__(
        self,
        number: int,
        connection_id: str,
        address: str,
        limits: Limits,
        cork: Cork,
        clock: Callable[[], float],
        gone: Callable[[Any], None],
        guards: Guards,
    ) -> None:
        """``gone`` is called once, after ``session.lost()``."""
        self.number, self.connection_id, self.address = number, connection_id, address
        self._limits, self._cork, self._clock, self._gone = limits, cork, clock, gone
        reader = FrameReader(limits.roleless_message_limit, limits.fragment_limit)
        self._inbox = Inbox(self, reader, guards.intake)
        self._overdraft: Overdraft = guards.overdraft
        self._traced = trace.enabled()
        self._ending = False  # the closing handshake is over; only unsent output keeps the transport open
        self._leaving: asyncio.Future[bytes] | None = None
        self._lost = False  # the session has been notified: nothing reaches the peer any more
        self.opened = self.heard = clock()
        self.close_by = 0.0  # loop time by which a closing socket must be gone; 0 while open
        self.session: Session = cast("Session", None)
        self.running = False  # it has its transport, which an adopted socket gets later
        self.steered = False  # it was accepted by another worker
        self.frames_in = self.bytes_in = self._reads = 0
        self.bytes_counted = 0  # those bytes written that are in the metrics already

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._inbox.transport = transport = cast(asyncio.Transport, transport)
        socket = transport.get_extra_info("socket")
        if type(socket) is TransportSocket and socket.family != sockets.AF_UNIX:
            socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)  # uvloop has done so by itself
        self.outbox = outbox = Outbox(self._cork, cast(Any, transport), self._relieved, socket.fileno())
        self._output_limits = OutputLimits(self, outbox, self._limits, self._overdraft, self._clock)
        self.running = True
        transport.set_write_buffer_limits(high=TRANSPORT_HIGH)

    def data_received(self, data: bytes) -> None:  # noqa: C901 - in one piece, as it runs for each read
        inbox, outbox = self._inbox, self.outbox
        if inbox.early is not None:
            inbox.early += data
            return
        self.heard = self._clock()
        if LEAST <= len(data) <= MOST and self._reads & TIMED and self._is_answered(data):
            return
        began = 0.0 if self._reads & TIMED else perf_counter()
        self._reads += 1
        cork = self._cork
        cork.depth += 1
        try:
            events = inbox.reader.feed(data)
            events = trace.received(self, events) if self._traced else events
            self.bytes_in += len(data)
            self.frames_in += len(events)
            for opcode, payload in events:
                if self.close_by and opcode != Opcode.CLOSE:
                    continue
                try:
                    if opcode == _TEXT:
                        self.session.received(payload)
                    else:
                        self._control(opcode, payload)
                except Exception:  # outermost frame of a message: its bug must not take others along
                    log.exception("message failed", extra={"connection": self.connection_id})
            if inbox.reader.failure is not None:
                self._broken()
        finally:
            cork.depth -= 1
            if cork.dirty and not cork.depth:
                cork.flush()
        if began and events:
            metrics.observe("relay_seconds", perf_counter() - began, self.path)
        if inbox.reader.announced > GRAIN or inbox.large or outbox.high_water or outbox.pong_bytes:
            self._note_pinned()

    def _is_answered(self, data: bytes) -> bool:
        """Answer a plain ping if nothing else is under way; return whether the data were one."""
        pong = plain_pong(data)
        idle = self.outbox.idle and self._inbox.reader.between_messages and not self.close_by
        if pong is None or not idle or not self.session.plain_pings or self._traced:
            return False
        self._reads += 1
        self.frames_in += 1
        self.bytes_in += len(data)
        self.outbox.send_now(pong)
        return True

    def _note_pinned(self) -> None:
        """Account for a large message on its way in and for unsent output."""
        inbox, outbox = self._inbox, self.outbox
        if inbox.reader.announced > GRAIN or inbox.large is not None:
            inbox.note_large()
        if outbox.high_water or outbox.pong_bytes:
            self._output_limits.compare()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.outbox.blocked = True

    def resume_writing(self) -> None:
        if self._leaving is not None:
            return
        self.outbox.blocked = False
        self.outbox.flush()
        if self._ending:
            self._end()

    def _relieved(self) -> None:
        self._output_limits.relieved()

    def connection_lost(self, exc: Exception | None) -> None:
        self.outbox.descriptor = -1  # the number may soon belong to another file
        self._inbox.end_large()
        if self._leaving is not None:
            self._left()
            return
        self.close_by = self.close_by or self._clock()  # nothing is sent any more
        self.outbox.drop()
        self._lose()
        self._gone(self)

    def _lose(self) -> None:
        """End the session, though the connection may last a while: nothing reaches the peer any more."""
        if not self._lost:
            self._lost = True
            self.session.lost()

    # Reading

    @property
    def path(self) -> str:
        """Return how messages from this socket reach their receivers: one of ``metrics.PATHS``."""
        path = self.session.path
        return "steered" if self.steered and path == "local" else path

    @property
    def paused(self) -> bool:
        return self._inbox.pauses != 0

    def pause(self, why: Pause) -> None:
        self._inbox.pause(why)

    def resume(self, why: Pause) -> None:
        if self._inbox.allow(why):
            self.heard = self._clock()  # silence while nothing was read counts for nothing
            self._inbox.listen()

    @property
    def arrived(self) -> int:
        return self._inbox.reader.arrived

    def give_up(self, code: CloseCode, reason: str) -> None:
        """Close the peer in the middle of its message: free the part that has arrived, discard the rest."""
        self._inbox.end_large()
        self._inbox.reader.refuse(ProtocolFailure(code, reason))
        if not self.close_by:
            self._finish(code, reason, self._limits.close_timeout)
            self._end()

    @property
    def reading(self) -> FrameReader:
        return self._inbox.reader

    def raise_message_limit(self) -> None:
        self._inbox.reader.max_message = self._limits.message_limit

    def lower_message_limit(self) -> None:
        self._inbox.reader.max_message = self._limits.roleless_message_limit

    def _control(self, opcode: int, payload: bytes) -> None:
        """Handle a frame other than a text frame."""
        if opcode == Opcode.BINARY:
            # It is relayed as text, which a receiver must refuse unless it is UTF-8: then it is no message.
            is_text = len(payload) > LARGE or utf8.is_valid(payload)  # a large one is judged as it arrives
            self.session.received(payload if is_text else b"")
        elif opcode == Opcode.PING:
            self.outbox.put_pong(payload, Opcode.PONG)
        elif opcode == Opcode.CLOSE:
            self._closed_by_peer(payload)

    # Writing

    def send(self, text: bytes) -> None:
        if self._traced:
            trace.sent(self, text, bool(self.close_by))
        if self.close_by:
            return
        outbox = self.outbox
        outbox.put(text)
        if outbox.high_water:
            self._output_limits.compare()

    def send_large(self, text: EscapedText | SplicedText) -> None:
        if not self.close_by:
            self.outbox.put(text)
            self._output_limits.compare()

    def send_pong(self, text: bytes) -> None:
        if not self.close_by:
            self.outbox.put_pong(text)
            if self.outbox.pong_bytes:
                self._output_limits.compare()

    def probe(self) -> None:
        if not self.close_by:
            self.outbox.put_pong(b"", Opcode.PING)

    # Closing

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame after the queued output; the peer then has a few seconds to answer."""
        if not self.close_by:
            self._finish(code, reason, self._limits.close_timeout)

    def cut_off(self, code: int, reason: str) -> None:
        """Close a peer that is too slow: drop its unsent output, but leave it time to read the reason."""
        if not self.close_by:
            self.outbox.drop()
            self._lost = True  # `lost` comes later: a message to many may be in the middle of its delivery
            asyncio.get_running_loop().call_soon(self.session.lost)
            self._finish(code, reason, STALLED_PATIENCE)

    def _closed_by_peer(self, payload: bytes) -> None:
        if not self.close_by:
            self._finish(int.from_bytes(payload[:2], "big") if payload else 0, "", self._limits.close_timeout)
        self._end()

    def _broken(self) -> None:
        """Close the peer for a violation of the framing rules; no later byte from it can be interpreted."""
        failure = self._inbox.reader.failure
        assert failure is not None
        if not self.close_by:
            log.info(
                "protocol error",
                extra={"connection": self.connection_id, "code": int(failure.code), "reason": failure.reason},
            )
            metrics.count("protocol_errors_total", str(int(failure.code)))
            self._finish(failure.code, failure.reason, self._limits.close_timeout)
            self._end()

    def _finish(self, code: int, reason: str, patience: float) -> None:
        payload = close_payload(code, reason) if code else b""
        self.outbox.put(payload, Opcode.CLOSE)
        self.close_by = self._clock() + patience
        self._lose()
        self._inbox.allow_all()

    def _end(self) -> None:
        """Close the transport once all is written; ``check`` aborts it at ``close_by``."""
        self._ending = True
        self.outbox.flush()
        if self.outbox.waiting or self.outbox.pong_bytes:
            return
        if self._inbox.reader.failure is None:
            self._transport.close()
        else:
            # The peer may be in the middle of sending. Closing with its data unread would reset the
            # connection, and the close frame might be lost: read on, and discard, until the peer ends too.
            self._transport.write_eof()

    # Leaving for another process

    @property
    def leaving(self) -> bool:
        """Return whether the connection continues in another process, or in another object of this one."""
        return self._leaving is not None

    async def leave(self) -> tuple[int, dict[str, Any]]:
        """Stop using the socket without closing the connection.

        Return a descriptor of it, which the caller owns, and the state with which ``adopt`` continues, here
        or in another process. The session is not notified.
        """
        transport, outbox, inbox = self._transport, self.outbox, self._inbox
        self.pause(Pause.HANDOVER)
        outbox.flush()
        outbox.blocked = True  # from here on everything stays in the queue
        descriptor = os.dup(transport.get_extra_info("socket").fileno())
        self._leaving = asyncio.get_running_loop().create_future()
        # asyncio drops its buffer in abort(); uvloop may go on writing until connection_lost().
        is_uvloop = type(asyncio.get_running_loop()).__module__.startswith("uvloop")
        tail = b"" if is_uvloop else outbox.unsent_tail(transport.get_write_buffer_size())
        transport.abort()
        tail = await self._leaving or tail
        now = self._clock()
        self._gone(self)
        return descriptor, {
            "reader": inbox.reader.export(),
            "early": bytes(inbox.early or b""),
            "tail": tail,
            "outbox": outbox.export(),
            "connection_id": self.connection_id,
            "address": self.address,
            "closing": max(0.001, self.close_by - now) if self.close_by else 0.0,
            "ending": self._ending,
            "silent": now - self.heard,
            "age": now - self.opened,
            "steered": self.steered,
        }

    def _left(self) -> None:
        assert self._leaving is not None
        if not self._leaving.done():
            self._leaving.set_result(self.outbox.unsent_tail(self._transport.get_write_buffer_size()))

    async def adopt(self, descriptor: int, state: dict[str, Any]) -> None:
        """Take over a connection that another socket object has left, with the descriptor; ``go`` reads it.

        The session must be set. Raise OSError if the connection cannot be used.
        """
        now, inbox = self._clock(), self._inbox
        inbox.restore(state)
        self.heard, self.opened = now - state["silent"], now - state["age"]
        self.close_by = now + state["closing"] if state["closing"] else 0.0
        self._ending = state["ending"]
        self.steered = self.steered or bool(state.get("steered"))
        sock = sockets.socket(fileno=descriptor)
        sock.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self, sock)
        self._transport.pause_reading()  # uvloop reads from the start
        self.outbox.restore(state["tail"], state["outbox"])

    def go(self) -> None:
        """Begin to read. Call it once after ``adopt``."""
        if self._inbox.reader.announced > GRAIN:
            self._inbox.note_large()
        self.resume(Pause.HANDOVER)
        if self._ending:
            self._end()

    # Called by the worker's clock

    def check(self, now: float) -> None:
        """Abort a connection whose time to close is over; have the session check an open one."""
        if self.close_by:
            if now >= self.close_by:
                self._transport.abort()
        elif not self._inbox.pauses & _UNREAD:
            self.session.check(now)
        self.outbox.settle()

    def take_counts(self) -> tuple[int, int, int, int]:
        """Return frames and bytes read, frames and bytes written since the last call."""
        outbox = self.outbox
        before, self.bytes_counted = self.bytes_counted, outbox.written
        taken = (self.frames_in, self.bytes_in, outbox.frames, outbox.written - before)
        self.frames_in = self.bytes_in = outbox.frames = 0
        return taken

    @property
    def unsent(self) -> int:
        return self.outbox.unsent()

    @property
    def high_water(self) -> bool:
        return self.outbox.high_water

    def pinned(self) -> tuple[int, dict[int, int]]:
        """Return the socket's own waiting bytes, and by id the sizes of payloads that others may share."""
        return self.outbox.pinned()

    def too_slow(self, now: float) -> bool:
        return self._output_limits.too_slow(now)

    def rested(self) -> None:
        self._output_limits.rested()
