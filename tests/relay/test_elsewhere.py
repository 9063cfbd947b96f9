"""Clients whose tunnel's home is in another worker: they must not notice."""

import asyncio

import pytest

from tests.relay.fakes import FakeDesk, FakeWire
from tests.relay.stage import OFFLINE
from tests.relay.town import Town
from tiflis.protocol.errors import SendFailed, TunnelError, WorkstationOffline
from tiflis.relay.remote.edge import FULL
from tiflis.relay.sessions.pending import PendingSession
from tiflis.relay.sessions.session import Pause
from tiflis.relay.watch.calls import Command, State


async def pair(town: Town) -> tuple[FakeWire, FakeWire]:
    """Return a workstation at a, a client at b."""
    workstation, phone = await town.workstation("a"), await town.client("b")
    workstation.take()
    phone.take()
    return workstation, phone


async def test_connect_and_talk(town: Town) -> None:
    workstation = await town.workstation("a")
    phone = await town.client("b")
    assert phone.types == ["connected"]
    phone.say(b'{"type":"sync","n":1.000}')
    await town.settle()
    assert workstation.texts[-1] == b'{"type":"sync","n":1.000,"device_id":"phone"}'
    workstation.say(b'{"type":"session.output", "n":1.000}')
    await town.settle()
    assert phone.texts[-1] == b'{"type":"session.output", "n":1.000}'


async def test_answers_go_to_the_asker_wherever_it_is(town: Town) -> None:
    workstation, phone = await pair(town)
    near, far = await town.client("a", "near"), await town.client("c", "far")
    phone.say({"type": "history.request", "id": "1"})
    await town.settle()
    near.take(), far.take()
    workstation.say({"type": "history.response", "id": "1"})
    workstation.say({"type": "forward.to_device", "device_id": "far", "payload": '{"type":"x"}'})
    await town.settle()
    assert (phone.types, near.types, far.types) == (["history.response"], [], ["x"])


async def test_a_device_with_sockets_at_two_workers(town: Town) -> None:
    workstation, phone = await pair(town)
    second = await town.client("c", "phone")
    second.take()
    workstation.say({"type": "forward.to_device", "device_id": "phone", "payload": '{"type":"x"}'})
    await town.settle()
    assert phone.types == second.types == ["x"]
    phone.end()
    await town.settle()
    assert "client.disconnected" not in workstation.types
    second.end()
    await town.settle()
    assert workstation.types == ["client.disconnected"]


async def test_late_connected_from_afar() -> None:
    town = Town("a", "b", offline_patience=0.01)
    (await town.workstation("a")).end()
    await asyncio.sleep(0)
    town.home("a").presence.grace_over()
    phone = await town.client("b")
    await town.until(phone.codes)
    assert phone.codes() == ["WORKSTATION_OFFLINE"]
    assert phone.messages[0]["id"] == "c"
    await town.workstation("a")
    assert phone.types == ["error", "connected"]


async def test_one_too_many_waits_from_afar() -> None:
    town = Town("a", "b", pending_limit=1)
    (await town.workstation("a")).end()
    town.home("a").presence.grace_over()
    phones = [await town.client("b", f"phone {number}") for number in range(2)]
    assert [phone.wide for phone in phones] == [True, False], "the second has no role again"
    await town.workstation("a")
    assert [phone.types[-1] for phone in phones] == ["connected", "error"]
    await town.close()


async def test_offline_reaches_clients_at_other_workers(town: Town) -> None:
    workstation, phone = await pair(town)
    workstation.end()
    town.home("a").presence.grace_over()
    await town.settle()
    assert phone.types == OFFLINE
    phone.say({"type": "sync", "id": 5})
    await town.settle()
    assert (phone.messages[-1]["id"], phone.codes()) == (5, ["WORKSTATION_OFFLINE"])


async def test_a_slow_workstation_slows_clients_afar(town: Town) -> None:
    workstation, _ = await pair(town)
    workstation.session.high_water(True)
    [channel] = [end for end in town.cable.ends if end.held]
    assert channel.peer == "b"
    workstation.session.high_water(False)
    assert not any(end.held for end in town.cable.ends)


async def test_a_slow_home_pauses_the_sender(town: Town) -> None:
    """Only the sender is paused: the pings of the others are still answered."""
    _, phone = await pair(town)
    quiet = await town.client("b", "quiet")
    [edge_end] = [end for end in town.cable.ends if end.peer == "a"]
    edge_end.fill(True)
    late = await town.client("b", "late")
    phone.say({"type": "note"})
    quiet.say({"type": "ping", "timestamp": 1})
    assert [wire.paused for wire in (phone, quiet, late)] == [Pause.PRESSURE, Pause(0), Pause(0)]
    assert len(quiet.pongs) == 1
    edge_end.fill(False)
    assert phone.paused == Pause(0)


async def test_a_way_that_takes_no_more_stops_everyone(town: Town) -> None:
    _, phone = await pair(town)
    quiet = await town.client("b", "quiet")
    [edge_end] = [end for end in town.cable.ends if end.peer == "a"]
    edge_end.fill(True)
    edge_end.buffered = FULL + 1
    phone.say({"type": "note"})
    late = await town.client("b", "late")
    assert [wire.paused for wire in (phone, quiet, late)] == [Pause.PRESSURE] * 3
    edge_end.fill(False)
    assert [wire.paused for wire in (phone, quiet, late)] == [Pause(0)] * 3


async def test_a_slow_edge_pauses_the_workstation(town: Town) -> None:
    workstation, _ = await pair(town)
    await town.client("c", "other")
    ends = [end for end in town.cable.ends if end.peer in ("b", "c")]
    for end in ends:
        end.fill(True)
    assert workstation.paused == Pause.PRESSURE
    ends[0].fill(False)
    assert workstation.paused == Pause.PRESSURE, "the other is still full"
    ends[1].fill(False)
    assert workstation.paused == Pause(0)


async def test_a_slow_edge_that_breaks_pauses_no_peer(town: Town) -> None:
    workstation, _ = await pair(town)
    [end] = [end for end in town.cable.ends if end.peer == "b"]
    end.fill(True)
    town.crash("b")
    await town.settle()
    assert workstation.paused == Pause(0)


async def test_a_slow_client_holds_the_channel_from_the_home(town: Town) -> None:
    _, phone = await pair(town)
    [edge_end] = [end for end in town.cable.ends if end.peer == "a"]
    phone.session.overfull(True)
    assert edge_end.held
    phone.session.overfull(False)
    assert not edge_end.held
    phone.session.overfull(True)
    phone.end()
    assert not edge_end.held


async def test_an_edges_crash_takes_its_devices_along(town: Town) -> None:
    workstation, _ = await pair(town)
    town.crash("b")
    await town.settle()
    assert workstation.types == ["client.disconnected"]


async def test_a_homes_crash_is_announced_at_once_and_the_next_home_is_found(town: Town) -> None:
    _, phone = await pair(town)
    town.crash("a")
    await town.settle()
    assert phone.types == OFFLINE
    await town.workstation("c")
    await town.until(lambda: "connection.workstation_online" in phone.types)
    phone.say({"type": "sync"})
    await town.settle()
    assert phone.codes() == []
    assert phone.types.count("connection.workstation_offline") == 1


async def test_what_the_dead_home_had_not_consumed_comes_back(town: Town) -> None:
    _, phone = await pair(town)
    phone.say({"type": "sync", "id": 5})
    town.crash("a")
    await town.settle()
    assert (phone.messages[-1].get("id"), phone.codes()) == (5, ["WORKSTATION_OFFLINE"])


async def test_clients_of_a_torn_way_lose_nothing_and_notice_nothing(town: Town) -> None:
    """Both workers live, but their channel has ended: what was under way is sent again, once."""
    workstation, phone = await pair(town)
    phone.say({"type": "note", "n": 1})
    [edge_end] = [end for end in town.cable.ends if end.peer == "a"]
    workstation.say({"type": "note", "n": 11})
    edge_end.end()
    phone.say({"type": "note", "n": 2})
    edge_end.other.end()
    workstation.say({"type": "note", "n": 12})
    await town.until(lambda: len(workstation.types) >= 2)
    phone.say({"type": "note", "n": 3})
    await town.settle()
    assert [message.get("n") for message in workstation.messages] == [1, 2, 3]
    assert [message.get("n") for message in phone.messages] == [11, 12]


async def test_without_a_directory_the_clients_of_a_broken_channel_receive_offline(town: Town) -> None:
    town.limits = town.limits.model_copy(update={"offline_grace": 0.05})
    for hub in town.hubs.values():
        hub.router.limits = town.limits
    _, phone = await pair(town)
    town.directory.away = True
    town.directory.followed.clear()
    town.crash("a")
    phone.take()
    phone.say({"type": "sync", "id": 1})
    await town.until(phone.codes)
    assert (phone.messages[-1]["id"], phone.paused) == (1, Pause(0))


async def test_a_tunnel_without_a_home_is_claimed(town: Town) -> None:
    (await town.workstation("a")).end()
    town.crash("a")
    phone = await town.client("b")
    assert phone.types == [], "its workstation may be back in a moment"
    assert town.home("b").record.home == "b"
    again = await town.workstation("c")
    await town.until(lambda: "connected" in phone.types)
    phone.say({"type": "sync"})
    await town.settle()
    assert again.types[-1] == "sync"


async def test_a_worker_that_is_no_home_swallows_nothing(town: Town) -> None:
    """The directory names a as the home, but a has no home of the tunnel."""
    workstation, phone = await pair(town)
    home = town.hubs["a"].router.homes.pop("tunnel-1")
    [edge_end] = [end for end in town.cable.ends if end.peer == "a"]
    edge_end.end()
    phone.say({"type": "note", "n": 1})
    edge_end.other.end()
    await town.settle()
    await asyncio.sleep(0.2)
    assert "note" not in workstation.types
    town.hubs["a"].router.homes["tunnel-1"] = home
    await town.until(lambda: "note" in workstation.types)
    await town.settle()
    assert [message["n"] for message in workstation.messages if message["type"] == "note"] == [1]
    assert phone.codes() == []


async def test_a_worker_that_is_a_home_in_a_moment(town: Town) -> None:
    """Another worker receives its claim from the directory before it does itself."""
    await town.workstation("a")
    home = town.hubs["a"].router.homes.pop("tunnel-1")
    phone = await town.client("b")
    town.hubs["a"].router.homes["tunnel-1"] = home
    await town.until(lambda: phone.types == ["connected"])
    assert len([end for end in town.cable.ends if end.peer == "a"]) == 1, "at the first attempt"


async def test_a_turned_away_client_is_no_workstation(town: Town) -> None:
    (await town.workstation("a")).end()
    town.home("a").presence.grace_over()
    phone = await town.client("b")
    phone.say({"type": "connect", "payload": {"tunnel_id": "none", "auth_key": "x" * 16, "device_id": "d"}})
    await town.settle()
    assert phone.codes()[-1] == "TUNNEL_NOT_FOUND"
    phone.take()
    await town.workstation_at(phone, "tunnel-2")
    assert phone.codes() == ["INVALID_PAYLOAD"]


# Watch calls


def watches(town: Town, worker: str) -> FakeDesk:
    found = town.home(worker).watches
    assert isinstance(found, FakeDesk)
    return found


async def test_a_watchs_call_is_made_at_the_home(town: Town) -> None:
    await town.workstation("a")
    watches(town, "a").answer = {"messages_json": "[1]", "n": 1, "more": True}
    asking = asyncio.create_task(town.hubs["b"].call("tunnel-1", Command("watch-1", text=b"body")))
    await town.settle()
    assert await asking == {"messages_json": "[1]", "n": 1, "more": True}
    assert watches(town, "a").calls == [Command("watch-1", text=b"body")]


async def test_a_refusal_comes_back_as_it_was_raised(town: Town) -> None:
    await town.workstation("a")
    watches(town, "a").answer = WorkstationOffline()
    asking = asyncio.create_task(town.hubs["b"].call("tunnel-1", Command("watch-1")))
    await town.settle()
    with pytest.raises(WorkstationOffline):
        await asking


async def test_a_bug_at_the_home_is_an_internal_error(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    await town.workstation("a")
    watches(town, "a").answer = KeyError("a bug")
    asking = asyncio.create_task(town.hubs["b"].call("tunnel-1", State("watch-1")))
    await town.settle()
    with pytest.raises(TunnelError) as refused:
        await asking
    assert refused.value.http_status == 500
    assert caplog.records[-1].exc_info


async def test_a_call_under_way_when_the_home_dies_fails(town: Town) -> None:
    await town.workstation("a")
    asking = asyncio.create_task(town.hubs["b"].call("tunnel-1", State("watch-1")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for end in town.cable.ends:
        end.outgoing.clear()  # the home has consumed the call
    town.crash("a")
    with pytest.raises(SendFailed):
        await asking


async def test_the_key_of_a_steered_client_is_not_compared_again_but_the_next_one_is(town: Town) -> None:
    """The worker that the socket comes from has checked the key."""
    await town.workstation("a")
    steered = [town.socket("a"), town.socket("a")]
    for wire in steered:
        assert isinstance(wire.session, PendingSession)
        wire.session.vouched = True
    looks = town.hubs["a"].gate._limiter.judge
    town.hubs["a"].gate._limiter.judge = None  # type: ignore[assignment, method-assign]  # it must not be called
    steered[0].say(town.connecting())
    steered[1].say(town.connecting(tunnel_id="unknown"))
    await town.settle()
    assert (steered[0].types[0], steered[1].codes()) == ("connected", ["TUNNEL_NOT_FOUND"])
    town.hubs["a"].gate._limiter.judge = looks  # type: ignore[method-assign]  # as it was
    steered[1].say(town.connecting(auth_key="wrong, but long enough"))
    await town.settle()
    assert steered[1].codes()[-1] == "INVALID_AUTH_KEY"
