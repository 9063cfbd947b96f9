"""A tunnel's home: which peer receives which messages, in which order (protocol, section 3)."""

import json
from typing import Any

import pytest

from tests.relay.fakes import AUTH_KEY, FakeWire
from tests.relay.stage import Stage
from tiflis.protocol.errors import SendFailed
from tiflis.relay.sessions.session import Pause

ONLINE = ["connection.workstation_online", "workstation.status"]
OFFLINE = ["connection.workstation_offline", "workstation.status"]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def types(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


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


def test_a_pending_client_hears_nothing_of_broadcasts(stage: Stage) -> None:
    waiting = stage.client("phone")
    waiting.take()
    stage.home.device_registry.everyone()
    workstation = stage.workstation()
    assert waiting.types == ["connected"]
    workstation.say({"type": "a"})
    assert waiting.types == ["connected", "a"]


# Connecting


def test_connected_says_what_the_clients_need(stage: Stage) -> None:
    stage.workstation()
    [answer] = stage.client().take()
    assert answer["type"] == "connected"
    assert set(answer["payload"]) == {"tunnel_id", "tunnel_version", "protocol_version"}


def test_restored_for_a_device_of_the_last_five_minutes(stage: Stage) -> None:
    stage.workstation()
    first = stage.client("phone", reconnect=True)
    assert "restored" not in first.take()[0]["payload"], "never seen before"
    first.end()
    stage.host.pass_time(299)
    again = stage.client("phone", reconnect=True)
    assert again.take()[0]["payload"]["restored"] is True
    assert "restored" not in stage.client("phone").take()[0]["payload"], "it did not ask"
    beside = stage.client("phone", reconnect=True)
    assert beside.take()[0]["payload"]["restored"] is True


def test_not_restored_after_five_minutes(stage: Stage) -> None:
    stage.workstation()
    stage.client("phone").end()
    stage.host.pass_time(301)
    assert "restored" not in stage.client("phone", reconnect=True).take()[0]["payload"]


def test_late_connected(stage: Stage) -> None:
    phone = stage.client("phone", request=b'"c1"')
    [refused] = phone.take()
    assert (refused["id"], refused["payload"]["code"]) == ("c1", "WORKSTATION_OFFLINE")
    assert phone.closed is None
    stage.workstation()
    assert phone.types == ["connected"]
    phone.say({"type": "sync"})
    assert phone.codes() == []


def test_just_after_the_workstations_loss_connect_waits_for_it(stage: Stage) -> None:
    stage.workstation().end()
    stage.host.pass_time(2.5)  # the grace is over
    phone, tablet = stage.client("phone", request=b'"c1"'), stage.client("tablet")
    tablet.end()
    stage.host.pass_time(2.4)
    assert phone.types == []
    stage.host.pass_time(0.2)
    [refused] = phone.take()
    assert (refused["id"], refused["payload"]["code"]) == ("c1", "WORKSTATION_OFFLINE")
    assert tablet.types == []


def test_a_client_that_comes_back_just_before_its_workstation_is_connected_and_never_told_offline(
    stage: Stage,
) -> None:
    stage.home.expect_back(stage.host.now())  # the server has just started
    phone = stage.client()
    stage.host.pass_time(3)
    stage.workstation()
    stage.host.pass_time(10)
    assert phone.types == ["connected"]


def test_a_message_of_a_client_that_waits_is_answered_at_once(stage: Stage) -> None:
    stage.home.expect_back(stage.host.now())
    phone = stage.client()
    phone.say({"type": "sync", "id": 3})
    [error] = phone.take()
    assert (error["id"], error["payload"]["code"]) == (3, "WORKSTATION_OFFLINE")


def test_so_many_may_wait_and_no_more() -> None:
    stage = Stage(pending_limit=3)
    waiting = [stage.client(f"phone {number}") for number in range(4)]
    assert [wire.codes() for wire in waiting] == [["WORKSTATION_OFFLINE"]] * 4
    assert len(stage.doorman.turned_away) == 1
    waiting[0].end()
    stage.client("late")
    assert len(stage.doorman.turned_away) == 1, "there is room again"
    stage.workstation()
    assert [("connected" in wire.types) for wire in waiting[1:]] == [True, True, False]


def test_a_message_of_a_pending_client_is_answered(stage: Stage) -> None:
    phone = stage.client()
    phone.take()
    phone.say({"type": "sync", "id": 3})
    [error] = phone.take()
    assert (error["id"], error["payload"]["code"]) == (3, "WORKSTATION_OFFLINE")


# Leaving


def left(workstation: FakeWire) -> list[str]:
    return [
        message["payload"]["device_id"]
        for message in workstation.messages
        if message["type"] == "client.disconnected"
    ]


def test_the_workstation_hears_when_the_last_socket_of_a_device_closes(stage: Stage) -> None:
    workstation = stage.workstation()
    one, two = stage.client("phone"), stage.client("phone")
    one.end()
    assert left(workstation) == []
    two.end()
    assert workstation.messages[-1] == {
        "type": "client.disconnected",
        "payload": {"device_id": "phone", "tunnel_id": "tunnel-1"},
    }
    assert left(workstation) == ["phone"]


def test_a_device_that_is_also_a_watch_has_not_left(stage: Stage) -> None:
    workstation = stage.workstation()
    stage.watches.names = ["phone"]
    stage.client("phone").end()
    assert left(workstation) == []
    stage.watches.names = []
    stage.home.device_left("phone")
    assert left(workstation) == ["phone"]


def test_a_watch_that_is_also_a_client_has_not_left(stage: Stage) -> None:
    workstation = stage.workstation()
    stage.client("phone")
    stage.home.device_left("phone")
    assert left(workstation) == []


def test_a_watch_that_is_back_is_not_told_to_have_left(stage: Stage) -> None:
    """This holds too where its queue has still to be fetched when the workstation returns."""
    stage.workstation().end()
    stage.home.device_left("watch")
    stage.home.device_came("watch")
    assert stage.watches.devices() == []
    assert left(stage.workstation()) == []


def test_a_device_that_left_meanwhile_is_told_once_at_the_return(stage: Stage) -> None:
    workstation = stage.workstation()
    phone = stage.client("phone")
    workstation.end()
    phone.end()
    assert left(stage.workstation()) == ["phone"]
    assert left(stage.workstation()) == []


def test_never_after_the_device_is_back(stage: Stage) -> None:
    workstation = stage.workstation()
    phone, watch = stage.client("phone"), stage.client("watch")
    workstation.end()
    phone.end()
    watch.end()
    stage.client("phone")
    stage.watches.names = ["watch"]
    assert left(stage.workstation()) == []


def test_a_client_that_only_waited_has_never_been_here(stage: Stage) -> None:
    stage.client("phone").end()
    assert left(stage.workstation()) == []


def test_a_device_that_was_connected_leaves_with_its_last_socket_even_a_pending_one(stage: Stage) -> None:
    workstation = stage.workstation()
    connected = stage.client("phone")
    stage.go_offline(workstation)
    pending = stage.client("phone")
    connected.end()
    pending.end()
    assert left(stage.workstation()) == ["phone"]
    assert stage.client("phone", reconnect=True).take()[0]["payload"]["restored"] is True


# The workstation comes and goes


def test_a_workstation_back_within_the_grace_is_not_reported_offline(stage: Stage) -> None:
    workstation, phone = stage.workstation(), stage.client()
    phone.take()
    workstation.end()
    stage.host.pass_time(1.9)
    stage.workstation()
    stage.host.pass_time(10)
    assert (phone.texts, stage.host.offline) == ([], [])


def test_messages_wait_within_the_grace_and_are_then_delivered(stage: Stage) -> None:
    workstation, phone = stage.workstation(), stage.client()
    phone.take()
    workstation.end()
    for number in range(5):
        phone.say({"type": "note", "n": number})
    again = stage.workstation()
    notes = [message for message in again.messages if message["type"] == "note"]
    assert [note["n"] for note in notes] == list(range(5))
    assert again.types[0] == "workstation.registered"
    assert again.types.index("auth") < again.types.index("note"), "a restarted one must know the device first"
    assert phone.texts == []


def test_an_answer_to_a_message_that_waited_finds_its_asker(stage: Stage) -> None:
    workstation, phone, tablet = stage.workstation(), stage.client("phone"), stage.client("tablet")
    workstation.end()
    phone.say({"type": "history.request", "id": "w"})
    again = stage.workstation()
    tablet.take()
    again.say({"type": "history.response", "id": "w"})
    assert (tablet.texts, phone.types[-1]) == ([], "history.response")


def test_after_the_grace_everyone_hears_once(stage: Stage) -> None:
    workstation, phone, tablet = stage.workstation(), stage.client("phone"), stage.client("tablet")
    phone.take(), tablet.take()
    stage.go_offline(workstation)
    stage.host.pass_time(100)
    assert phone.types == tablet.types == OFFLINE
    assert phone.messages[0]["payload"] == {"tunnel_id": "tunnel-1"}
    assert phone.messages[1]["payload"] == {"online": False}
    assert stage.host.offline == ["tunnel-1"]
    stage.workstation()
    assert phone.types == tablet.types == OFFLINE + ONLINE


def test_what_waited_too_long_is_returned(stage: Stage) -> None:
    workstation, phone = stage.workstation(), stage.client()
    phone.take()
    workstation.end()
    phone.say({"type": "note", "id": "n1"})
    stage.host.pass_time(2.1)
    assert phone.types == ["error", *OFFLINE]
    assert (phone.messages[0]["id"], phone.codes()) == ("n1", ["WORKSTATION_OFFLINE"])
    assert "note" not in stage.workstation().types


def test_a_watchs_message_that_waited_too_long_is_returned_too(stage: Stage) -> None:
    stage.workstation().end()
    stage.watches.names = ["watch"]
    stage.home.to_workstation(b'{"type":"note","id":"n1"}', "watch", b'"n1"')
    stage.host.pass_time(2.1)
    [(device_id, text)] = stage.watches.to
    assert (device_id, json.loads(text)["payload"]["code"]) == ("watch", "WORKSTATION_OFFLINE")


def test_the_waiting_room_is_bounded() -> None:
    stage = Stage(offline_grace_bytes=1000)
    workstation, phone = stage.workstation(), stage.client()
    phone.take()
    workstation.end()
    for number in range(5):
        phone.say({"type": "note", "id": number, "x": "x" * 300})
    assert [error["id"] for error in phone.take()] == [2, 3, 4]
    again = stage.workstation()
    assert [message["id"] for message in again.messages if message["type"] == "note"] == [0, 1]


def test_a_re_registration_announces_the_workstation_and_the_devices(stage: Stage) -> None:
    stage.workstation()
    phone, second, tablet = stage.client("phone"), stage.client("phone"), stage.client("tablet")
    for wire in (phone, second, tablet):
        wire.take()
    again = stage.workstation()
    assert phone.types == second.types == tablet.types == ONLINE
    introduced = [m["payload"] for m in again.messages if m["type"] == "auth"]
    assert sorted(device["device_id"] for device in introduced) == ["phone", "tablet"]
    assert {device["auth_key"] for device in introduced} == {AUTH_KEY}
    assert stage.watches.registered == [AUTH_KEY] * 2


def test_the_first_registration_introduces_no_device(stage: Stage) -> None:
    phone = stage.client("phone")
    workstation = stage.workstation()
    assert workstation.types == ["workstation.registered"], "the client will authenticate itself"
    assert "connected" in phone.types


# Superseded sockets


def test_the_newest_registration_wins_and_the_old_one_is_left_open(stage: Stage) -> None:
    old, phone = stage.workstation(), stage.client()
    new = stage.workstation()
    phone.take(), old.take(), new.take()
    old.say({"type": "session.output"})
    phone.say({"type": "sync"})
    assert (old.closed, old.texts, phone.texts, new.types) == (None, [], [], ["sync"])


def test_the_old_ones_pings_are_answered_and_its_close_changes_nothing(stage: Stage) -> None:
    old, phone = stage.workstation(), stage.client()
    stage.workstation()
    phone.take()
    old.say({"type": "ping", "timestamp": 1})
    assert old.pongs == [b'{"type":"pong","timestamp":1}']
    old.end()
    stage.host.pass_time(100)
    assert (phone.texts, stage.home.workstation_online, stage.host.offline) == ([], True, [])


def test_a_superseded_session_cannot_take_the_new_one_along(stage: Stage) -> None:
    old, phone = stage.workstation(), stage.client()
    session = old.session
    stage.workstation()
    phone.take()
    session.lost()
    stage.host.pass_time(100)
    assert (phone.texts, stage.home.workstation_online) == ([], True)


# Backpressure


def test_a_workstation_that_reads_slowly_slows_those_who_send_to_it(stage: Stage) -> None:
    workstation, phone, tablet = stage.workstation(), stage.client("phone"), stage.client("tablet")
    workstation.session.high_water(True)
    phone.say({"type": "note"})
    assert (phone.paused, tablet.paused) == (Pause.PRESSURE, Pause(0)), "the tablet's pings are answered"
    assert workstation.types[-1] == "note"
    workstation.session.high_water(False)
    assert phone.paused == Pause(0)


def test_no_device_is_read_while_an_overfull_workstation_catches_up(stage: Stage) -> None:
    workstation, phone = stage.workstation(), stage.client()
    workstation.session.high_water(True)
    workstation.session.overfull(True)
    late = stage.client("late")
    assert phone.paused == late.paused == Pause.PRESSURE
    with pytest.raises(SendFailed):
        stage.home.to_workstation(b"{}", "watch", b"")
    workstation.session.overfull(False)
    workstation.session.high_water(False)
    assert phone.paused == late.paused == Pause(0)
    stage.home.to_workstation(b"{}", "watch", b"")


@pytest.mark.parametrize("how", ["lost", "superseded"])
def test_clients_are_read_again_when_the_slow_one_is_gone(stage: Stage, how: str) -> None:
    workstation, phone = stage.workstation(), stage.client()
    workstation.session.high_water(True)
    workstation.session.overfull(True)
    workstation.end() if how == "lost" else stage.workstation()
    assert phone.paused == Pause(0)
    stage.home.to_workstation(b"{}", "watch", b"")


def test_a_superseded_workstation_cannot_slow_anyone(stage: Stage) -> None:
    old, phone = stage.workstation(), stage.client()
    stage.workstation()
    old.session.high_water(True)
    old.session.overfull(True)
    phone.say({"type": "note"})
    assert phone.paused == Pause(0)


def test_a_client_whose_output_overflows_is_cut_off_alone(stage: Stage) -> None:
    stage.workstation()
    phone, tablet = stage.client("phone"), stage.client("tablet")
    phone.session.overflowed()
    assert phone.closed is not None
    assert (phone.closed[0], phone.dropped, tablet.closed) == (1013, True, None)


def test_the_workstation_waits_a_moment_for_a_crowded_client(stage: Stage) -> None:
    workstation, phone = stage.workstation(), stage.client("phone")
    phone.session.overfull(True)
    assert workstation.paused == Pause.PRESSURE
    phone.session.overfull(False)
    assert workstation.paused == Pause(0)
    phone.session.overfull(True)
    phone.end()
    assert workstation.paused == Pause(0)


def test_the_last_words_of_a_device_come_between_its_auth_and_its_end(stage: Stage) -> None:
    """The device leaves while the workstation is away; the workstation comes back as a new process."""
    workstation, phone = stage.workstation(), stage.client()
    workstation.end()
    phone.say({"type": "note"})
    phone.end()
    assert types(stage.workstation().messages)[1:] == ["auth", "note", "client.disconnected"]


def test_a_connected_tab_is_introduced_although_another_waits(stage: Stage) -> None:
    """The waiting socket will send ``auth`` itself, but the connected one may send a message before that."""
    workstation, tab = stage.workstation(), stage.client("browser")
    stage.go_offline(workstation)
    stage.client("browser")
    stage.home.device_registry.sockets("browser").reverse()
    again = stage.workstation()
    tab.say({"type": "note"})
    assert types(again.messages)[1:] == ["auth", "note"]
