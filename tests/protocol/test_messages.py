"""The server's own messages: read strictly, written so that every client can read them."""

import json
from typing import Any

import msgspec
import pytest

from tiflis.protocol import errors, head, messages
from tiflis.protocol.errors import InvalidPayload, TunnelError
from tiflis.protocol.scan import LARGE

API_KEY, AUTH_KEY = "k" * 32, "a" * 16


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def registration(**changes: Any) -> msgspec.Raw:
    fields = {"api_key": API_KEY, "name": "desk", "auth_key": AUTH_KEY} | changes
    return raw({name: value for name, value in fields.items() if value is not ...})


def connection(**changes: Any) -> msgspec.Raw:
    fields = {"tunnel_id": "tunnel-1", "auth_key": AUTH_KEY, "device_id": "phone"} | changes
    return raw({name: value for name, value in fields.items() if value is not ...})


def test_a_registration() -> None:
    said = messages.read_registration(registration())
    assert said == (API_KEY, "desk", AUTH_KEY, None)


def test_a_registration_that_asks_for_its_id() -> None:
    assert (
        messages.read_registration(
            registration(reconnect=True, previous_tunnel_id="old-1")
        ).previous_tunnel_id
        == "old-1"
    )


@pytest.mark.parametrize("reconnect", [False, None, ...])
def test_without_reconnect_the_previous_id_is_ignored(reconnect: object) -> None:
    said = messages.read_registration(registration(reconnect=reconnect, previous_tunnel_id="old-1"))
    assert said.previous_tunnel_id is None


@pytest.mark.parametrize("previous", ["", "*", "a.b", ">", "a\r\nb", "x" * 65, "é", 5, None, {"a": 1}])
def test_a_previous_id_of_another_form_is_treated_as_absent(previous: object) -> None:
    for extra in ({}, {"x": "\ud800"}):
        said = messages.read_registration(registration(reconnect=True, previous_tunnel_id=previous, **extra))
        assert said.previous_tunnel_id is None


BAD_REGISTRATIONS: list[tuple[dict[str, Any], str]] = [
    ({"api_key": "k" * 31}, "payload.api_key"),
    ({"api_key": ...}, "payload.api_key"),
    ({"api_key": 5}, "payload.api_key"),
    ({"name": ""}, "payload.name"),
    ({"name": None}, "payload.name"),
    ({"name": "\ud800"}, "payload.name"),
    ({"auth_key": "a" * 15}, "payload.auth_key"),
    ({"auth_key": " " + "a" * 15 + "  "}, "payload.auth_key"),
    ({"auth_key": ["a" * 16]}, "payload.auth_key"),
    ({"auth_key": "a" * 16 + "\udc00"}, "payload.auth_key"),
    ({"reconnect": "true"}, "payload.reconnect"),
    ({"reconnect": 1}, "payload.reconnect"),
]


@pytest.mark.parametrize(("changes", "field"), BAD_REGISTRATIONS)
def test_the_error_of_a_bad_registration_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        messages.read_registration(registration(**changes))
    assert set(refused.value.details or {}) == {field}


BAD_CONNECTIONS: list[tuple[dict[str, Any], str]] = [
    ({"tunnel_id": ""}, "payload.tunnel_id"),
    ({"tunnel_id": ...}, "payload.tunnel_id"),
    ({"tunnel_id": "a.b"}, "payload.tunnel_id"),
    ({"tunnel_id": "x" * 65}, "payload.tunnel_id"),
    ({"tunnel_id": 12}, "payload.tunnel_id"),
    ({"auth_key": "a" * 15}, "payload.auth_key"),
    ({"device_id": ""}, "payload.device_id"),
    ({"device_id": "a\r\nb"}, "payload.device_id"),
    ({"device_id": "x" * 10_000}, "payload.device_id"),
    ({"device_id": "\ud800"}, "payload.device_id"),
    ({"reconnect": "yes"}, "payload.reconnect"),
]


@pytest.mark.parametrize(("changes", "field"), BAD_CONNECTIONS)
def test_the_error_of_a_bad_connect_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        messages.read_connection(connection(**changes))
    assert set(refused.value.details or {}) == {field}


@pytest.mark.parametrize(
    "written", [rb"\ud83d\ude00", rb"\"\\\/", "😀 é".encode(), rb"\u0061", b"  spaced  "]
)
def test_a_field_is_read_as_it_is_however_it_is_written(written: bytes) -> None:
    payload = b'{"tunnel_id":"t","auth_key":"%b","device_id":"d-%b","device_id":"e-%b"}'
    key = b"a" * 16 + written
    said = messages.read_connection(msgspec.Raw(payload % (key, written, written)))
    assert said.auth_key == "a" * 16 + json.loads(b'"%b"' % written)
    assert said.device_id == "e-" + json.loads(b'"%b"' % written)


def test_one_error_names_all_wrong_fields() -> None:
    with pytest.raises(InvalidPayload) as refused:
        messages.read_connection(raw({}))
    assert set(refused.value.details or {}) == {"payload.tunnel_id", "payload.auth_key", "payload.device_id"}


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'"x"', b"5"])
def test_a_payload_must_be_an_object(payload: bytes) -> None:
    for read in (messages.read_registration, messages.read_connection):
        with pytest.raises(InvalidPayload):
            read(msgspec.Raw(payload))


def test_unknown_fields_are_ignored() -> None:
    assert messages.read_connection(connection(extra={"a": [1]})).device_id == "phone"


def test_an_auth() -> None:
    assert messages.read_auth(raw({"auth_key": "k", "device_id": "d"})) == ("k", "d")


@pytest.mark.parametrize("payload", [{}, [], None, "x", {"auth_key": 1, "device_id": 2}])
def test_an_auth_without_what_it_needs(payload: object) -> None:
    assert messages.read_auth(raw(payload)) == ("", "")
    assert messages.read_auth(raw({"auth_key": 1, "device_id": 2, "x": "\ud800"})) == ("", "")
    assert messages.read_auth(msgspec.Raw(b"")) == ("", "")


def test_the_addressee_of_an_answer() -> None:
    assert messages.addressee(raw({"device_id": "phone", "x": [1]})) == "phone"
    assert messages.addressee(raw({"device_id": "phone", "x": "\ud800"})) == "phone"
    assert messages.addressee(msgspec.Raw(b'{"device_id":"a","device_id":"b"}')) == "b"


@pytest.mark.parametrize("payload", [{}, {"device_id": 5}, {"device_id": ""}, [], "x", None])
def test_an_answer_without_an_addressee(payload: object) -> None:
    assert messages.addressee(raw(payload)) is None
    assert messages.addressee(msgspec.Raw(b'{"device_id":5,"x":"\\ud800"}')) is None
    assert messages.addressee(msgspec.Raw(b"")) is None


EVERY_ERROR = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, TunnelError)
]


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_an_error_as_every_client_can_read_it(kind: type[TunnelError]) -> None:
    said = json.loads(messages.error(kind()))
    assert set(said) == {"type", "payload"}
    assert set(said["payload"]) == {"code", "message"}
    assert all(isinstance(value, str) and value for value in said["payload"].values())


def test_the_codes_of_the_protocol_are_all_there() -> None:
    assert {kind.code for kind in EVERY_ERROR} == {
        "INVALID_PAYLOAD",
        "INVALID_API_KEY",
        "INVALID_AUTH_KEY",
        "TUNNEL_NOT_FOUND",
        "WORKSTATION_OFFLINE",
        "REGISTRATION_FAILED",
        "RATE_LIMITED",
        "FORBIDDEN",
        "INTERNAL_ERROR",
    }


def test_details_are_flat_strings() -> None:
    said = json.loads(messages.error(InvalidPayload("m", {"payload.auth_key": "at least 16 characters"})))
    assert said["payload"]["details"] == {"payload.auth_key": "at least 16 characters"}


@pytest.mark.parametrize("request_id", [b'"r-1"', b"7", b"1.50", b'{"a":1}', b"12345678901234567890123"])
def test_an_error_echoes_the_id_as_it_came(request_id: bytes) -> None:
    text = messages.error(InvalidPayload(), request_id)
    assert b'"id":' + request_id + b"," in text
    assert json.loads(text)["type"] == "error"


@pytest.mark.parametrize("request_id", [b"", b"null"])
def test_an_error_without_an_id_has_none(request_id: bytes) -> None:
    assert "id" not in json.loads(messages.error(InvalidPayload(), request_id))


def test_optional_fields_are_absent_never_null() -> None:
    assert json.loads(messages.registered("t", "wss://h/ws", False)) == {
        "type": "workstation.registered",
        "payload": {"tunnel_id": "t", "public_url": "wss://h/ws"},
    }
    assert json.loads(messages.registered("t", "u", True))["payload"]["restored"] is True
    assert json.loads(messages.connected("t", "1.2.3", False)) == {
        "type": "connected",
        "payload": {"tunnel_id": "t", "tunnel_version": "1.2.3", "protocol_version": "1.0.0"},
    }
    assert json.loads(messages.connected("t", "1.2.3", True))["payload"]["restored"] is True


@pytest.mark.parametrize("stamp", [b"1", b"1.50", b"1737000000000", b"123456789012345678901234567890"])
def test_a_pong_has_the_same_timestamp_and_nothing_else(stamp: bytes) -> None:
    assert messages.pong(msgspec.Raw(stamp)) == b'{"type":"pong","timestamp":' + stamp + b"}"


def test_the_workstations_state_in_both_spellings() -> None:
    online, android = (json.loads(text) for text in messages.workstation_state("t", True))
    assert online == {"type": "connection.workstation_online", "payload": {"tunnel_id": "t"}}
    assert android == {"type": "workstation.status", "payload": {"online": True}}
    offline, android = (json.loads(text) for text in messages.workstation_state("t", False))
    assert offline == {"type": "connection.workstation_offline", "payload": {"tunnel_id": "t"}}
    assert android == {"type": "workstation.status", "payload": {"online": False}}


def test_messages_to_the_workstation_about_devices() -> None:
    assert json.loads(messages.auth("key", "phone")) == {
        "type": "auth",
        "payload": {"auth_key": "key", "device_id": "phone"},
    }
    assert json.loads(messages.client_disconnected("phone", "t")) == {
        "type": "client.disconnected",
        "payload": {"device_id": "phone", "tunnel_id": "t"},
    }


def test_an_auth_error() -> None:
    said = json.loads(messages.auth_error(errors.InvalidAuthKey()))
    assert said["type"] == "auth.error"
    assert said["payload"]["code"] == "INVALID_AUTH_KEY"
    assert isinstance(said["payload"]["message"], str)


def test_a_long_payload_is_no_connect_and_names_no_device() -> None:
    """A client that waits for its workstation may send messages of full size."""
    pad = "x" * head.MAX_SHORT
    payload = {"tunnel_id": "t", "auth_key": "k" * 16, "device_id": "d", "pad": pad}
    with pytest.raises(InvalidPayload):
        messages.read_connection(msgspec.Raw(json.dumps(payload).encode()))
    huge = msgspec.Raw(json.dumps({"device_id": "d", "pad": "x" * LARGE}).encode())
    assert messages.addressee(huge) is None
