"""A tunnel's workstation comes, goes, is superseded, and reads slowly, as its home sees it."""

import json

import pytest

from tests.relay.fakes import AUTH_KEY, FakeWire
from tests.relay.stage import OFFLINE, ONLINE, Stage
from tiflis.protocol.errors import SendFailed
from tiflis.relay.sessions.session import Pause
from tiflis.relay.workstation import WorkstationSession
from tiflis.relay.workstation_presence import DEPARTED_LIMIT

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


def test_after_the_grace_each_client_receives_offline_once(stage: Stage) -> None:
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


def test_a_home_with_held_messages_is_not_given_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stage.home.idle
    monkeypatch.setattr(type(stage.home.held), "waiting", 1)
    assert not stage.home.idle


def test_a_workstation_that_comes_with_a_handoff_is_watched_for_events_at_once(stage: Stage) -> None:
    begun: list[str] = []
    stage.home.push.begin = lambda: begun.append("push")  # type: ignore[method-assign]
    wire = FakeWire()
    wire.session = WorkstationSession(wire, stage.host.limits, stage.home, AUTH_KEY, stage.superseded_sockets)
    stage.home.resume(wire.session)
    assert begun == ["push"]


def test_departures_while_the_workstation_is_away_are_recorded_up_to_a_bound(stage: Stage) -> None:
    """Watches connect and leave without a workstation, under any number of names."""
    for number in range(DEPARTED_LIMIT + 10):
        stage.home.device_left(f"w{number}")
    assert len(stage.home.presence.departed) == DEPARTED_LIMIT
