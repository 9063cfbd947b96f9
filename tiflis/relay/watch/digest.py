"""Prepare a workstation's message for watch queues: a valid JSON object, and the stream it belongs to."""

from datetime import UTC, datetime

import msgspec

from tiflis.protocol import cursor, head, utf8
from tiflis.protocol.surrogates import without_lone_surrogates
from tiflis.relay.watch.queue import StreamKey

_INCREMENTAL = "terminal"  # its pieces follow each other; everything else repeats the whole answer so far
_ABSENT = msgspec.Raw(b"")


class _Stream(msgspec.Struct, gc=False):
    type: msgspec.Raw = _ABSENT
    streaming_message_id: msgspec.Raw = _ABSENT
    payload: msgspec.Raw = _ABSENT


class _Payload(msgspec.Struct, gc=False):
    content_type: msgspec.Raw = _ABSENT
    streaming_message_id: msgspec.Raw = _ABSENT


_stream = msgspec.json.Decoder(_Stream)
_payload = msgspec.json.Decoder(_Payload)


def digest(text: bytes) -> tuple[bytes, StreamKey | None] | None:
    """Return the text to queue, and its stream if a later message of that stream replaces it. Return None
    for anything but a JSON object: one such text in an answer would make every poll fail."""
    try:
        if not utf8.is_valid(text):
            text = text.decode("utf-8", "replace").encode()
        text = without_lone_surrogates(text)
        fields = _stream.decode(text)
        return text, _key(fields) if b"streaming_message_id" in text else None
    except (ValueError, RecursionError):
        return None


def counted(text: bytes) -> bool:
    """Return whether clients that resume count this JSON object."""
    return cursor.counts(head.short(_stream.decode(text).type) or "")


def _key(fields: _Stream) -> StreamKey | None:
    inner = _payload.decode(fields.payload) if bytes(memoryview(fields.payload)[:1]) == b"{" else _Payload()
    stream = head.short(fields.streaming_message_id) or head.short(inner.streaming_message_id)
    kind = head.short(fields.type)
    if not stream or kind is None or head.short(inner.content_type) == _INCREMENTAL:
        return None
    return kind, stream


def stamp(time: float) -> str:
    """Return the time, in seconds since the epoch, as watches read it: ``2026-01-15T12:00:00.000Z``."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
