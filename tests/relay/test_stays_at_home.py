"""Devices that stay, and held messages, at a home while its tunnel moves or its workstation registers."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.relay.fakes import AUTH_KEY, FakeWire
from tests.relay.stage import Stage
from tests.relay.watch_fakes import FakeClock, FakeStore
from tiflis.bus.errors import NoRoom
from tiflis.protocol.cursor import Cursor
from tiflis.protocol.hold import Request
from tiflis.protocol.messages import Connection
from tiflis.relay.held.keeper import ASKED_LIMIT, LARGEST, TUNNEL_BYTES, HeldMessages
from tiflis.relay.held.records import HeldRecord
from tiflis.relay.held.store import HeldStore, Stored, Unavailable
from tiflis.relay.remote.snapshot import EdgeSnapshot
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.session import Place
from tiflis.relay.watch.operations import WatchOperations
from tiflis.relay.watch.registry import WatchRegistry


class Homes(Stage):
    """Homes of one tunnel, one after the other, on one store of queues."""

    def __init__(self, store: FakeStore) -> None:
        super().__init__()
        self.desk = WatchOperations("tunnel-1", self.home, store, clock=self.host.now)
        self.home.watches = self.desk

    @property
    def registry(self) -> WatchRegistry:
        return self.desk.registry

    def resuming(self, cursor: Cursor, places: Sequence[Place] = ()) -> FakeWire:
        """Return the wire of a client that resumes; ``places``: where the home may have kept its place."""
        wire = FakeWire()
        connection = Connection("tunnel-1", AUTH_KEY, "phone", True, cursor)
        wire.session = ClientSession(wire, self.host.limits, connection, self.home, self.doorman)
        self.home.attach(wire.session, places=places)
        return wire


@pytest.fixture
async def store() -> AsyncIterator[FakeStore]:
    """Return a store with the queue of the device "phone", which stays."""
    store = FakeStore(FakeClock())
    first = Homes(store)
    first.registry.begin_empty()
    first.desk.stays.cursor("phone")
    assert await first.desk.release()
    yield store


async def test_a_device_that_left_while_its_tunnel_moved_stays(store: FakeStore) -> None:
    """Whether it stays is only known once the next home has restored the queues."""
    home = Homes(store)
    station = home.workstation()
    for device_id in ("phone", "another"):
        home.home.device_left(device_id)
    assert "client.disconnected" not in station.types
    await home.registry.ready()
    left = [one["payload"]["device_id"] for one in station.messages if one["type"] == "client.disconnected"]
    assert left == ["another"]
    await home.desk.close()


async def test_a_device_that_waits_while_its_workstation_registers_is_introduced(store: FakeStore) -> None:
    """Its verdict will be ``ok``, so it need not authenticate by itself."""
    home = Homes(store)
    await home.registry.ready()
    phone = home.resuming(home.desk.stays.cursor("phone"))
    station = home.workstation()
    assert phone.messages[-1]["type"] != "error"
    assert [one["payload"]["device_id"] for one in station.messages if one["type"] == "auth"] == ["phone"]
    await home.desk.close()


async def test_a_client_that_waits_for_its_queue_is_connected_though_its_worker_changes(
    store: FakeStore,
) -> None:
    home = Homes(store)
    home.workstation()
    first = home.resuming(Cursor())
    assert first.types == []  # the queues are not restored yet
    home.home.transit.step_out(EdgeSnapshot("b"), {1: cast(ClientSession, first.session)})
    second = home.resuming(Cursor(), places=[("b", 1)])
    await home.registry.ready()
    async with asyncio.timeout(10):
        while not second.types:
            await asyncio.sleep(0.01)
    assert second.types[0] == "connected"
    await home.desk.close()


class Shelf:
    """A store of held messages in memory. ``writes``: the states that were written."""

    ready = True

    def __init__(self, written: Any) -> None:
        self.written, self.writes = written, [""]

    async def load(self, tunnel_id: str) -> list[Stored]:
        return []

    async def write(self, tunnel_id: str, record: HeldRecord, revision: int) -> int:
        await asyncio.sleep(0)
        self.writes.append(record.state)
        self.written(record.state)
        return len(self.writes)


class Devices(dict[str, list[Any]]):
    """The sockets of each device."""

    def sockets(self, device_id: str) -> list[Any]:
        return self[device_id]


class Held:
    """Held messages of a tunnel whose workstation is there, on a store in memory."""

    def __init__(self, shelf: Shelf, clock: FakeClock) -> None:
        self.shelf, self.works = shelf, list[asyncio.Future[None]]()
        self.sent: list[object] = []
        self.introduced: list[tuple[str, bool]] = []
        self.told: list[bytes] = []
        self.allowed, self.audited = True, list[str]()
        self.phone = cast(
            Any, SimpleNamespace(device_id="phone", key_id="", connected=True, send=self.told.append)
        )
        self.host = host = SimpleNamespace(
            tunnel_id="t",
            frozen=False,
            retired=False,
            presence=SimpleNamespace(
                workstation=object(),
                introduce=lambda *one, again: self.introduced.append((*one, again)),
                send=lambda *one: self.sent.append(one),
            ),
            device_registry=Devices({"phone": [self.phone]}),
            access=SimpleNamespace(
                allows=lambda key_id, text: self.allowed,
                ready=True,
                outcome=lambda *about: self.audited.append(about[-1]),
            ),
            watches=SimpleNamespace(stays=SimpleNamespace(on=False)),
        )
        spawn = lambda work: self.works.append(asyncio.ensure_future(work))  # noqa: E731
        self.held = HeldMessages(cast(Any, host), cast(HeldStore, shelf), spawn, wall=clock)

    async def until(self, state: str) -> None:
        async with asyncio.timeout(10):
            while self.shelf.writes[-1] != state:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        self.held.close()
        await asyncio.gather(*self.works)


async def test_a_message_whose_time_ends_just_before_it_is_delivered_expires() -> None:
    """It neither waits for ever nor keeps the messages behind it from being delivered."""
    clock = FakeClock()
    held = Held(
        Shelf(lambda state: setattr(clock, "now", clock.now + (5 if state == "sending" else 0))), clock
    )
    held.held.ask(held.phone, Request("note", "m-1", 3.0, 0, b"{}"))
    await held.until("expired")
    await held.close()
    assert (held.shelf.writes[1:], held.sent) == (["held", "sending", "expired"], [])


async def test_a_held_message_follows_an_auth_though_its_device_has_just_connected() -> None:
    """The device has not sent its own yet, and the workstation drops what a stranger sends."""
    home = Stage()
    station, _ = home.workstation(), home.client("phone")
    assert "auth" not in station.types
    home.home.presence.introduce("phone", again=True)
    assert station.types[-1] == "auth"
    held = Held(Shelf(lambda state: None), FakeClock())
    held.held.ask(held.phone, Request("note", "m-1", 30.0, 0, b"{}"))
    await held.until("sending")
    await held.close()
    assert held.introduced == [("phone", True)]


async def test_a_message_that_the_store_may_have_is_not_refused() -> None:
    """Its sender would send it in another way, and the stored one would arrive too."""
    clock, failed = FakeClock(), list[str]()

    def away(state: str) -> None:
        if not failed:
            failed.append(state)
            raise Unavailable("stored, but its answer is lost")

    held = Held(Shelf(away), clock)
    held.held.ask(held.phone, Request("note", "m-1", 30.0, 0, b"{}"))
    held.held.ask(held.phone, Request("note", "m-1", 30.0, 0, b"{}"))
    await held.until("sending")
    await held.close()
    assert [b'"held"' in text for text in held.told[:1]] == [True]
    assert (len(held.sent), any(b"refused" in text for text in held.told)) == (1, False)


async def test_the_list_says_that_it_cannot_be_told_while_the_store_may_have_more() -> None:
    """A client takes a message that is missing in the list for lost, and sends it in another way."""
    away = [True]

    def written(state: str) -> None:
        if away:
            raise Unavailable("stored or not")

    held = Held(Shelf(written), FakeClock())
    held.host.presence.workstation = None
    held.held.ask(held.phone, Request("note", "m-1", 30.0, 0, b"{}"))
    held.held.ask(held.phone, Request("tunnel.held", ""))
    async with asyncio.timeout(10):
        while not held.told:
            await asyncio.sleep(0.01)
    assert json.loads(held.told[0]) == {"type": "tunnel.held", "messages": [], "unavailable": True}
    away.clear()
    await held.until("held")
    held.held.ask(held.phone, Request("tunnel.held", ""))
    async with asyncio.timeout(10):
        while b"messages" not in held.told[-1]:
            await asyncio.sleep(0.01)
    await held.close()
    assert "unavailable" not in json.loads(held.told[-1])


async def test_all_sockets_of_a_device_learn_what_waits_and_the_audit_how_it_ends() -> None:
    held, other = Held(Shelf(lambda state: None), FakeClock()), list[bytes]()
    tab = SimpleNamespace(device_id="phone", key_id="", connected=True, send=other.append)
    held.host.device_registry["phone"].append(tab)
    held.host.presence.workstation = None
    held.held.ask(held.phone, Request("note", "m-1", 30.0, 0, b"{}"))
    await held.until("held")
    held.held.ask(held.phone, Request("tunnel.unhold", "m-1"))
    await held.until("cancelled")
    await held.close()
    assert [json.loads(text)["state"] for text in other] == ["held", "cancelled"]
    assert held.audited == ["cancelled"]


async def test_what_is_to_be_held_while_its_tunnel_moves_is_left_to_the_next_home() -> None:
    """The next home has read the store already: it would neither list nor deliver the message."""
    held = Held(Shelf(lambda state: None), FakeClock())
    held.host.presence.workstation = None
    held.held.ask(held.phone, Request("note", "m-1", 30.0, 0, b"{}"))
    await asyncio.sleep(0)  # it has begun
    await held.held.rest()
    assert held.shelf.writes[1:] == ["held"]
    held.held.ask(held.phone, Request("note", "m-2", 30.0, 0, b"{}"))
    await held.close()
    assert held.shelf.writes[1:] == ["held"]


async def test_held_messages_of_a_revoked_device_are_cancelled_at_once() -> None:
    """They do not wait for the workstation, and do not fill the tunnel's bound until then."""
    held = Held(Shelf(lambda state: None), FakeClock())
    held.host.presence.workstation = None
    held.held.ask(held.phone, Request("note", "m-1", 30.0, 0, b"{}"))
    await held.until("held")
    held.allowed = False
    held.held.check_keys()
    await held.until("cancelled")
    await held.close()
    assert (held.held.waiting, held.sent) == (0, [])


async def test_requests_that_wait_for_a_slow_store_are_bounded() -> None:
    held = Held(Shelf(lambda state: None), FakeClock())
    held.host.presence.workstation = None
    for number in range(ASKED_LIMIT + 5):
        held.held.ask(held.phone, Request("note", f"m-{number}", 30.0, 0, b"{}"))
    held.held.ask(held.phone, Request("note", "large", 30.0, 0, b"x" * (LARGEST + 1)))
    assert [b'"unavailable"' in text for text in held.told] == [True] * 6
    await held.close()


async def test_one_tunnels_messages_leave_room_for_those_of_others() -> None:
    held = Held(Shelf(lambda state: None), FakeClock())
    held.host.presence.workstation = None
    for number in range(TUNNEL_BYTES // LARGEST + 1):
        held.held.ask(held.phone, Request("note", f"m-{number}", 30.0, 0, b"x" * LARGEST))
    async with asyncio.timeout(10):
        while sum(b'"held"' in text for text in held.told) < TUNNEL_BYTES // LARGEST:
            await asyncio.sleep(0.01)
    await held.close()
    assert sum(b'"full"' in text for text in held.told) == 1
    assert held.held.size == TUNNEL_BYTES


async def test_a_message_is_cancelled_though_the_store_did_not_answer_yet() -> None:
    """It was answered "unknown", and delivered later. No request for a message that waits is "refused"."""
    away = [True]

    def written(state: str) -> None:
        if away.pop() if away else False:
            raise Unavailable("stored or not")

    held = Held(Shelf(written), FakeClock())
    held.host.presence.workstation = None
    held.held.ask(held.phone, Request("note", "m-1", 30.0, 0, b"{}"))
    held.held.ask(held.phone, Request("tunnel.unhold", "m-1"))
    await held.until("cancelled")
    held.held.ask(held.phone, Request("note", "m-2", 30.0, 0, b"{}"))
    await held.until("held")
    away.append(True)
    held.held.ask(held.phone, Request("tunnel.unhold", "m-2"))
    async with asyncio.timeout(10):
        while b"m-2" not in held.told[-1] or away:
            await asyncio.sleep(0.01)
    await held.close()
    assert not any(b"unknown" in text or b"refused" in text for text in held.told), held.told


async def test_a_message_for_which_the_store_has_no_room_is_refused_at_once() -> None:
    """Its sender would wait for a receipt until it expires."""

    def full(state: str) -> None:
        raise NoRoom("maximum bytes exceeded")

    held = Held(Shelf(full), FakeClock())
    held.held.ask(held.phone, Request("note", "m-1", 30.0, 0, b"{}"))
    async with asyncio.timeout(10):
        while not held.told:
            await asyncio.sleep(0.01)
    await held.close()
    assert b'"full"' in held.told[0]


async def test_the_queue_of_a_device_whose_key_was_revoked_meanwhile_is_not_restored(
    store: FakeStore,
) -> None:
    """The next home introduces no such device to the workstation."""
    first = Homes(store)
    await first.registry.ready()
    first.desk.stays.resume("phone", Cursor(), key_id="KEY")
    assert await first.desk.release()
    home = Homes(store)
    home.host.keys = cast(Any, SimpleNamespace(loaded=True, get=lambda tunnel_id, key_id: None))
    station = home.workstation()
    await home.registry.ready()
    assert not home.desk.stays.holds("phone")
    assert "auth" not in station.types
    await home.desk.close()
