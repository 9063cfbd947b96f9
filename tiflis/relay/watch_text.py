"""What of a workstation's message a watch can digest: a valid JSON object, and which stream it belongs to."""

from datetime import UTC, datetime

import msgspec

from tiflis.protocol import head
from tiflis.protocol.surrogates import without_lone_surrogates
from tiflis.relay.watch_queue import StreamKey

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
    """The text to queue, and its stream if a later message of that stream replaces it. None for anything
    that is not a JSON object: one such text in an answer would make every poll fail."""
    try:
        text = without_lone_surrogates(text.decode("utf-8", "replace").encode())
        fields = _stream.decode(text)
        return text, _key(fields) if b"streaming_message_id" in text else None
    except (msgspec.MsgspecError, RecursionError):
        return None


def _key(fields: _Stream) -> StreamKey | None:
    inner = _payload.decode(fields.payload) if bytes(memoryview(fields.payload)[:1]) == b"{" else _Payload()
    stream = head.string(fields.streaming_message_id) or head.string(inner.streaming_message_id)
    kind = head.string(fields.type)
    if not stream or kind is None or head.string(inner.content_type) == _INCREMENTAL:
        return None
    return kind, stream


def stamp(time: float) -> str:
    """As watches read it: ``2026-01-15T12:00:00.000Z``."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
