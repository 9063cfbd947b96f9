"""One peer's input: its frames, the reasons not to read them, and the large message on its way in."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from tiflis.protocol.frames import FrameReader
from tiflis.relay.sessions.session import Pause
from tiflis.web.intake import GRAIN, Begun, Intake, Source


class Owner(Source, Protocol):
    """The socket that the input belongs to."""

    def data_received(self, data: bytes) -> None: ...


class Inbox:
    """Decides whether the transport is read; keeps what arrives before an adopted socket may be read."""

    __slots__ = ("_intake", "_owner", "early", "large", "pauses", "reader", "transport")

    transport: asyncio.Transport  # set when the connection is made

    def __init__(self, owner: Owner, reader: FrameReader, intake: Intake) -> None:
        self._owner, self._intake = owner, intake
        self.large: Begun | None = None  # the intake's entry for a large message
        self.reader = reader
        self.early: bytearray | None = None  # bytes received before an adopted socket may be read
        self.pauses = 0  # the set of Pause flags, as a plain int: flags are slow

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with the input of a socket that another process has left; ``state``: as it was written."""
        skims, self.reader = self.reader.skims, FrameReader.restore(state["reader"])
        self.reader.skims = skims
        self.pauses, self.early = int(Pause.HANDOVER), bytearray(state["early"])

    # Pausing

    def pause(self, why: Pause) -> None:
        """Stop reading for one more reason."""
        if not self.pauses and not self.transport.is_closing():
            self.transport.pause_reading()
        self.pauses |= int(why)

    def allow(self, why: Pause) -> bool:
        """Drop a reason for a pause. Return whether it was the last one; `listen` then reads again."""
        before, self.pauses = self.pauses, self.pauses & ~int(why)
        return before != 0 and not self.pauses and not self.transport.is_closing()

    def allow_all(self) -> None:
        """Read again whatever the reasons were: the peer's close frame must be received."""
        if self.pauses:
            self.pauses = 0
            if not self.transport.is_closing():
                self.listen()

    def listen(self) -> None:
        """Read the transport again, after the bytes that are kept here."""
        if self.early is None:
            self.transport.resume_reading()
        else:
            # Later, because the caller may have messages of this peer that are older than these bytes.
            asyncio.get_running_loop().call_soon(self._read_early)

    def _read_early(self) -> None:
        if self.early is None or self.pauses:
            return
        early, self.early = self.early, None
        self._owner.data_received(bytes(early))
        if not self.pauses and not self.transport.is_closing():
            self.transport.resume_reading()

    # Large messages

    def note_large(self) -> None:
        """Enter a large message, its new size or its end in the intake."""
        size, begun = self.reader.announced, self.large
        if begun is None:
            begun = self.large = self._intake.begin(self._owner)
        if size > GRAIN:
            self._intake.announce(begun, size)
        else:
            self.end_large()

    def end_large(self) -> None:
        """Remove the large message, if there is one, from the intake."""
        begun, self.large = self.large, None
        self.reader.scanned.clear()
        self.reader.skimmed.clear()
        if begun is not None:
            self._intake.end(begun)
