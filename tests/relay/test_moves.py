"""A tunnel whose workstation reconnects at another worker: nothing is lost, doubled or announced."""

import asyncio
from typing import cast

from tests.patience import patience
from tests.relay.fakes import FakeDesk
from tests.relay.stage import ONLINE
from tests.relay.town import Town, notes
from tiflis.relay.sessions.session import Pause


async def test_clients_everywhere_keep_going(town: Town) -> None:
    old = await town.workstation("a")
    phones = [await town.client(worker, worker) for worker in ("a", "b", "c")]
    for phone in phones:
        phone.take()
    new = await town.workstation("b")
    await town.settle()
    assert (set(town.hubs["a"].router.homes), set(town.hubs["b"].router.homes)) == (set(), {"tunnel-1"})
    for number, phone in enumerate(phones):
        phone.say({"type": "note", "n": number})
    new.say({"type": "session.output"})
    await town.settle()
    assert sorted(notes(new)) == [0, 1, 2]
    assert [phone.types for phone in phones] == [[*ONLINE, "session.output"]] * 3
    assert old.closed is None


async def test_the_orphan_is_ignored(town: Town) -> None:
    old, phone = await town.workstation("a"), await town.client("c")
    new = await town.workstation("b")
    phone.take()
    old.take()
    old.say({"type": "session.output"})
    old.say({"type": "ping", "timestamp": 1})
    phone.say({"type": "note", "n": 1})
    await town.settle()
    assert (phone.texts, old.texts, len(old.pongs)) == ([], [], 1)
    old.end()
    await town.settle()
    assert (phone.texts, notes(new)) == ([], [1])


async def test_what_was_under_way_arrives_once_and_in_order(town: Town) -> None:
    old = await town.workstation("a")
    near, far = await town.client("a", "near"), await town.client("c", "far")
    for number in range(5):
        near.say({"type": "note", "n": number})
        far.say({"type": "note", "n": 100 + number})
    new = await town.workstation("b")
    for number in range(5, 10):
        near.say({"type": "note", "n": number})
        far.say({"type": "note", "n": 100 + number})
    await town.settle()
    for first in (0, 100):
        heard = [n for n in notes(old) + notes(new) if first <= n < first + 100]
        assert heard == list(range(first, first + 10))


async def test_within_the_grace_the_move_is_not_announced(town: Town) -> None:
    old = await town.workstation("a")
    phones = [await town.client(worker, worker) for worker in ("a", "b", "c")]
    for phone in phones:
        phone.take()
    old.end()
    for number, phone in enumerate(phones):
        phone.say({"type": "note", "n": number})
    await town.settle()
    new = await town.workstation("b")
    await town.settle()
    assert sorted(notes(new)) == [0, 1, 2]
    assert [phone.texts for phone in phones] == [[], [], []]
    introduced = [m["payload"]["device_id"] for m in new.messages if m["type"] == "auth"]
    assert sorted(introduced) == ["a", "b", "c"]
    assert new.types.index("auth") < new.types.index("note")


async def test_a_client_that_is_faster_than_the_old_homes_state(town: Town) -> None:
    """The edge learns of the end, and is at the new home, before the new home has received the state."""
    old, phone = await town.workstation("a"), await town.client("c")
    old.end()
    phone.take()
    joining = asyncio.create_task(town.workstation("b"))
    held = None
    async with patience():
        while not joining.done():
            for end in town.cable.ends:
                if end.peer == "a" and end.other.peer == "b" and held is None:
                    held = end  # b's end of the channel to the old home is not consumed
                    end.hold()
            await asyncio.sleep(0)
            if held is not None and any(e.peer == "b" and e.other.peer == "c" for e in town.cable.ends):
                break
        phone.say({"type": "note", "n": 1})
        await town.settle()
        assert held is not None
        held.resume()
        new = await joining
    await town.settle()
    assert phone.texts == [], "neither an error nor a false alarm"
    assert notes(new) == [1]


async def test_the_workstation_is_not_read_until_its_clients_are_here(town: Town) -> None:
    await town.workstation("a")
    phone = await town.client("c")
    phone.take()
    [way] = [end for end in town.cable.ends if end.peer == "c"]
    way.other.hold()  # the edge learns late that the home has moved
    way.hold()
    new = await town.workstation("b")
    assert new.paused == Pause.GATHERING or phone.types == ONLINE
    way.other.resume()
    way.resume()
    await town.until(lambda: new.paused == Pause(0))
    new.say({"type": "session.output"})
    await town.settle()
    assert phone.types == [*ONLINE, "session.output"]


async def test_a_dead_old_home_delays_no_peer_for_long(town: Town) -> None:
    await town.workstation("a")
    town.crash("a")
    new = await town.workstation("b")
    await town.until(lambda: "workstation.registered" in new.types)
    assert new.paused == Pause(0)


async def test_an_old_home_that_does_not_answer_is_waited_for_a_moment(town: Town) -> None:
    await town.workstation("a")
    wire = town.socket("b")
    town.cable.acceptors["a"] = lambda channel: _Deaf()
    town.hubs["a"].router.homes.clear()
    new = asyncio.create_task(town.workstation("b"))
    wire = await new
    await town.until(lambda: "workstation.registered" in wire.types, 3.0)


class _Deaf:
    def received(self, channel: object, message: bytes) -> None: ...
    def writable_changed(self, channel: object, writable: bool) -> None: ...
    def closed(self, channel: object, undelivered: list[bytes]) -> None: ...


async def test_back_and_forth(town: Town) -> None:
    await town.workstation("a")
    phones = [await town.client(worker, worker) for worker in ("a", "b", "c")]
    heard: list[int] = []
    for move in range(6):
        station = await town.workstation("bca"[move % 3])
        for number, phone in enumerate(phones):
            phone.say({"type": "note", "n": move * 10 + number})
        await town.settle()
        heard += notes(station)
    assert sorted(heard) == [move * 10 + number for move in range(6) for number in range(3)]
    assert sum(len(hub.router.homes) for hub in town.hubs.values()) == 1
    assert all(phone.codes() == [] for phone in phones)


async def test_a_device_that_leaves_during_the_move_is_reported_by_the_new_home(town: Town) -> None:
    old, phone = await town.workstation("a"), await town.client("c")
    old.end()
    phone.end()
    await town.settle()
    new = await town.workstation("b")
    await town.settle()
    assert [m["payload"]["device_id"] for m in new.messages if m["type"] == "client.disconnected"] == [
        "phone"
    ]


async def test_questions_are_remembered_at_the_new_home(town: Town) -> None:
    await town.workstation("a")
    phone, tablet = await town.client("a", "phone"), await town.client("c", "tablet")
    phone.say({"type": "history.request", "id": "q"})
    new = await town.workstation("b")
    await town.settle()
    phone.take(), tablet.take()
    new.say({"type": "history.response", "id": "q"})
    await town.settle()
    assert (phone.types, tablet.types) == (["history.response"], [])


async def test_restored_is_remembered_at_the_new_home(town: Town) -> None:
    await town.workstation("a")
    phone = await town.client("a", "phone")
    phone.end()
    await town.workstation("b")
    again = await town.client("c", "phone", reconnect=True)
    assert again.messages[0]["payload"].get("restored") is True


async def test_pending_clients_are_accepted_at_the_new_home(town: Town) -> None:
    (await town.workstation("a")).end()
    town.home("a").presence.grace_over()
    phones = [await town.client(worker, worker) for worker in ("a", "b", "c")]
    await town.workstation("b")
    await town.settle()
    assert [phone.types[-1] for phone in phones] == ["connected"] * 3
    assert [phone.types.count("connected") for phone in phones] == [1, 1, 1]


async def test_a_device_that_is_lost_in_transit_is_reported_by_the_new_home(town: Town) -> None:
    await town.workstation("a")
    phone = await town.client("c")
    [way] = [end for end in town.cable.ends if end.peer == "c"]
    way.other.hold()  # the edge learns late that the home has moved
    joining = asyncio.create_task(town.workstation("b"))
    await town.until(lambda: town.hubs["b"].router.homes and "tunnel-1" not in town.hubs["a"].router.homes)
    phone.end()
    way.other.resume()
    new = await joining
    await town.until(lambda: "client.disconnected" in new.types)
    await town.settle()
    assert new.types.count("client.disconnected") == 1


async def test_a_device_that_leaves_in_the_very_moment_of_the_move_is_reported_once(town: Town) -> None:
    town.hubs["a"].router.now = lambda: 1000.0  # a loop's clock may stand still during a turn
    old = await town.workstation("a")
    (await town.client("a")).end()
    new = await town.workstation("b")
    await town.until(lambda: "client.disconnected" in old.types)
    town.home("b").all_arrived()
    assert [wire.types.count("client.disconnected") for wire in (old, new)] == [1, 0]


async def test_a_socket_that_has_closed_meanwhile_supersedes_no_other(town: Town) -> None:
    """The workstation's next socket, at another worker, was faster."""
    await town.workstation("a")
    slow = town.socket("b")
    async with town.hubs["b"].router.lock("tunnel-1"):
        joining = asyncio.create_task(town.workstation_at(slow))
        await asyncio.sleep(0)
        slow.end()
        new = await town.workstation("a")
    await joining
    await town.settle()
    phone = await town.client("c")
    phone.say({"type": "note", "n": 1})
    await town.settle()
    assert notes(new) == [1]


async def test_only_the_watches_of_a_new_id_begin_without_a_read_of_their_store(town: Town) -> None:
    workstation = town.socket("a")
    workstation.say(
        {**town.registration(), "payload": {**town.registration()["payload"], "reconnect": False}}
    )
    await town.until(lambda: "workstation.registered" in workstation.types)
    await town.workstation("a")  # asks for an id that the directory does not hold: it may have held it
    homes = town.hubs["a"].router.homes
    began = {tunnel_id: cast(FakeDesk, home.watches).began_empty for tunnel_id, home in homes.items()}
    assert began == {workstation.messages[0]["payload"]["tunnel_id"]: True, "tunnel-1": False}


async def test_a_registration_that_a_later_one_has_overtaken_takes_nothing(town: Town) -> None:
    """Its claim had to wait; the workstation uses its newest socket and is answered there."""
    await town.workstation("a")
    slow = town.socket("a")
    async with town.hubs["a"].router.lock("tunnel-1"):
        slow.say(town.registration())
        await town.settle()
        newest = town.socket("b")
        newest.say(town.registration())
        await town.settle()
    await town.until(lambda: "workstation.registered" in slow.types and "b" in town.homes_with_workstation())
    phone = await town.client("c")
    newest.say({"type": "note", "n": 1})
    slow.say({"type": "note", "n": 2})
    await town.until(lambda: notes(phone))
    assert notes(phone) == [1]
    assert slow.closed is None
    assert town.homes_with_workstation() == ["b"]
