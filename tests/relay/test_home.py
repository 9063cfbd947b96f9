"""A tunnel's home routes messages between the workstation and its devices (protocol, section 3)."""

from typing import Any

import pytest

from tests.relay.fakes import AUTH_KEY
from tests.relay.stage import Stage

# From devices to the workstation


def test_a_message_arrives_with_its_devices_id(stage: Stage) -> None:
    workstation, phone = stage.workstation(), stage.client("phone")
    workstation.take()
    phone.say(b'{"type":"sync","id":"1","n":1.000,"device_id":"tablet"}')
    assert workstation.texts == [
        b'{"type":"sync","id":"1","n":1.000,"device_id":"tablet","device_id":"phone"}'
    ]


def test_a_forged_control_message_is_not_forwarded(stage: Stage) -> None:
    workstation, phone = stage.workstation(), stage.client()
    workstation.take()
    phone.take()
    phone.say({"type": "workstation.registered", "id": 7, "payload": {}})
    assert workstation.texts == []
    [error] = phone.take()
    assert (error["id"], error["payload"]["code"]) == (7, "INVALID_PAYLOAD")


@pytest.mark.parametrize("text", [b"", b"x", b"[]", b'{"type":1}', b'{"type":"a","x":NaN}', b"[" * 100_000])
def test_what_is_no_message_is_refused_and_nothing_else_happens(stage: Stage, text: bytes) -> None:
    workstation, phone = stage.workstation(), stage.client()
    workstation.take()
    phone.take()
    phone.say(text)
    assert (phone.codes(), workstation.texts, phone.closed) == (["INVALID_PAYLOAD"], [], None)


def test_an_auth_with_the_right_key_is_forwarded(stage: Stage) -> None:
    workstation, phone = stage.workstation(), stage.client("phone")
    workstation.take()
    phone.say({"type": "auth", "payload": {"auth_key": AUTH_KEY, "device_id": "phone"}})
    assert workstation.take()[0]["payload"]["auth_key"] == AUTH_KEY


@pytest.mark.parametrize(
    "payload",
    [
        {"auth_key": "wrong key of sixteen", "device_id": "phone"},
        {"auth_key": AUTH_KEY, "device_id": "tablet"},
        {"auth_key": AUTH_KEY},
        {},
        None,
        "x",
    ],
)
def test_a_wrong_auth_ends_at_the_server(stage: Stage, payload: object) -> None:
    workstation, phone, tablet = stage.workstation(), stage.client("phone"), stage.client("tablet")
    for wire in (workstation, phone, tablet):
        wire.take()
    phone.say({"type": "auth", "payload": payload})
    [refused] = phone.take()
    assert (refused["type"], refused["payload"]["code"]) == ("auth.error", "INVALID_AUTH_KEY")
    assert (workstation.texts, tablet.texts) == ([], [])


# From the workstation to devices


def test_a_broadcast_reaches_every_socket_and_watch_unchanged(stage: Stage) -> None:
    workstation = stage.workstation()
    phones = [stage.client("phone"), stage.client("phone"), stage.client("tablet")]
    for phone in phones:
        phone.take()
    text = b'{ "type":"session.output", "n": 1e5,"u":"\\u00e9" }'
    workstation.say(text)
    assert [phone.texts for phone in phones] == [[text]] * 3
    assert stage.watches.broadcasts == [text]


def test_an_answer_goes_to_the_device_that_asked(stage: Stage) -> None:
    workstation = stage.workstation()
    phone, second, tablet = stage.client("phone"), stage.client("phone"), stage.client("tablet")
    phone.say({"type": "history.request", "id": "r1"})
    for wire in (phone, second, tablet):
        wire.take()
    workstation.say({"type": "history.response", "id": "r1"})
    assert (phone.types, second.types, tablet.types) == (["history.response"], ["history.response"], [])
    assert stage.watches.broadcasts == []


def test_an_answer_to_no_known_question_is_broadcast(stage: Stage) -> None:
    workstation, phone, tablet = stage.workstation(), stage.client("phone"), stage.client("tablet")
    phone.say({"type": "history.request", "id": "r1"})
    tablet.say({"type": "history.request", "id": "r1"})
    phone.take(), tablet.take()
    workstation.say({"type": "history.response", "id": "r1"})
    workstation.say({"type": "history.response", "id": "other"})
    assert len(phone.texts) == len(tablet.texts) == 2


def test_a_question_is_remembered_for_a_minute(stage: Stage) -> None:
    workstation, phone, tablet = stage.workstation(), stage.client("phone"), stage.client("tablet")
    phone.say({"type": "history.request", "id": "r1"})
    stage.host.pass_time(61)
    tablet.take()
    workstation.say({"type": "history.response", "id": "r1"})
    assert tablet.types == ["history.response"]


def test_auth_success_goes_to_its_device_alone(stage: Stage) -> None:
    workstation, phone, tablet = stage.workstation(), stage.client("phone"), stage.client("tablet")
    phone.take(), tablet.take()
    workstation.say({"type": "auth.success", "payload": {"device_id": "phone"}})
    assert (phone.types, tablet.types) == (["auth.success"], [])
    workstation.say({"type": "auth.success", "payload": {}})
    assert (len(phone.texts), len(tablet.texts)) == (2, 1)
    tablet.say({"type": "auth", "id": "q", "payload": {"auth_key": AUTH_KEY, "device_id": "tablet"}})
    workstation.say({"type": "auth.success", "id": "q"})
    assert (len(phone.texts), len(tablet.texts)) == (2, 2)


def test_forward_to_device_sends_the_payloads_text(stage: Stage) -> None:
    workstation, phone, tablet = stage.workstation(), stage.client("phone"), stage.client("tablet")
    phone.take(), tablet.take()
    inner = '{"type":"x","n":1.000,"emoji":"😀"}'
    workstation.say({"type": "forward.to_device", "device_id": "phone", "payload": inner})
    assert (phone.texts, tablet.texts) == ([inner.encode()], [])


def test_forward_to_device_of_a_watch_or_of_an_unknown_device(stage: Stage) -> None:
    workstation = stage.workstation()
    workstation.take()
    stage.watches.names = ["watch"]
    workstation.say({"type": "forward.to_device", "device_id": "watch", "payload": "{}"})
    workstation.say({"type": "forward.to_device", "device_id": "nobody", "payload": "{}"})
    assert stage.watches.to == [("watch", b"{}")]
    assert workstation.texts == [], "silence if there is no such device"


@pytest.mark.parametrize(
    "fields",
    [{}, {"device_id": "", "payload": "x"}, {"device_id": "a"}, {"device_id": 5, "payload": "x"},
     {"device_id": "a", "payload": {"type": "x"}}, {"device_id": "a", "payload": None}],
)  # fmt: skip
def test_a_forward_without_what_it_needs_is_refused(stage: Stage, fields: dict[str, Any]) -> None:
    workstation = stage.workstation()
    workstation.take()
    workstation.say({"type": "forward.to_device", "id": "f", **fields})
    [error] = workstation.take()
    assert (error["id"], error["payload"]["code"]) == ("f", "INVALID_PAYLOAD")


def test_a_pending_client_receives_no_broadcasts(stage: Stage) -> None:
    waiting = stage.client("phone")
    waiting.take()
    stage.home.device_registry.everyone()
    workstation = stage.workstation()
    assert waiting.types == ["connected"]
    workstation.say({"type": "a"})
    assert waiting.types == ["connected", "a"]
