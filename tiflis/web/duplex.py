"""Both directions of one WebSocket: bytes to messages, queued messages to bytes, and how it ends."""

import asyncio
import logging
import socket as sockets
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from tiflis import metrics
from tiflis.limits import Limits
from tiflis.protocol import utf8
from tiflis.protocol.close import CloseCode, ProtocolFailure, close_payload
from tiflis.protocol.frames import FrameReader, Opcode
from tiflis.relay.sessions.outbox import PONGS_HIGH, TRANSPORT_HIGH, Cork, Outbox
from tiflis.relay.wire import Pause
from tiflis.web.intake import GRAIN, Begun
from tiflis.web.overdraft import Guards

if TYPE_CHECKING:
    from tiflis.relay.wire import Session

log = logging.getLogger(__name__)

TIMED = 63  # of the frames of a socket every 64th has its burst timed
CROWD_LOOK = 0.02  # seconds between two looks at output above its limit


_TEXT = int(Opcode.TEXT)  # plain: enum members compare slowly


class Duplex(asyncio.Protocol):
    """A WebSocket's transport: what comes is read, paused, answered and closed by the rules of RFC 6455."""

    __slots__ = (
        "_begun",
        "_clock",
        "_cork",
        "_crowded_at",
        "_early",
        "_ending",
        "_gone",
        "_intake",
        "_leaving",
        "_limits",
        "_lost",
        "_outbox",
        "_overdraft",
        "_paused",
        "_pressed",
        "_progress",
        "_reader",
        "_transport",
        "address",
        "bytes_in",
        "bytes_told",
        "close_by",
        "connection_id",
        "frames_in",
        "heard",
        "number",
        "opened",
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
        """``gone`` is called once, after the session has heard that the socket is lost."""
        self.number, self.connection_id, self.address = number, connection_id, address
        self._cork, self._clock, self._gone = cork, clock, gone
        self._limits, (self._intake, self._overdraft) = limits, guards
        self._begun: Begun | None = None  # a large message on its way in
        self._reader = self._make_reader()
        self._ending = False  # the closing handshake is over; only unsent output keeps the transport open
        self._early: bytearray | None = None  # what came before an adopted socket may be read
        self._leaving: asyncio.Future[bytes] | None = None
        self._lost = False  # the session has heard that nothing gets through any more
        self._paused = Pause(0)
        self._pressed = False
        self._crowded_at = 0.0  # since when more waits than may wait; 0 while less does
        self._progress = (0, 0.0)  # bytes sent, and since when no more
        self.opened = self.heard = clock()
        self.close_by = 0.0  # loop time by which a closing socket must be gone; 0 while open
        self.session: Session = cast("Session", None)
        self.steered = False  # it was accepted by another worker
        self.frames_in = self.bytes_in = 0
        self.bytes_told = 0  # of the bytes written those that have been counted

    def _make_reader(self, state: dict[str, Any] | None = None) -> FrameReader:
        if state is not None:
            return FrameReader.restore(state)
        return FrameReader(self._limits.roleless_message_limit, self._limits.fragment_limit)

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        socket = transport.get_extra_info("socket")
        if socket.family != sockets.AF_UNIX:
            socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        self._outbox = Outbox(self._cork, cast(Any, transport), self._relieved, socket.fileno())
        transport.set_write_buffer_limits(high=TRANSPORT_HIGH)

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early += data
            return
        self.heard = self._clock()
        began = 0.0 if self.frames_in & TIMED else perf_counter()
        cork = self._cork
        cork.depth += 1
        try:
            events = self._reader.feed(data)
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
            if self._reader.failure is not None:
                self._broken()
        finally:
            cork.depth -= 1
            if cork.dirty and not cork.depth:
                cork.flush()
        if began and events:
            metrics.observe("relay_seconds", perf_counter() - began, self.path)
        outbox = self._outbox
        if self._reader.announced > GRAIN or self._begun or outbox.high_water or outbox.pong_bytes:
            self._pins()

    def _pins(self) -> None:
        """This peer keeps more in memory than its socket, or has until now."""
        if self._reader.announced > GRAIN or self._begun is not None:
            self._note_begun()
        if self._outbox.high_water or self._outbox.pong_bytes:
            self._press()

    def _note_begun(self) -> None:
        """A large message is under way, or has ended."""
        size, begun = self._reader.announced, self._begun
        if begun is None:
            begun = self._begun = self._intake.begin(self)
        if size > GRAIN:
            self._intake.announce(begun, size)
        else:
            self._end_begun()

    def _end_begun(self) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            self._intake.end(begun)

    @property
    def arrived(self) -> int:
        """Bytes that have come of the message under way."""
        return self._reader.arrived

    def give_up(self, code: CloseCode, reason: str) -> None:
        """Close the peer in the middle of its message: what came of it is freed, and the rest not kept."""
        self._begun = None
        self._reader.refuse(ProtocolFailure(code, reason))
        if not self.close_by:
            self._finish(code, reason, self._limits.close_timeout)
            self._end()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._outbox.blocked = True

    def resume_writing(self) -> None:
        if self._leaving is not None:
            return
        self._outbox.blocked = False
        self._outbox.flush()
        if self._ending:
            self._end()

    def _relieved(self) -> None:
        """Little waits to be sent: those who were stopped for it may go on."""
        if self._pressed:
            self._pressed = False
            self.session.high_water(False)
        self.resume(Pause.PONGS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._outbox.descriptor = -1  # the number is about to be somebody else's
        self._end_begun()
        if self._leaving is not None:
            self._left()
            return
        self.close_by = self.close_by or self._clock()  # nothing is sent any more
        self._outbox.drop()
        self._lose()
        self._gone(self)

    def _lose(self) -> None:
        """Nothing gets through any more, though the connection may last a while: the session is over."""
        if not self._lost:
            self._lost = True
            self.session.lost()

    # Reading

    @property
    def path(self) -> str:
        """How what is read here reaches its receivers: one of ``metrics.PATHS``."""
        path = self.session.path
        return "steered" if self.steered and path == "local" else path

    @property
    def paused(self) -> bool:
        return bool(self._paused)

    def pause(self, why: Pause) -> None:
        if not self._paused and not self._transport.is_closing():
            self._transport.pause_reading()
        self._paused |= why

    def resume(self, why: Pause) -> None:
        if not self._paused & why:
            return
        self._paused &= ~why
        if not self._paused and not self._transport.is_closing():
            self.heard = self._clock()  # silence while we did not listen counts for nothing
            self._listen()

    def _listen(self) -> None:
        if self._early is None:
            self._transport.resume_reading()
        else:
            # Later, for whoever resumes may have messages that came even before these.
            asyncio.get_running_loop().call_soon(self._hear_early)

    def _hear_early(self) -> None:
        if self._early is None or self._paused:
            return
        early, self._early = self._early, None
        self.data_received(bytes(early))
        if not self._paused and not self._transport.is_closing():
            self._transport.resume_reading()

    # Between the two

    def _control(self, opcode: int, payload: bytes) -> None:
        """Anything but a text."""
        if opcode == Opcode.BINARY:
            # It goes on as a text. Whoever got one that is none would have to close: it is no message.
            self.session.received(payload if utf8.is_valid(payload) else b"")
        elif opcode == Opcode.PING:
            self._outbox.put_pong(payload, Opcode.PONG)
        elif opcode == Opcode.CLOSE:
            self._closed_by_peer(payload)

    def _closed_by_peer(self, payload: bytes) -> None:
        if not self.close_by:
            self._finish(int.from_bytes(payload[:2], "big") if payload else 0, "", self._limits.close_timeout)
        self._end()

    def _broken(self) -> None:
        """The peer broke the framing rules: nothing that it sends can be trusted any more."""
        failure = self._reader.failure
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
        self._outbox.put(payload, Opcode.CLOSE)
        self.close_by = self._clock() + patience
        self._lose()
        if self._paused:
            self._paused = Pause(0)
            if not self._transport.is_closing():
                self._listen()  # the peer's close frame must be seen

    def _end(self) -> None:
        """Close once all is written; what does not get through by ``close_by`` is given up."""
        self._ending = True
        self._outbox.flush()
        if self._outbox.waiting or self._outbox.pong_bytes:
            return
        if self._reader.failure is None:
            self._transport.close()
        else:
            # The peer may be in the middle of sending. Closing with its data unread would reset the
            # connection, and it might never see why: so read on, and throw away, until it has ended too.
            self._transport.write_eof()

    def _press(self) -> None:
        outbox = self._outbox
        if outbox.pong_bytes > PONGS_HIGH:
            self.pause(Pause.PONGS)
        if outbox.high_water and not self._pressed:
            self._pressed = True
            self._overdraft.watch(cast(Any, self))  # a Duplex is always a Socket
            self.session.high_water(True)
        if outbox.waiting > self._limits.backlog_limit and not self._crowded_at:
            self._crowded_at = self._clock()
            self.session.overfull(True)
            self._see_crowd()

    def _see_crowd(self) -> None:
        """A peer that reads well may let much wait for a moment, as after two big messages; not for long."""
        waiting, limit = self._outbox.waiting, self._limits.backlog_limit
        patient = self._clock() - self._crowded_at < self._limits.backlog_patience
        if self.close_by or self._leaving is not None or waiting <= limit:
            self._crowded_at = 0.0
            self.session.overfull(False)
        elif patient and waiting <= 2 * limit:
            asyncio.get_running_loop().call_later(CROWD_LOOK, self._see_crowd)
        else:
            self._crowded_at = 0.0
            self.session.overflowed()

    def _left(self) -> None:
        assert self._leaving is not None
        if not self._leaving.done():
            self._leaving.set_result(self._outbox.unsent_tail(self._transport.get_write_buffer_size()))
