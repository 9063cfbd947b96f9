"""Devices connect to a tunnel's home and leave it (protocol, sections 3.1 and 3.2)."""

from tests.relay.fakes import FakeWire
from tests.relay.stage import Stage, types

# Connecting


def test_connected_has_the_fields_that_clients_need(stage: Stage) -> None:
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


def test_a_workstation_is_expected_for_a_moment_after_a_start(stage: Stage) -> None:
    assert not stage.home.presence.expected
    stage.home.expect_back(stage.host.now())
    assert stage.home.presence.expected
    stage.host.pass_time(stage.host.limits.offline_patience + 0.1)
    assert not stage.home.presence.expected
    stage.home.expect_back(stage.host.now())
    stage.workstation()
    assert not stage.home.presence.expected, "it is here"


def test_a_client_that_comes_back_just_before_its_workstation_is_connected_and_never_receives_offline(
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


def test_the_workstation_is_notified_when_the_last_socket_of_a_device_closes(stage: Stage) -> None:
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


def test_a_watch_that_is_back_is_not_reported_as_gone(stage: Stage) -> None:
    """This holds too where its queue has still to be fetched when the workstation returns."""
    stage.workstation().end()
    stage.home.device_left("watch")
    stage.home.device_came("watch")
    assert stage.watches.devices() == []
    assert left(stage.workstation()) == []


def test_a_device_that_left_meanwhile_is_reported_once_at_the_return(stage: Stage) -> None:
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
