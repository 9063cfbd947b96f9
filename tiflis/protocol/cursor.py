"""Cursors: how far a socket's client has read its device's queue (docs/staying.md, section 1)."""

from typing import Any, NamedTuple

import msgspec

from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.head import MAX_SHORT

HIGHEST = 2**53  # of a message: JSON readers know no higher whole number
LONGEST_EPOCH = 64  # characters
MARK_EVERY = 64  # messages

# Types that neither end counts: the server sends messages of these types itself, beside the queue.
_UNCOUNTED = frozenset({"connected", "pong", "error", "auth.error", "workstation.status"})
_UNCOUNTED_BEGINNINGS = ("tunnel.", "connection.")


class Cursor(NamedTuple):
    """All messages up to ``seq`` of the queue ``epoch`` have arrived. An empty epoch: no cursor yet."""

    epoch: str = ""
    seq: int = 0

    def text(self) -> bytes:
        """Return it as in ``connect``."""
        return msgspec.json.encode({"epoch": self.epoch, "seq": self.seq})


class Ping(msgspec.Struct, gc=False):
    """What a client that has resumed adds to its pings. ``seen``: the seq up to which it has processed the
    messages; ``visible``: whether a person looks at it. None: not given."""

    seen: Any = None
    visible: Any = None


_cursor = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ping = msgspec.json.Decoder(Ping)
_value = msgspec.json.Decoder(Any)


def read(raw: bytes) -> Cursor | None:
    """Return the cursor in a ``connect``'s ``resume``, None without one. Raise InvalidPayload."""
    if raw in (b"", b"null"):
        return None
    if len(raw) > MAX_SHORT:
        raise _wrong()
    try:
        fields = _cursor.decode(raw)
        epoch, seq = (_value.decode(fields.get(name, b"null")) for name in ("epoch", "seq"))
    except (ValueError, RecursionError):
        raise _wrong() from None
    if epoch is None and seq is None:
        return Cursor()
    if not isinstance(epoch, str) or len(epoch) > LONGEST_EPOCH or not _is_seq(seq):
        raise _wrong()
    return Cursor(epoch, seq)


def _wrong() -> InvalidPayload:
    return InvalidPayload(
        "The connect message is not valid", {"payload.resume": "an object, empty or with epoch and seq"}
    )


def _is_seq(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < HIGHEST


def read_ping(text: bytes) -> tuple[int | None, bool | None]:
    """Return ``seen`` and ``visible`` of a ping; None for what is absent or wrong, or in too long a ping."""
    if len(text) > MAX_SHORT:
        return None, None
    try:
        ping = _ping.decode(text)
    except (ValueError, RecursionError):
        return None, None
    seen = ping.seen if _is_seq(ping.seen) else None
    return seen, ping.visible if isinstance(ping.visible, bool) else None


def counts(kind: str) -> bool:
    """Return whether both ends count a message of this type."""
    return kind not in _UNCOUNTED and not kind.startswith(_UNCOUNTED_BEGINNINGS)


def mark(epoch: str, seq: int) -> bytes:
    """Return the message after which a client's cursor is this one."""
    return msgspec.json.encode({"type": "tunnel.mark", "epoch": epoch, "seq": seq})


def answers(connected: bytes) -> bool:
    """Return whether a ``connected`` of ours answers ``resume``: its client receives marks from now on."""
    return b'"resume":{' in connected
