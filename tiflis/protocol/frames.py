"""Frames: RFC 6455 as a server speaks it, bytes in and messages out, with no I/O in either direction.

The reader is strict: the first rule that a peer breaks ends the reading for good and is named in `failure`.
No extension is ever negotiated, so every reserved bit is a breach.
"""

from collections.abc import Mapping
from typing import Any

from tiflis.protocol import utf8
from tiflis.protocol.close import Breach, CloseCode, ProtocolFailure, close_payload, judge_close
from tiflis.protocol.frame_head import FIN, LENGTH_16, MASKED, FrameHead, Opcode, header, read_head
from tiflis.protocol.head import Head, peek
from tiflis.protocol.pieces import NO_PIECES, Pieces
from tiflis.protocol.scan import LARGE, Scan
from tiflis.protocol.scopes import new_skim
from tiflis.protocol.skim import Skim

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C extension for this platform: the same function in Python
    from websockets.utils import apply_mask

__all__ = [
    "MAX_FRAGMENTS",
    "MAX_MESSAGE",
    "CloseCode",
    "Event",
    "FrameReader",
    "Opcode",
    "ProtocolFailure",
    "apply_mask",
    "close_frame",
    "frame",
    "header",
]

# Bytes in a message, summed over its fragments: the limit of the tunnel protocol.
MAX_MESSAGE = 50 * 1024 * 1024
# Fragments in a message, empty ones counted: a peer could otherwise hold a message open for ever at no cost.
MAX_FRAGMENTS = 4096
# Plain ints: comparing with enum members would slow the hot loop down.
_TEXT = int(Opcode.TEXT)
_CLOSE = int(Opcode.CLOSE)
_WHOLE_TEXT = FIN | _TEXT
_WHOLE_BINARY = FIN | int(Opcode.BINARY)
_KEY = 4

# A complete message or control frame: its opcode (never CONTINUATION) and its unmasked payload.
Event = tuple[int, bytes]


def frame(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """Return a whole server's frame."""
    return header(opcode, len(payload), fin) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a server's close frame. Raises `ValueError` for a code that may not travel."""
    return frame(_CLOSE, close_payload(code, reason))


class FrameReader:
    """The reader of what one client sends.

    `max_message` may be changed at any time and holds from the next frame header on. `failure` is set once
    the peer broke the rules; from then on, as after a close frame (RFC 6455, 1.4), everything is discarded.
    `announced` is the size of the open message, as far as its frames have announced it. `scanned` has the
    large messages that were read as they arrived, until their heads are taken; `skimmed` those whose form was
    read too, as `skims` demands.
    """

    __slots__ = (
        "_carry",
        "_closed",
        "_final",
        "_fragments",
        "_head",
        "_key",
        "_left",
        "_opcode",
        "_pieces",
        "_scan",
        "_skim",
        "announced",
        "failure",
        "max_fragments",
        "max_message",
        "scanned",
        "skimmed",
        "skims",
    )

    def __init__(self, max_message: int = MAX_MESSAGE, max_fragments: int = MAX_FRAGMENTS) -> None:
        self.max_message = max_message
        self.max_fragments = max_fragments
        self.failure: ProtocolFailure | None = None
        self._closed = False
        self._head = b""  # a data frame's head, or a control frame, of which the rest is still to come
        self._left = 0  # payload bytes of the current data frame still to come
        self._key = b""  # its masking key, rotated to the next byte
        self._final = False  # whether it ends its message
        self.scanned: list[tuple[bytes, Scan]] = []
        self.skims = False
        self.skimmed: list[tuple[bytes, Skim]] = []
        self._open_message(0)

    def feed(self, data: bytes) -> list[Event]:
        """Return what `data` completes, in the order of the wire, also what came before a breach in it.

        TEXT payloads are valid UTF-8; CLOSE payloads are empty or a legal code and a UTF-8 reason.
        """
        events: list[Event] = []
        if self._closed:
            return events
        try:
            at = 0 if self._head or self._opcode else self._whole_frames(data, 0, events)
            if at < len(data):
                self._read(data, at, events)
        except Breach as breach:
            self._fail(breach.failure)
        return events

    @property
    def between_messages(self) -> bool:
        """Return whether the next byte begins a frame of a new message."""
        return not (self._head or self._opcode or self._closed)

    @property
    def arrived(self) -> int:
        """Return how many bytes have come of the open message, of `announced` so far; 0 when none is open."""
        return self.announced - self._left

    def head(self, message: bytes) -> Head:
        """Return the head of a message that has just been read. Raise InvalidPayload."""
        for at, (text, scan) in enumerate(self.scanned):
            if text is message:
                del self.scanned[at]
                return scan.head(message)
        return peek(message)

    def form(self, message: bytes) -> Skim | None:
        """Return what was skimmed of a large message that has just been read; None if it was not."""
        for at, (text, skim) in enumerate(self.skimmed):
            if text is message:
                del self.skimmed[at]
                return skim
        return None

    def refuse(self, failure: ProtocolFailure) -> None:
        """Read nothing more, and drop what came of the open message: its sender is closed for `failure`."""
        self._fail(failure)

    def export(self) -> dict[str, Any]:
        """Return the state as ints, bytes, lists, strings and None, for another process to `restore`."""
        return {
            "max_message": self.max_message,
            "max_fragments": self.max_fragments,
            "failure": None if self.failure is None else [int(self.failure.code), self.failure.reason],
            "closed": int(self._closed),
            "head": self._head,
            "left": self._left,
            "key": self._key,
            "final": int(self._final),
            "opcode": self._opcode,
            "fragments": self._fragments,
            "size": self.announced,
            "carry": self._carry,
            "parts": self._pieces.export(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> "FrameReader":
        """Return a reader that goes on at the very byte at which `export` was called."""
        reader = cls(state["max_message"], state["max_fragments"])
        if state["failure"] is not None:
            code, reason = state["failure"]
            reader.failure = ProtocolFailure(CloseCode(code), reason)
        reader._closed = bool(state["closed"]) or reader.failure is not None
        reader._head = state["head"]
        reader._left = state["left"]
        reader._key = state["key"]
        reader._final = bool(state["final"])
        reader._opcode = state["opcode"]
        reader._fragments = state["fragments"]
        reader.announced = state["size"]
        reader._carry = state["carry"]
        reader._pieces = Pieces(state["parts"]) if reader._opcode else NO_PIECES
        reader._scan_large()
        return reader

    def _open_message(self, opcode: int) -> None:
        self._opcode = opcode  # of the open message; 0 when there is none
        self._fragments = 0
        self.announced = 0  # bytes, by the frames so far
        self._carry = b""  # the start of a character whose rest is still to come
        self._pieces = Pieces() if opcode else NO_PIECES
        self._scan: Scan | None = None  # of a message that is large
        self._skim: Skim | None = None

    def _fail(self, failure: ProtocolFailure) -> None:
        self.failure = failure
        self._close()

    def _close(self) -> None:
        """Stop reading for good and free what is held for it."""
        self._closed = True
        self._head = b""
        self._left = 0
        self._open_message(0)

    def _read(self, data: bytes, position: int, events: list[Event]) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        if self._left:
            position = self._payload(data, position, events)
        end = len(data)
        while position < end:
            if not self._opcode:
                position = self._whole_frames(data, position, events)
            if position < end:
                position = self._next_frame(data, position, events)

    def _whole_frames(self, data: bytes, position: int, events: list[Event]) -> int:
        """Read messages of one frame below 64 KiB, arrived whole: the hot loop. Stops at anything else."""
        end, limit = len(data), self.max_message
        while end - position > 8:
            first = data[position]
            length = data[position + 1] - MASKED
            start = position + 6
            if length == LENGTH_16:
                length = data[position + 2] << 8 | data[position + 3]
                start = position + 8
            elif not 0 <= length < LENGTH_16:
                break
            stop = start + length
            if stop > end or length > limit or not _WHOLE_TEXT <= first <= _WHOLE_BINARY:
                break
            payload = apply_mask(data[start:stop], data[start - _KEY : start])
            if first == _WHOLE_TEXT and not payload.isascii() and not utf8.is_valid(payload):
                raise Breach(CloseCode.INVALID_DATA, "text is not UTF-8")
            events.append((first - FIN, payload))
            position = stop
        return position

    def _next_frame(self, data: bytes, position: int, events: list[Event]) -> int:
        """Read any frame, whole or not. Returns where to go on."""
        head = read_head(data, position, self._opcode != 0)
        if head is None:
            return self._keep(data, position)
        if head.is_control:
            return self._control_frame(head, data, position, events)
        self._judge_size(head)
        start = head.end + _KEY
        if start > len(data):
            return self._keep(data, position)
        self._begin_frame(head, data[head.end : start])
        return self._payload(data, start, events)

    def _keep(self, data: bytes, position: int) -> int:
        """Put aside what is too little to act upon: at most a control frame less its last byte."""
        self._head = data[position:]
        return len(data)

    def _control_frame(self, head: FrameHead, data: bytes, position: int, events: list[Event]) -> int:
        start = head.end + _KEY
        stop = start + head.length
        if stop > len(data):
            return self._keep(data, position)
        payload = apply_mask(data[start:stop], data[head.end : start])
        if head.opcode == _CLOSE:
            judge_close(payload)
            self._close()
            stop = len(data)
        events.append((head.opcode, payload))
        return stop

    def _judge_size(self, head: FrameHead) -> None:
        """Refuse a frame by its head, before any of its payload is read."""
        if self.announced + head.length > self.max_message:
            raise Breach(CloseCode.MESSAGE_TOO_BIG, "message too big")
        if self._fragments >= self.max_fragments:
            # Not "too big": such a message may be empty. 1008 is the code for a policy of ours (7.4.1).
            raise Breach(CloseCode.POLICY_VIOLATION, "too many fragments")

    def _begin_frame(self, head: FrameHead, key: bytes) -> None:
        if head.opcode:
            self._open_message(head.opcode)
        self._fragments += 1
        self.announced += head.length
        self._left = head.length
        self._key = key
        self._final = head.final
        self._pieces.expect(self.announced)
        self._scan_large()

    def _scan_large(self) -> None:
        """Read a large message as it arrives, once it is known to be one."""
        if self.announced > LARGE and self._scan is None:
            self._scan = Scan(self._opcode != _TEXT)
            self._skim = new_skim() if self.skims else None
            for piece in self._pieces.export():
                self._look(piece)

    def _look(self, piece: bytes) -> None:
        """Read the next piece of a large message."""
        if self._scan is not None:
            self._scan.feed(piece)
        if self._skim is not None:
            self._skim.feed(piece)

    def _payload(self, data: bytes, position: int, events: list[Event]) -> int:
        """Take what `data` holds of the current data frame."""
        chunk = data[position : position + self._left]
        taken = len(chunk)
        payload = apply_mask(chunk, self._key)
        if self._opcode == _TEXT:
            self._judge_text(payload)
        self._pieces.add(payload)
        if self._scan is not None:
            self._look(payload)
        self._left -= taken
        if self._left:
            turn = taken % _KEY
            self._key = self._key[turn:] + self._key[:turn]
        elif self._final:
            self._finish_message(events)
        return position + taken

    def _judge_text(self, payload: bytes) -> None:
        try:
            self._carry = utf8.advance(self._carry, payload)
        except UnicodeDecodeError:
            raise Breach(CloseCode.INVALID_DATA, "text is not UTF-8") from None

    def _finish_message(self, events: list[Event]) -> None:
        if self._carry:
            raise Breach(CloseCode.INVALID_DATA, "text is not UTF-8")
        message = self._pieces.message()
        if self._scan is not None:
            self.scanned.append((message, self._scan))
        if self._skim is not None:
            self.skimmed.append((message, self._skim))
        events.append((self._opcode, message))
        self._open_message(0)
