"""Silent peers are closed after their timeouts; all times are shortened."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.harness import AUTH_KEY, REGISTRATION_KEY, Crowd, Server, crowd, eventually
from tests.patience import PATIENCE, patience
from tests.system.places import Places
from tests.web.raw_peer import PING, PONG, TEXT, RawPeer

TIMEOUT = 1.2
ROLE_DEADLINE = 1.0
SHORT = {
    "STEERING": "false",
    "LIVENESS_TIMEOUT": str(TIMEOUT),
    "LIVENESS_INTERVAL": "0.2",
    "ROLE_DEADLINE": str(ROLE_DEADLINE),
    "PROBE_INTERVAL": "0.6",
    "PROBE_TIMEOUT": "0.6",
    "CLOSE_TIMEOUT": "0.5",
    "OFFLINE_GRACE": "0.5",
    "OFFLINE_PATIENCE": "0.5",
}
LATE = 3.0  # seconds by which a busy machine may be late


@pytest.fixture(scope="module")
def brisk() -> Iterator[Server]:
    with Server(workers=2, env=SHORT) as running:
        yield running


@pytest.fixture
async def people(brisk: Server) -> AsyncIterator[Crowd]:
    async with crowd(brisk) as peers:
        yield peers


@pytest.fixture
def places(chosen_places: Places) -> Places:
    return chosen_places


class Pinging:
    """Sends a ping every fifth of the timeout, as a live peer does."""

    def __init__(self, *peers: Any) -> None:
        self._peers = peers

    async def __aenter__(self) -> None:
        self._tasks = [asyncio.create_task(self._ping(peer)) for peer in self._peers]

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ping(self, peer: Any) -> None:
        while True:
            await peer.send({"type": "ping", "timestamp": 1})
            await asyncio.sleep(TIMEOUT / 5)


def text(kind: str, **payload: Any) -> bytes:
    return json.dumps({"type": kind, "payload": payload}).encode()


def registration(**more: Any) -> bytes:
    return text("workstation.register", api_key=REGISTRATION_KEY, name="d", auth_key=AUTH_KEY, **more)


async def raw_workstation(server: Server, tunnel_id: str = "") -> tuple[RawPeer, str]:
    """Connect a workstation that answers nothing."""
    peer = await RawPeer.open(server.port)
    peer.send(registration(**({"reconnect": True, "previous_tunnel_id": tunnel_id} if tunnel_id else {})))
    opcode, answer = await peer.next()
    assert opcode == TEXT, answer
    return peer, str(json.loads(answer)["payload"]["tunnel_id"])


async def test_a_silent_workstation_is_dead_and_its_clients_hear_of_it(places: Places) -> None:
    workstation, client, _ = await places.pair()
    async with Pinging(client):
        began = time.monotonic()
        assert await workstation.until_closed(TIMEOUT + LATE) == (1000, "Connection timed out")
        assert time.monotonic() - began > TIMEOUT * 0.5
        await client.next("connection.workstation_offline")


async def test_a_silent_client_is_dead_and_its_workstation_hears_of_it(places: Places) -> None:
    workstation, client, _ = await places.pair()
    async with Pinging(workstation):
        assert await client.until_closed(TIMEOUT + LATE) == (1000, "Connection timed out")
        assert (await workstation.next("client.disconnected"))["payload"]["device_id"] == "phone"


async def test_pings_keep_alive(places: Places) -> None:
    workstation, client, _ = await places.pair()
    async with Pinging(workstation, client):
        await asyncio.sleep(TIMEOUT * 2)
    assert (workstation.closed, client.closed) == (None, None)


async def test_anything_at_all_keeps_alive(people: Crowd) -> None:
    """Protocol pings, unsolicited pongs, refused messages: all are signs of life."""
    workstation, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    async with Pinging(workstation):
        for _ in range(8):
            await client.socket.pong(b"")
            await asyncio.sleep(TIMEOUT / 4)
            await client.send("nonsense")
    assert client.closed is None


async def test_a_dead_workstations_messages_come_back_while_it_is_being_closed(people: Crowd) -> None:
    """It does not answer the close frame either, and its clients must not notice."""
    workstation, tunnel_id = await raw_workstation(people.server)
    client = await people.client(tunnel_id)
    async with Pinging(client):
        assert await workstation.close_code(TIMEOUT + LATE) == 1000
        await client.send({"type": "note", "id": "n"})
        error = await client.next("error")
        assert (error["id"], error["payload"]["code"]) == ("n", "WORKSTATION_OFFLINE")
    workstation.reset()


@pytest.mark.parametrize("pings", [False, True])
async def test_a_role_is_taken_in_time_or_never(people: Crowd, pings: bool) -> None:
    peer = await people.socket()
    if pings:
        async with Pinging(peer):
            closed = await peer.until_closed(ROLE_DEADLINE + LATE)
    else:
        closed = await peer.until_closed(ROLE_DEADLINE + LATE)
    assert closed[0] == 1008


async def test_a_refused_one_has_until_the_deadline(people: Crowd) -> None:
    peer = await people.socket()
    payload = {"tunnel_id": "unknown", "auth_key": AUTH_KEY, "device_id": "d"}
    await peer.send({"type": "connect", "payload": payload})
    await peer.next("error")
    assert peer.closed is None
    assert (await peer.until_closed(ROLE_DEADLINE + LATE))[0] == 1008


async def test_a_waiting_client_stays_as_long_as_it_answers(places: Places) -> None:
    workstation, tunnel_id = await places.workstation()
    await workstation.close()
    await asyncio.sleep(0.7)  # the grace
    waiting = await places.socket()
    payload = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "phone"}
    await waiting.send({"type": "connect", "payload": payload})
    await waiting.next("error")
    await asyncio.sleep(max(TIMEOUT, ROLE_DEADLINE) * 2)
    assert waiting.closed is None
    again, _ = await places.workstation(previous=tunnel_id)
    await waiting.next("connected")
    await again.close()


async def test_a_waiting_client_that_answers_nothing_is_dropped(people: Crowd) -> None:
    workstation, tunnel_id = await people.workstation()
    await workstation.close()
    await asyncio.sleep(0.7)
    async with await RawPeer.open(people.server.port) as waiting:
        waiting.send(text("connect", tunnel_id=tunnel_id, auth_key=AUTH_KEY, device_id="d"))
        seen = [await waiting.next(LATE) for _ in range(2)]
        assert [opcode for opcode, _ in seen] == [TEXT, PING], "its error, and a probe"
        assert await waiting.close_code(LATE) == 1000


async def test_a_superseded_workstation_stays_as_long_as_it_answers(people: Crowd) -> None:
    silent, tunnel_id = await raw_workstation(people.server)
    answering, _ = await people.workstation(previous=tunnel_id)
    current, _ = await people.workstation(previous=tunnel_id)
    client = await people.client(tunnel_id)
    async with Pinging(current, client):
        assert await silent.close_code(TIMEOUT + LATE) == 1000
        assert answering.closed is None
        silent.reset()
        await client.send({"type": "note"})
        await current.next("note")
    assert [m["type"] for m in client.seen if m["type"].startswith("connection")] == []


async def test_a_superseded_workstation_is_probed_with_protocol_pings(people: Crowd) -> None:
    old, tunnel_id = await raw_workstation(people.server)
    current, _ = await people.workstation(previous=tunnel_id)
    async with Pinging(current):
        for _ in range(3):
            assert await old.next(LATE) == (PING, b"")
            old.send(b"", PONG)
    old.reset()


async def test_at_most_four_superseded_workstations_are_kept(people: Crowd) -> None:
    worker = next(iter(people.server.worker_pids().values()))
    first, tunnel_id = await people.workstation(worker=worker)
    stations = [first]
    for _ in range(6):
        stations.append((await people.workstation(worker=worker, previous=tunnel_id))[0])
    await eventually(lambda: sum(s.closed is not None for s in stations) == 2, PATIENCE, "two are dropped")
    assert [station.closed is not None for station in stations] == [True] * 2 + [False] * 5


async def test_half_open_connections_leave_nothing_behind(people: Crowd) -> None:
    """Peers complete the handshake, then send, read and answer nothing."""

    def sockets() -> int:
        return sum(worker["sockets"] for worker in people.server.control("status")["status"]["workers"])

    workstation, tunnel_id = await people.workstation()
    before = sockets()
    peers = [await RawPeer.open(people.server.port) for _ in range(20)]
    for number, peer in enumerate(peers[:10]):
        peer.send(text("connect", tunnel_id=tunnel_id, auth_key=AUTH_KEY, device_id=f"d{number}"))
    async with Pinging(workstation):
        assert await asyncio.to_thread(sockets) > before
        async with patience(TIMEOUT + 0.5 + 2 * LATE):
            while await asyncio.to_thread(sockets) > before:
                await asyncio.sleep(0.1)
    for peer in peers:
        peer.reset()
