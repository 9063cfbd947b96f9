"""One WebSocket: bytes to messages for a session, a session's messages to bytes.

It is an asyncio protocol that takes over the transport of an ordinary HTTP request once that has been
answered with 101. It knows no roles: what messages mean is its session's business.
"""

import asyncio
import logging
import os
import socket as sockets
from typing import Any

from tiflis.protocol.frames import Opcode
from tiflis.relay.wire import Pause
from tiflis.web.duplex import Duplex
from tiflis.web.intake import GRAIN

log = logging.getLogger(__name__)

STALLED_PATIENCE = 30.0  # seconds for a slow peer to read why it is cut off


class Socket(Duplex):
    """A peer's WebSocket as the relay's Wire."""

    __slots__ = ()

    # What a session calls

    def send(self, text: bytes) -> None:
        if self.close_by:
            return
        outbox = self._outbox
        outbox.put(text)
        if outbox.high_water:
            self._press()

    def send_pong(self, text: bytes) -> None:
        if not self.close_by:
            self._outbox.put_pong(text)
            if self._outbox.pong_bytes:
                self._press()

    def probe(self) -> None:
        if not self.close_by:
            self._outbox.put_pong(b"", Opcode.PING)

    @property
    def leaving(self) -> bool:
        """Whether it goes on in another process, or another socket of this one."""
        return self._leaving is not None

    def widen(self) -> None:
        self._reader.max_message = self._limits.message_limit

    def narrow(self) -> None:
        self._reader.max_message = self._limits.roleless_message_limit

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye after what is queued already; the peer then has a few seconds to answer."""
        if not self.close_by:
            self._finish(code, reason, self._limits.close_timeout)

    # Leaving for another process

    async def leave(self) -> tuple[int, dict[str, Any]]:
        """Stop using the socket without closing the connection.

        Returns a descriptor of it, which the caller owns, and the state with which ``adopt`` goes on, here
        or in another process. The session hears nothing of it.
        """
        transport, outbox = self._transport, self._outbox
        self.pause(Pause.HANDOVER)
        outbox.flush()
        outbox.blocked = True  # from here on everything stays in the queue
        descriptor = os.dup(transport.get_extra_info("socket").fileno())
        self._leaving = asyncio.get_running_loop().create_future()
        # asyncio drops its buffer in abort(); uvloop may go on writing until connection_lost().
        tail = b"" if _is_uvloop() else outbox.unsent_tail(transport.get_write_buffer_size())
        transport.abort()
        tail = await self._leaving or tail
        now = self._clock()
        self._gone(self)
        return descriptor, {
            "reader": self._reader.export(),
            "early": bytes(self._early or b""),
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

    async def adopt(self, descriptor: int, state: dict[str, Any]) -> None:
        """Take over a connection that another socket object has left; reading waits for ``go``.

        The session must be set. Raises OSError if the connection cannot be used; the descriptor is ours.
        """
        now = self._clock()
        self._reader = self._make_reader(state["reader"])
        self.heard, self.opened = now - state["silent"], now - state["age"]
        self.close_by = now + state["closing"] if state["closing"] else 0.0
        self._ending = state["ending"]
        self.steered = self.steered or bool(state.get("steered"))
        self._paused, self._early = Pause.HANDOVER, bytearray(state["early"])
        sock = sockets.socket(fileno=descriptor)
        sock.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self, sock)
        self._transport.pause_reading()  # uvloop reads from the start, even if told otherwise
        self._outbox.restore(state["tail"], state["outbox"])

    def go(self) -> None:
        """After ``adopt``: read."""
        if self._reader.announced > GRAIN:
            self._note_begun()
        self.resume(Pause.HANDOVER)
        if self._ending:
            self._end()

    # What the worker's clock calls

    def check(self, now: float) -> None:
        """A regular look, every few seconds."""
        if self.close_by:
            if now >= self.close_by:
                self._transport.abort()
        elif not self._paused & ~Pause.PONGS:
            self.session.check(now)
        self._outbox.settle()

    def taken_out(self) -> tuple[int, int, int, int]:
        """Frames and bytes read, frames and bytes written, each since the last time they were asked for."""
        outbox = self._outbox
        told, self.bytes_told = self.bytes_told, outbox.written
        taken = (self.frames_in, self.bytes_in, outbox.frames, outbox.written - told)
        self.frames_in = self.bytes_in = outbox.frames = 0
        return taken

    @property
    def running(self) -> bool:
        """Whether there is a transport: not before an adopted socket has got its own."""
        return hasattr(self, "_outbox")

    @property
    def unsent(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self._outbox.unsent()

    @property
    def high_water(self) -> bool:
        """Whether much waits to be sent."""
        return self._outbox.high_water

    def pinned(self) -> tuple[int, dict[int, int]]:
        """What waits to be sent: bytes of its own, and by id the sizes of payloads that others may share."""
        return self._outbox.pinned()

    def too_slow(self, now: float) -> bool:
        """Whether this peer has taken nothing for too long (protocol, section 6)."""
        unsent = self._outbox.unsent()
        sent = self._outbox.sent()
        if unsent <= self._limits.stall_bytes or sent != self._progress[0]:
            self._progress = (sent, now)
            return False
        return now - self._progress[1] >= self._limits.stall_timeout

    def cut_off(self, code: int, reason: str) -> None:
        """Close a peer that is too slow: what it has not taken is dropped, but it may read why."""
        if not self.close_by:
            self._outbox.drop()
            self._lost = True  # in a moment: we may be in the middle of a message to many
            asyncio.get_running_loop().call_soon(self.session.lost)
            self._finish(code, reason, STALLED_PATIENCE)


def _is_uvloop() -> bool:
    return type(asyncio.get_running_loop()).__module__.startswith("uvloop")
