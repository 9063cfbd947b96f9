"""Slow readers and big messages: one slow device delays no other."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import AUTH_KEY, REGISTRATION_KEY, Crowd, Peer, Server, crowd, eventually
from tests.patience import PATIENCE, now
from tests.system.places import Places
from tests.web.raw_peer import RawPeer

MIB = 1024 * 1024
STALL = 6.0  # seconds; a test client on a busy machine needs four to send 49 MiB before it reads
ENV = {
    "STEERING": "false",
    "STALL_TIMEOUT": str(STALL),
    "LIVENESS_INTERVAL": "0.3",
    "LIVENESS_TIMEOUT": "60",
    "BACKLOG_PATIENCE": "10",  # a busy machine reads slowly
}


@pytest.fixture(scope="module")
def loaded() -> Iterator[Server]:
    with Server(workers=2, env=ENV) as running:
        yield running


@pytest.fixture
async def people(loaded: Server) -> AsyncIterator[Crowd]:
    async with crowd(loaded) as peers:
        yield peers


@pytest.fixture
def places(chosen_places: Places) -> Places:
    return chosen_places


def memory(server: Server) -> int:
    """Return the resident bytes of all workers."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in server.worker_pids().values()]
    return sum(pages) * 4096


async def unread(
    places: Places, kind: str, worker: int | None, **payload: Any
) -> tuple[RawPeer, dict[str, Any]]:
    """Return a peer with a role that reads nothing from now on."""
    server = places.server
    with server.accepting_only(worker or next(iter(server.worker_pids().values()))):
        peer = await RawPeer.open(server.port)
    peer.send(json.dumps({"type": kind, "payload": {"auth_key": AUTH_KEY, **payload}}).encode())
    return peer, json.loads((await peer.next())[1])


async def slow_client(places: Places, tunnel_id: str) -> RawPeer:
    peer, said = await unread(places, "connect", places.there, tunnel_id=tunnel_id, device_id="slow")
    assert said["type"] == "connected"
    return peer


async def slow_workstation(places: Places) -> tuple[RawPeer, str]:
    peer, said = await unread(
        places, "workstation.register", places.here, api_key=REGISTRATION_KEY, name="slow"
    )
    return peer, str(said["payload"]["tunnel_id"])


async def test_a_client_that_reads_nothing_is_cut_off_and_nobody_else_notices(places: Places) -> None:
    workstation, tunnel_id = await places.workstation()
    healthy = [await places.client(tunnel_id, f"healthy {number}") for number in range(2)]
    slow = await slow_client(places, tunnel_id)
    before = memory(places.server)
    delays = []
    for number in range(90):
        sent_at = now()
        await workstation.send({"type": "news", "n": number, "x": "x" * MIB})
        for client in healthy:
            assert (await client.next("news"))["n"] == number
            client.seen.clear()
            client.raw.clear()
        delays.append(now() - sent_at)
    left = await workstation.next("client.disconnected")
    assert left["payload"]["device_id"] == "slow"
    assert await slow.close_code() == 1013
    assert sorted(delays)[int(len(delays) * 0.9)] < 1.0
    assert memory(places.server) - before < 256 * MIB
    assert all(client.closed is None for client in healthy)
    slow.reset()


async def test_a_client_without_progress_is_cut_off(places: Places) -> None:
    workstation, tunnel_id = await places.workstation()
    slow = await slow_client(places, tunnel_id)
    await workstation.send({"type": "news", "x": "x" * 30 * MIB})
    began = time.monotonic()
    left = await workstation.next("client.disconnected", STALL + 5)
    assert left["payload"]["device_id"] == "slow"
    assert time.monotonic() - began > STALL * 0.5
    assert await slow.close_code() == 1013
    slow.reset()


async def test_a_client_that_reads_slowly_but_steadily_stays(places: Places) -> None:
    workstation, tunnel_id = await places.workstation()
    slow = await slow_client(places, tunnel_id)
    await workstation.send({"type": "news", "x": "x" * 20 * MIB})
    began, size = time.monotonic(), 0
    while size < 20 * MIB:
        opcode, payload = await slow.next()
        assert opcode in (0, 1), (opcode, payload)
        size += len(payload)
        await asyncio.sleep(STALL / 75)
    assert time.monotonic() - began > STALL * 1.5
    slow.reset()


async def test_a_workstation_that_reads_slowly_slows_its_clients(places: Places) -> None:
    workstation, tunnel_id = await slow_workstation(places)
    client, other = await places.client(tunnel_id), await places.client(tunnel_id, "other")
    before = memory(places.server)
    sent = 0

    async def push() -> None:
        nonlocal sent
        while sent < 200:
            await client.send({"type": "note", "n": sent, "x": "x" * MIB})
            sent += 1

    pushing = asyncio.create_task(push())
    await asyncio.sleep(2)
    stopped_at = sent
    assert stopped_at < 100, "it is not read any more"
    await other.settle()  # a phone gives up after 5 s without a pong
    assert memory(places.server) - before < 160 * MIB
    assert client.closed is None
    heard: list[int] = []
    parts = b""
    while len(heard) < 200:
        opcode, payload = await workstation.next()
        assert opcode in (0, 1), (opcode, payload[:100])
        parts += payload
        if parts.endswith(b'"device_id":"phone"}'):
            heard.append(json.loads(parts)["n"])
            parts = b""
    await pushing
    assert heard == list(range(200))
    workstation.reset()


async def test_another_tunnel_is_not_slowed(places: Places) -> None:
    stuck, stuck_id = await slow_workstation(places)
    pusher = await places.client(stuck_id)
    pushing = asyncio.create_task(_push_for_ever(pusher))
    workstation, client, _ = await places.pair()
    delays = []
    for number in range(100):
        began = now()
        await client.send({"type": "note", "n": number})
        assert (await workstation.next("note"))["n"] == number
        delays.append(now() - began)
        await asyncio.sleep(0.005)
    pushing.cancel()
    await asyncio.gather(pushing, return_exceptions=True)
    stuck.reset()
    pusher.abort()
    assert sorted(delays)[95] < 0.25


async def _push_for_ever(peer: Peer) -> None:
    while True:
        await peer.send({"type": "note", "x": "x" * MIB})


@pytest.mark.parametrize("way", ["up", "down"])
async def test_fifty_mebibytes(places: Places, way: str) -> None:
    workstation, client, _ = await places.pair()
    sender, receiver = (client, workstation) if way == "up" else (workstation, client)
    frame = '{"type":"voice","x":"%s"}'
    text = frame % ("x" * (50 * MIB - len(frame) + 2))
    assert len(text) == 50 * MIB
    await sender.send(text)
    heard = await receiver.next("voice", 20)
    assert len(heard["x"]) == len(text) - len(frame) + 2
    await sender.send({"type": "after"})
    await receiver.next("after", 10)


async def test_two_of_fifty_mebibytes_to_a_client_that_reads(places: Places) -> None:
    workstation, client, _ = await places.pair()
    for number in range(2):
        await workstation.send({"type": "voice", "n": number, "x": "x" * 49 * MIB})
    assert [(await client.next("voice", 30))["n"] for _ in range(2)] == [0, 1]
    assert client.closed is None


@pytest.mark.parametrize("way", ["up", "down"])
async def test_one_byte_more_is_too_much(people: Crowd, way: str) -> None:
    workstation, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    sender, other = (client, workstation) if way == "up" else (workstation, client)
    sending = asyncio.create_task(sender.send("x" * (50 * MIB + 1)))
    assert (await sender.until_closed(10))[0] == 1009
    await asyncio.gather(sending, return_exceptions=True)
    await other.settle()
    await eventually(lambda: other.unread("client.disconnected") or way == "down", PATIENCE, "it is gone")


async def test_a_pong_comes_while_a_big_message_leaves(places: Places) -> None:
    """Android drops the link after 5 s without a protocol pong."""
    workstation, tunnel_id = await places.workstation()
    reader = await slow_client(places, tunnel_id)
    await workstation.send({"type": "news", "x": "x" * 30 * MIB})
    size, pong_at = len((await reader.next(10))[1]), 0
    reader.send(b"alive?", 9)
    while size < 30 * MIB:
        opcode, payload = await reader.next()
        if opcode == 10:
            pong_at = size
        else:
            size += len(payload)
        if not pong_at:
            await asyncio.sleep(0.01)  # as slow as a mobile link, so that the message is still being sent
    assert 0 < pong_at < 25 * MIB
    reader.reset()
