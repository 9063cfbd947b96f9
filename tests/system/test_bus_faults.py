"""The embedded bus dies, hangs and comes back (F7 to F9, short): no socket closes, nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest

from tests.bus.full import full
from tests.harness import AUTH_KEY, REGISTRATION_KEY, Crowd, Peer, Server, crowd, eventually
from tests.patience import PATIENCE, now, patience
from tests.system.streams import Stream, told

NOTICED = 3.0  # seconds until /readyz must report it (F8, F9)
SLACK = 2.0  # for a busy machine


@pytest.fixture(scope="module")
def shaky() -> Iterator[Server]:
    """Run two workers without steering, whose bus a test may kill or stop."""
    with Server(workers=2, env={"STEERING": "false"}) as running:
        yield running


@pytest.fixture
async def people(shaky: Server) -> AsyncIterator[Crowd]:
    async with crowd(shaky) as peers:
        yield peers


async def across(people: Crowd) -> tuple[Peer, Peer, str]:
    """Connect a workstation and a client at different workers."""
    here, there = sorted(people.server.worker_pids().values())
    workstation, tunnel_id = await people.workstation(worker=here)
    return workstation, await people.client(tunnel_id, worker=there), tunnel_id


def kill_bus(server: Server) -> int:
    pid = server.nats_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


async def until_new_bus(server: Server, old: int) -> None:
    await eventually(lambda: server.nats_pid() not in (None, old), PATIENCE, "the bus is back")


@contextmanager
def frozen_bus(server: Server) -> Iterator[None]:
    pid = server.nats_pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def ready(server: Server) -> bool:
    return await asyncio.to_thread(server.status, "/readyz") == 200


async def until_ready(server: Server, wanted: bool, deadline: float) -> None:
    """Wait until every worker is ready; ask several times, because any worker may answer."""
    async with patience(deadline):
        while [await ready(server) for _ in range(6)] != [wanted] * 6:
            await asyncio.sleep(0.05)


async def test_kill_the_bus_in_mid_stream(people: Crowd) -> None:
    workstation, client, _ = await across(people)
    async with AsyncExitStack() as stack:
        up = await stack.enter_async_context(Stream(client, "client"))
        down = await stack.enter_async_context(Stream(workstation, "workstation"))
        for _ in range(3):
            await asyncio.sleep(0.15)
            await until_new_bus(people.server, kill_bus(people.server))
        await asyncio.sleep(0.2)
    await up.all_heard(workstation)
    await down.all_heard(client)
    assert (workstation.closed, client.closed, told(client)) == (None, None, [])
    await until_ready(people.server, True, 5)


async def test_kill_the_bus_in_the_middle_of_a_big_message(people: Crowd) -> None:
    workstation, client, _ = await across(people)
    for sender, receiver in ((client, workstation), (workstation, client)):
        await sender.send({"type": "voice", "x": "x" * 30_000_000})
        kill_bus(people.server)
        await sender.send({"type": "after"})
        assert len((await receiver.next("voice", 20))["x"]) == 30_000_000
        await receiver.next("after", 10)
    assert told(client) == []
    await until_ready(people.server, True, 5)


async def test_a_bus_that_hangs(people: Crowd) -> None:
    """It is noticed in time; calls that need it fail, others continue; then everything is delivered."""
    here, _ = sorted(people.server.worker_pids().values())
    workstation, client, tunnel_id = await across(people)
    near = await people.client(tunnel_id, worker=here, device_id="near")
    async with Stream(client, "client", pad=10) as stream:
        with frozen_bus(people.server):
            await until_ready(people.server, False, NOTICED + SLACK)
            await near.send({"type": "note", "from": "near", "n": 0})
            await workstation.next("note", where=lambda m: m["from"] == "near")
            newcomer = await people.socket()
            began = now()
            payload = {"api_key": REGISTRATION_KEY, "name": "d", "auth_key": AUTH_KEY}
            await newcomer.send({"type": "workstation.register", "id": 1, "payload": payload})
            error = await newcomer.next("error", 10)
            assert (error["id"], error["payload"]["code"]) == (1, "REGISTRATION_FAILED")
            assert now() - began < 2 + SLACK
        await until_ready(people.server, True, 5)
    await stream.all_heard(workstation)
    await newcomer.send({"type": "workstation.register", "payload": payload})
    await newcomer.next("workstation.registered")
    assert (workstation.closed, client.closed, told(client)) == (None, None, [])


async def test_a_workstation_comes_back_right_after_the_bus(people: Crowd) -> None:
    """It waits for nothing but the bus."""
    _, there = sorted(people.server.worker_pids().values())
    workstation, client, tunnel_id = await across(people)
    old = kill_bus(people.server)
    await workstation.close()
    await until_new_bus(people.server, old)
    again = await people.socket(worker=there)
    payload = {"api_key": REGISTRATION_KEY, "name": "d", "auth_key": AUTH_KEY}
    payload |= {"reconnect": True, "previous_tunnel_id": tunnel_id}  # type: ignore[dict-item]
    await again.send({"type": "workstation.register", "payload": payload})
    said = await again.next(deadline=10)
    if said["type"] == "error":
        assert said["payload"]["code"] == "REGISTRATION_FAILED"
        await again.send({"type": "workstation.register", "payload": payload})
        said = await again.next(deadline=10)
    assert said["payload"]["tunnel_id"] == tunnel_id
    await client.send({"type": "sync"})
    await again.next("sync", 10)


async def test_health_tells_the_truth(people: Crowd) -> None:
    await until_ready(people.server, True, 5)
    with frozen_bus(people.server):
        await until_ready(people.server, False, NOTICED + SLACK)
        status, body = await asyncio.to_thread(people.server.get, "/health")
        assert status in (200, 503)
        assert b'"healthy"' not in body
        assert await asyncio.to_thread(people.server.status, "/healthz") == 200
    await until_ready(people.server, True, 5)
    assert b'"healthy"' in (await asyncio.to_thread(people.server.get, "/health"))[1]


async def test_a_bus_without_storage_shows_in_health_and_costs_registrations_only(people: Crowd) -> None:
    server = people.server
    _, tunnel_id = await people.workstation()
    bus = (server.run_dir / "bus.url").read_text().strip()
    async with full(bus):
        refused = await people.socket()
        payload = {"api_key": REGISTRATION_KEY, "name": "desk", "auth_key": AUTH_KEY}
        await refused.send({"type": "workstation.register", "payload": payload})
        assert (await refused.next("error"))["payload"]["code"] == "REGISTRATION_FAILED"
        for worker in server.worker_pids().values():  # one was refused, the other learns it from a hello
            await until_health(server, worker, lambda body: "registrations" in body.get("why", ""))
            with server.accepting_only(worker):
                assert server.status("/readyz") == 200
        client = await people.client(tunnel_id)
        await client.settle()
    for worker in server.worker_pids().values():
        await people.workstation(worker=worker)  # until it can write, a worker reports its last failure
        await until_health(server, worker, lambda body: body["status"] == "healthy")


async def until_health(server: Server, worker: int, wanted: Callable[[dict[str, Any]], bool]) -> None:
    await eventually(lambda: wanted(health(server, worker)), 10, "the worker's health")


def health(server: Server, worker: int) -> dict[str, Any]:
    """Return the worker's answer. The other workers stand still only for this one request: they have to
    send hellos between two of them."""
    with server.accepting_only(worker):
        answer = json.loads(server.get("/health")[1])
    assert isinstance(answer, dict)
    return answer
