"""Messages with ``hold``, questions about held ones, and their receipts."""

import json
from typing import Any

import pytest

from tiflis.protocol import head, hold
from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.hold import Request

LONGEST = 3600.0
SUFFIX = head.device_suffix("phone")


def text(**fields: Any) -> bytes:
    return json.dumps({"type": "supervisor.command", "id": "m1", **fields}).encode()


def read(message: bytes) -> Request:
    return hold.read(head.peek(message), message, SUFFIX, LONGEST)


def test_a_message_is_held_without_its_hold() -> None:
    found = read(text(hold={"ttl": 60, "not_before": 1_700_000_000_000}, payload={"a": 1}))
    assert (found.kind, found.id, found.ttl) == ("supervisor.command", "m1", 60.0)
    assert found.not_before == 1_700_000_000_000
    kept = json.loads(found.text)
    assert "hold" not in kept
    assert kept["payload"] == {"a": 1}
    assert hold.decode(hold.encode(found)) == found


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"hold": 1}, "hold"),
        ({"hold": {}}, "hold"),
        ({"hold": {"ttl": 60, "more": 1}}, "hold"),
        ({"hold": {"ttl": 0}}, "hold.ttl"),
        ({"hold": {"ttl": True}}, "hold.ttl"),
        ({"hold": {"ttl": "60"}}, "hold.ttl"),
        ({"hold": {"ttl": LONGEST + 1}}, "hold.ttl"),
        ({"hold": {"ttl": 60, "not_before": -1}}, "hold.not_before"),
        ({"hold": {"ttl": 60, "not_before": 1.5}}, "hold.not_before"),
        ({"hold": {"ttl": 60}, "type": "session.input"}, "hold"),
        ({"hold": {"ttl": 60}, "id": 7}, "id"),
        ({"hold": {"ttl": 60}, "id": ""}, "id"),
        ({"hold": {"ttl": 60}, "id": "a\nb"}, "id"),
        ({"hold": {"ttl": 60}, "id": "i" * (hold.LONGEST_ID + 1)}, "id"),
    ],
)
def test_the_error_names_what_is_wrong(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        read(text(**fields))
    assert refused.value.details is not None
    assert list(refused.value.details) == [wrong]


def test_questions_about_held_messages() -> None:
    assert hold.question(head.peek(b'{"type":"tunnel.held"}')) == Request(hold.HELD, "")
    assert hold.question(head.peek(b'{"type":"tunnel.unhold","id":"m1"}')) == Request(hold.UNHOLD, "m1")
    with pytest.raises(InvalidPayload):
        hold.question(head.peek(b'{"type":"tunnel.unhold"}'))


def test_receipts_and_lists() -> None:
    receipt = {"type": "tunnel.receipt", "id": "m1", "state": "held", "until": 5}
    assert json.loads(hold.receipt("m1", "held", until=5)) == receipt
    assert json.loads(hold.listing([{"id": "m1"}])) == {"type": hold.HELD, "messages": [{"id": "m1"}]}
    assert hold.raw_id('"') == b'"\\""'


@pytest.mark.parametrize(
    ("message", "id_"),
    [
        (b'{"type":"message.ack","payload":{"message_id":"m1"}}', "m1"),
        (b'{"type":"message.ack","payload":{}}', ""),
        (b'{"type":"message.ack"}', ""),
        (b'{"type":"other","payload":{"message_id":"m1"}}', ""),
        (b"no message", ""),
    ],
)
def test_an_acknowledgement_names_its_message(message: bytes, id_: str) -> None:
    assert hold.acknowledged(message) == id_


def test_a_long_message_is_no_confirmation() -> None:
    ack = {"type": "message.ack", "payload": {"message_id": "m"}}
    assert hold.acknowledged(json.dumps(ack).encode()) == "m"
    assert hold.acknowledged(json.dumps(ack | {"pad": "x" * head.MAX_SHORT}).encode()) == ""
