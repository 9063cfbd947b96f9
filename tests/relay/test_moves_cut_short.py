"""Moves that are cut short: the bus is away, a worker ends, two claim at once. Messages under way arrive."""

import asyncio
from typing import cast

import pytest
from msgspec.structs import replace

from tests.relay.fakes import FakeDesk
from tests.relay.town import Town, notes
from tiflis.handoff import messages
from tiflis.handoff.messages import HandoffRequest
from tiflis.handoff.receiver import HandoffReceiver
from tiflis.relay.edge_session import EdgeSession
from tiflis.relay.remote import envelope
from tiflis.relay.remote.envelope import ChannelPosition
from tiflis.relay.remote.snapshot import EdgeSnapshot, client_snapshot
from tiflis.relay.transfer import IgnoringHandler
from tiflis.relay.watch.calls import State
from tiflis.relay.watch.interfaces import WatchesMoved
from tiflis.web.sockets import Sockets


async def test_what_the_old_home_still_owed_arrives_although_it_ends(town: Town) -> None:
    """The bus is away while a worker ends: what it had sent to the others moves with the tunnel."""
    old, phone = await town.workstation("a"), await town.client("c")
    phone.take()
    [way] = [end for end in town.cable.ends if end.peer == "a" and end.other.peer == "c"]
    way.hold()
    old.say({"type": "note", "n": 1})
    new = await town.workstation("b")
    town.crash("a")
    await town.until(lambda: any(one.sockets() for one in town.home("b").edge_sessions))
    new.say({"type": "note", "n": 2})
    await town.settle()
    assert notes(phone) == [1, 2]
    assert "connection.workstation_offline" not in phone.types


async def test_messages_before_a_client_has_arrived_wait_for_it(town: Town) -> None:
    await town.workstation("a")
    phone = await town.client("c")
    phone.take()
    [way] = [end for end in town.cable.ends if end.peer == "a" and end.other.peer == "c"]
    way.other.hold()
    way.hold()  # the edge does not learn that the home has moved
    new = await town.workstation("b")
    town.home("b").all_arrived()  # and is not awaited any longer
    new.say({"type": "note", "n": 1})
    await town.settle()
    way.other.resume()
    way.resume()
    await town.until(lambda: notes(phone))
    await town.settle()
    assert notes(phone) == [1]
    assert "client.disconnected" not in new.types


async def test_a_broadcast_in_the_moment_of_an_arrival_comes_once(town: Town) -> None:
    """One of an edge's two clients is known at the new home, the other's place is still kept there."""
    await town.workstation("a")
    phones = [await town.client("c", name) for name in ("one", "two")]
    new = await town.workstation("b")
    for phone in phones:
        phone.take()
    home, [edge_session] = town.home("b"), town.home("b").edge_sessions
    assert isinstance(edge_session, EdgeSession)
    numbers = sorted(edge_session.clients)
    away = edge_session.clients.pop(numbers[1])
    home.transit.step_out(EdgeSnapshot("c"), {numbers[1]: away})
    edge = town.hubs["c"].router.edges["tunnel-1"]
    edge.attach(edge.clients[numbers[1]])
    new.say({"type": "note", "n": 1})
    await town.settle()
    new.say({"type": "note", "n": 2})
    await town.settle()
    assert [notes(phone) for phone in phones] == [[1, 2], [1, 2]]


async def test_a_call_on_a_way_that_is_being_left_may_be_made_by_another(town: Town) -> None:
    await town.workstation("a")
    await town.client("c")
    edge = town.hubs["c"].router.edges["tunnel-1"]
    leaving = asyncio.create_task(edge.move_away())
    await asyncio.sleep(0)
    with pytest.raises(WatchesMoved):
        await edge.call(State("watch-1"))
    [client] = edge.clients.values()
    edge.detach(client)  # it hangs up in this moment
    await town.settle()
    assert await leaving


async def test_a_home_whose_watches_were_taken_gets_them_back_with_its_next_claim(town: Town) -> None:
    """Another worker claimed the tunnel and has died; the workstation registers here once more."""
    await town.workstation("a")
    home, lost = town.home("a"), town.home("a").watches
    record = replace(home.record, home="b", generation=home.record.generation + 1, online=False)
    await town.directory.put(record)
    town.hubs["a"].router.lost_watches(home)
    assert home.watches is lost
    await town.workstation("a")
    assert town.home("a").watches is not lost


async def test_a_home_that_claims_again_after_another_reads_its_watches_anew(town: Town) -> None:
    """The other may have shown higher numbers; the old watches' messages must not be delivered any more."""
    await town.workstation("a")
    home = town.home("a")
    stale = home.watches
    assert isinstance(stale, FakeDesk)
    record = replace(home.record, home="b", generation=home.record.generation + 1)
    await town.directory.put(record)
    await town.workstation("a")
    fresh = town.home("a").watches
    assert town.home("a") is home
    assert fresh is not stale
    assert stale.closed
    home.watches_lost(stale)  # that it is fenced changes nothing
    assert home.watches is fresh
    await town.workstation("a")
    assert home.watches is fresh, "no other home had it meanwhile"


async def test_an_outdated_home_answers_no_watch(town: Town) -> None:
    await town.workstation("a")
    home = town.home("a")
    await town.directory.put(replace(home.record, home="b", generation=home.record.generation + 1))
    with pytest.raises(WatchesMoved):
        await home.call(State("watch-1"))


async def test_a_home_is_not_adopted_where_its_tunnel_is_just_being_claimed(town: Town) -> None:
    """The claim waits for the old home's state, which cannot be sent during its handoff."""
    await town.workstation("a")
    hub = town.hubs["b"]
    body = messages.encode(
        HandoffRequest(
            messages.VERSION, "home", "a", "tunnel-1", [], messages.record_of(town.home("a").record)
        )
    )
    async with hub.router.lock("tunnel-1"):
        receipt = messages.read_receipt(await HandoffReceiver(hub, cast(Sockets, None), 10).serve(body, []))
    assert (receipt.taken, receipt.again) == (False, True)


@pytest.mark.parametrize("written", [True, False])
async def test_a_home_that_is_not_taken_tells_its_watches_what_it_could_not_write(
    town: Town, written: bool
) -> None:
    await town.workstation("a")
    home = town.home("a")
    home.freeze()
    home.written_down = written
    town.hubs["a"].migration.thaw(home)
    assert isinstance(home.watches, FakeDesk)
    assert home.watches.gap is not written


async def test_an_edge_that_was_at_several_homes_gets_what_each_still_owed(town: Town) -> None:
    """The second home had received the positions at the first, but moved before it could use them."""
    await town.workstation("a")
    home, phone = town.home("a"), await town.client("c")
    number = next(iter(town.hubs["c"].router.edges["tunnel-1"].clients))
    edge_session = next(iter(home.edge_sessions))
    assert isinstance(edge_session, EdgeSession)
    first, second = ChannelPosition("c", "old", 2, 5), ChannelPosition("c", "older", 4, 7)
    there = {number: edge_session.clients.pop(number)}
    text = b"".join(envelope.numbered(envelope.SEND, number, b'{"type":"note","n":%d}'))
    clients = [client_snapshot(one, which) for which, one in there.items()]
    home.transit.step_out(EdgeSnapshot("c", [second], [(7, text % 6), (8, text % 7)], clients), there)
    home.transit.expect(EdgeSnapshot("c", [first], [(6, text % 8)], clients, [second]))
    home.reattach_edge([first])
    phone.take()
    edge = town.hubs["c"].router.edges["tunnel-1"]
    edge.attach(edge.clients[number])
    await town.settle()
    assert notes(phone) == [7, 8]


@pytest.mark.parametrize("online", [True, False], ids=["registered there", "taken for homeless"])
async def test_an_outdated_home_does_not_report_departures(town: Town, online: bool) -> None:
    """The device may be back at the new home already. Once it has claimed again, it reports the departure."""
    old, phone = await town.workstation("a"), await town.client("a")
    home = town.home("a")
    record = replace(home.record, home="b", generation=home.record.generation + 1, online=online)
    await town.directory.put(record)
    phone.end()
    assert "client.disconnected" not in old.types
    new = await town.workstation("a") if online else old
    await town.until(lambda: "client.disconnected" in new.types)
    assert new.types.count("client.disconnected") == 1


class Silence(IgnoringHandler):
    """A dead worker's end of a channel: it neither receives nor sends."""


async def test_clients_of_a_home_lost_to_a_dead_worker_find_another(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker that claimed the tunnel died before it asked for the state; its channel does not end."""
    monkeypatch.setattr("tiflis.relay.migration.STEP_DOWN_SECONDS", 0.0)
    await town.workstation("a")
    phone, home = await town.client("a"), town.home("a")
    town.crash("b")
    town.cable.acceptors["b"] = lambda channel: Silence()
    await town.directory.put(replace(home.record, home="b", generation=home.record.generation + 1))
    await town.until(
        lambda: home.retired and "a" not in town.hubs["a"].router.edges and town.hubs["a"].router.homes
    )
    assert town.home("a") is not home
    assert cast(FakeDesk, home.watches).closed, "the bytes in its queues count no longer"
    new = await town.workstation("a")
    phone.take()
    new.say({"type": "note", "n": 1})
    assert notes(phone) == [1]


async def test_a_home_that_was_taken_for_dead_delivers_what_it_sent_meanwhile(town: Town) -> None:
    """Its host was cut off for longer than a lease, and claims the tunnel back from the client's worker."""
    desk, phone = await town.workstation("a"), await town.client("c")
    phone.take()
    [way] = [end for end in town.cable.ends if end.peer == "c"]
    upkeep = town.upkeeps.pop("a")  # it learns of no change of the directory
    town.alive.discard("a")
    town.hubs["c"].router.edges["tunnel-1"].give_up()
    desk.say({"type": "note", "n": 1})
    await town.settle()
    assert town.home("c").clients()
    town.alive.add("a")
    town.upkeeps["a"] = upkeep
    way.end()
    desk.say({"type": "note", "n": 2})
    town.hubs["a"].migration.directory_changed("tunnel-1", town.home("c").record)
    await town.until(lambda: len(notes(phone)) == 2)
    desk.say({"type": "note", "n": 3})
    await town.settle()
    assert notes(phone) == [1, 2, 3]


async def test_no_edge_joins_a_home_that_is_being_handed_over(town: Town) -> None:
    """Messages of another worker's clients are not consumed; if the home stays, they are delivered."""
    old, home = await town.workstation("a"), town.home("a")
    home.freeze()
    phone = await town.client("c")
    phone.say({"type": "note", "n": 1})
    await town.settle()
    assert not home.edge_sessions
    assert notes(old) == []
    assert "connected" not in phone.types
    town.hubs["a"].migration.thaw(home)
    await town.until(lambda: "connected" in phone.types)


async def test_a_message_to_be_cancelled_is_not_refused_while_its_tunnel_moves(town: Town) -> None:
    """A sender that reads "refused" sends it in another way, and the one that waits would arrive too."""
    await town.workstation("a")
    phone = await town.client("b")
    phone.take()
    town.crash("a")
    phone.say({"type": "tunnel.unhold", "id": "m-1"})
    phone.say({"type": "tunnel.held"})
    assert phone.take() == [{"type": "tunnel.held", "messages": [], "unavailable": True}]
