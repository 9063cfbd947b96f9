"""A workstation reconnects at another worker: its tunnel follows it, and no message is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.harness import AUTH_KEY, Crowd, Peer, Server, crowd, eventually
from tests.patience import PATIENCE, now
from tests.system.streams import Stream, numbers, told
from tiflis.relay.router import GATHER_SECONDS

ONLINE = "connection.workstation_online"


@pytest.fixture
async def people(apart: Server) -> AsyncIterator[Crowd]:
    async with crowd(apart) as peers:
        yield peers


def workers(people: Crowd) -> tuple[int, int]:
    first, second = sorted(people.server.worker_pids().values())
    return first, second


async def everywhere(people: Crowd, tunnel_id: str) -> list[Peer]:
    """Connect one client at each worker."""
    return [
        await people.client(tunnel_id, device_id=f"at {place}", worker=worker)
        for place, worker in enumerate(workers(people))
    ]


def devices(workstation: Peer, kind: str) -> list[str]:
    return [m["payload"]["device_id"] for m in workstation.seen if m["type"] == kind]


async def test_clients_at_both_workers_keep_going(people: Crowd) -> None:
    """The old socket is still open, so this is a re-registration, which is announced once."""
    here, there = workers(people)
    old, tunnel_id = await people.workstation(worker=here)
    clients = await everywhere(people, tunnel_id)
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(Stream(it, f"client {n}")) for n, it in enumerate(clients)]
        await asyncio.sleep(0.2)
        new, same = await people.workstation(worker=there, previous=tunnel_id)
        await asyncio.sleep(0.3)
    assert same == tunnel_id
    for stream in streams:
        await stream.all_heard(old, new)
    assert [told(client) for client in clients] == [[ONLINE], [ONLINE]]
    assert sorted(devices(new, "auth")) == ["at 0", "at 1"]
    assert devices(old, "client.disconnected") + devices(new, "client.disconnected") == []


async def test_what_the_new_workstation_says_misses_nobody(people: Crowd) -> None:
    """Clients receive it from its first message on."""
    here, there = workers(people)
    _, tunnel_id = await people.workstation(worker=here)
    clients = await everywhere(people, tunnel_id)
    for move in range(4):
        new, _ = await people.workstation(worker=(there, here)[move % 2], previous=tunnel_id)
        async with Stream(new, f"move {move}") as stream:
            await asyncio.sleep(0.05)
        for client in clients:
            await stream.all_heard(client)


async def test_the_old_socket_stays_open_and_is_ignored(people: Crowd) -> None:
    here, there = workers(people)
    old, tunnel_id = await people.workstation(worker=here)
    client = await people.client(tunnel_id, worker=here)
    new, _ = await people.workstation(worker=there, previous=tunnel_id)
    await client.next(ONLINE)
    await old.send({"type": "news"})
    await old.send("nonsense")
    await old.settle()
    assert old.seen[-1]["type"] == "pong"
    await old.close()
    await client.send({"type": "sync"})
    await new.next("sync")
    assert (client.unread("news"), told(client), new.closed) == ([], [ONLINE], None)


async def test_of_the_old_sockets_at_both_workers_the_newest_four_are_kept(people: Crowd) -> None:
    places = workers(people)
    station, tunnel_id = await people.workstation(worker=places[0])
    stations = [station]
    for move in range(6):
        station, _ = await people.workstation(worker=places[(move + 1) // 2 % 2], previous=tunnel_id)
        stations.append(station)
    await eventually(lambda: sum(it.closed is not None for it in stations) == 2, PATIENCE, "two are dropped")
    for survivor in stations[2:]:
        await survivor.settle()
    assert [it.closed is None for it in stations] == [False] * 2 + [True] * 5


async def test_within_the_grace_nothing_is_announced_and_what_waited_is_delivered(people: Crowd) -> None:
    here, there = workers(people)
    old, tunnel_id = await people.workstation(worker=here)
    clients = await everywhere(people, tunnel_id)
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(Stream(it, f"client {n}")) for n, it in enumerate(clients)]
        await asyncio.sleep(0.1)
        await old.close()
        await asyncio.sleep(0.2)
        new, _ = await people.workstation(worker=there, previous=tunnel_id)
        await asyncio.sleep(0.2)
    for stream, client in zip(streams, clients, strict=True):
        await eventually(lambda s=stream: s.heard(new)[-1:] == [s.sent - 1], PATIENCE, "the last arrives")  # type: ignore[misc]  # mypy cannot tell the type of defaults
        heard = stream.heard(old, new)
        missing = set(range(stream.sent)) - set(heard)
        # Messages in flight to the old socket when it closed may be lost.
        assert len(missing) <= 5
        assert heard == sorted(heard)
        assert told(client) == []


async def test_a_flapping_workstation(people: Crowd) -> None:
    """It changes the worker ten times while its clients send messages."""
    places = workers(people)
    station, tunnel_id = await people.workstation(worker=places[0])
    stations = [station]
    clients = await everywhere(people, tunnel_id)
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(Stream(it, f"client {n}")) for n, it in enumerate(clients)]
        for move in range(10):
            stations.append((await people.workstation(worker=places[(move + 1) % 2], previous=tunnel_id))[0])
    for stream in streams:
        await stream.all_heard(*stations)
    for client in clients:
        assert set(told(client)) == {ONLINE}
        assert client.closed is None


async def test_a_device_that_leaves_in_the_middle_of_a_move_is_told_once(people: Crowd) -> None:
    places = workers(people)
    station, tunnel_id = await people.workstation(worker=places[0])
    stations, leavers = [station], [f"leaver {move}" for move in range(6)]

    def left() -> list[str]:
        return [device for it in stations for device in devices(it, "client.disconnected")]

    for move, leaver in enumerate(leavers):
        client = await people.client(tunnel_id, device_id=leaver, worker=places[move // 3])
        leaving = asyncio.create_task(client.close())
        new, _ = await people.workstation(worker=places[(move + 1) % 2], previous=tunnel_id)
        stations.append(new)
        await leaving
        await eventually(lambda who=leaver: who in left(), PATIENCE, "its departure arrives")  # type: ignore[misc]  # mypy, as above
    await asyncio.sleep(GATHER_SECONDS + 0.2)  # by then a home has reported every device that did not return
    assert sorted(left()) == leavers


async def test_waiting_clients_are_accepted_wherever_the_workstation_comes_back(people: Crowd) -> None:
    here, there = workers(people)
    old, tunnel_id = await people.workstation(worker=here)
    present = await people.client(tunnel_id, worker=there, device_id="present")
    await old.close()
    await present.next("connection.workstation_offline")
    waiting = [await people.socket(worker=worker) for worker in (here, there)]
    for number, peer in enumerate(waiting):
        payload = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": f"waiting {number}"}
        await peer.send({"type": "connect", "payload": payload})
        await peer.next("error")
    new, _ = await people.workstation(worker=there, previous=tunnel_id)
    for number, peer in enumerate(waiting):
        await peer.next("connected")
        await peer.send({"type": "sync", "n": number})
        assert (await new.next("sync"))["device_id"] == f"waiting {number}"


async def test_a_move_takes_no_time_to_speak_of(people: Crowd) -> None:
    here, there = workers(people)
    _, tunnel_id = await people.workstation(worker=here)
    client = await people.client(tunnel_id, worker=here)
    for worker in (there, here, there):
        began = now()
        new, _ = await people.workstation(worker=worker, previous=tunnel_id)
        await client.send({"type": "note", "from": "client", "n": worker})
        await new.next("note")
        assert now() - began < 1.5
        assert numbers(new, "client") == [worker]
