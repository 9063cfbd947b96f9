"""Workers are replaced under load, and clients do not notice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.harness import AUTH_KEY, Crowd, Server, eventually
from tests.harness import crowd as at
from tests.patience import patience
from tests.rawsocket import masked
from tests.system.traffic import traffic
from tiflis.bus import subjects
from tiflis.bus.nats.client import NatsClient

RELOAD_SECONDS = 60.0
CUTS = (1, 3, 7, 12, 200, 65_000)  # bytes of a frame: within its header, its mask, its payload


# For what main does, and what no other worker takes part in.
one_way = pytest.mark.parametrize("rolling", ["over the bus"], indirect=True)


@pytest.fixture(scope="module", params=["steered", "over the bus"])
def rolling(request: pytest.FixtureRequest) -> Iterator[Server]:
    steering = "true" if request.param == "steered" else "false"
    # For the length of a reload a peer reads nothing, and another has no role.
    env = {"STEERING": steering, "STALL_TIMEOUT": "120", "ROLE_DEADLINE": "120"}
    with Server(workers=2, env=env) as running:
        yield running


@pytest.fixture
async def people(rolling: Server) -> AsyncIterator[Crowd]:
    async with at(rolling) as crowd:
        yield crowd


async def reload(server: Server) -> None:
    """Run `tiflis reload`, and check that every worker is a new process."""
    before = server.worker_pids()
    answer = await asyncio.to_thread(server.control, "reload", RELOAD_SECONDS)
    assert answer["complete"], answer
    assert all(worker["fell_back"] == 0 for worker in answer["workers"])
    assert not set(before.values()) & set(server.worker_pids().values())


async def test_rolls_under_load_lose_double_and_reorder_nothing(rolling: Server) -> None:
    async with traffic(rolling, seed=4, tunnels=6, least=100):
        for _ in range(2):
            await reload(rolling)


@one_way
async def test_a_hangup_of_main_replaces_the_workers(rolling: Server, people: Crowd) -> None:
    station, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    before, said = set(rolling.worker_pids().values()), len(rolling.logs())
    os.kill(rolling.pid, signal.SIGHUP)
    await eventually(lambda: not before & set(rolling.ready_workers().values()), 60, "new workers")
    await eventually(lambda: "reload ended" in rolling.logs()[said:], 60, "the end of the reload")
    await client.send({"type": "question"})
    assert (await station.next("question"))["device_id"] == "phone-1"
    await station.silent("auth")  # no device was announced again


async def test_messages_cut_by_a_reload_arrive_whole_and_once(rolling: Server, people: Crowd) -> None:
    station, tunnel_id = await people.workstation()
    frame = masked(json.dumps({"type": "voice", "body": "x" * 70_000}).encode())
    clients = {cut: await people.client(tunnel_id, device_id=f"cut-{cut}") for cut in CUTS}
    for cut, client in clients.items():
        client.socket.transport.write(frame[:cut])
    # And one cut between two fragments, in the middle of a character.
    in_parts = await people.client(tunnel_id, device_id="in-parts")
    in_parts.socket.transport.write(masked(b'{"type":"parts","body":"\xc3', first=0x01))
    await station.settle()
    await reload(rolling)
    for cut, client in clients.items():
        client.socket.transport.write(frame[cut:])
        assert (await station.next("voice"))["device_id"] == f"cut-{cut}"
    in_parts.socket.transport.write(masked(b'\xa4"}', first=0x80))
    assert (await station.next("parts"))["body"] == "ä"
    await station.silent()


@one_way
async def test_what_a_peer_has_not_read_yet_reaches_it_after_the_reload(
    rolling: Server, people: Crowd
) -> None:
    station, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    client.socket.transport.pause_reading()
    for number in range(12):
        await station.send({"type": "chunk", "number": number, "body": "y" * 1_000_000})
    await station.settle(20)
    await reload(rolling)
    client.socket.transport.resume_reading()
    for number in range(12):
        assert (await client.next("chunk", 20))["number"] == number


async def test_a_message_of_50_mib_both_ways_survives(rolling: Server, people: Crowd) -> None:
    station, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    body = "z" * (50 * 1024 * 1024 - 200)
    up = asyncio.create_task(client.send(json.dumps({"type": "up", "body": body})))
    down = asyncio.create_task(station.send(json.dumps({"type": "down", "body": body})))
    await reload(rolling)
    await asyncio.gather(up, down)
    assert len((await station.next("up", 30))["body"]) == len(body)
    assert len((await client.next("down", 30))["body"]) == len(body)


@one_way
async def test_a_client_that_waits_for_its_workstation_goes_on_waiting(
    rolling: Server, people: Crowd
) -> None:
    station, tunnel_id = await people.workstation()
    await station.close()
    waiting = await people.socket()
    ask = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "tablet"}
    async with patience():
        while True:  # at first the workstation is within its offline grace
            await waiting.send({"type": "connect", "payload": ask})
            answer = await waiting.next(where=lambda message: message["type"] in ("connected", "error"))
            if answer["type"] == "error":
                break
            await waiting.next("connection.workstation_offline", 10)
            await waiting.close()
            waiting = await people.socket()
    await reload(rolling)
    await people.workstation(previous=tunnel_id)
    await waiting.next("connected")


async def test_newcomers_and_open_questions_go_along(rolling: Server, people: Crowd) -> None:
    station, tunnel_id = await people.workstation()
    asker = await people.client(tunnel_id, device_id="asker")
    other = await people.client(tunnel_id, device_id="other")
    newcomer = await people.socket()
    await newcomer.settle()
    await asker.send({"type": "history.request", "id": "q-1"})
    await station.next("history.request")
    await reload(rolling)
    await station.send({"type": "history.response", "id": "q-1"})
    await asker.next("history.response")
    await other.silent("history.response")
    ask = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "late"}
    await newcomer.send({"type": "connect", "payload": ask})
    await newcomer.next("connected")


@one_way
async def test_a_reload_that_cannot_start_a_worker_changes_nothing(people: Crowd, rolling: Server) -> None:
    station, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    before = rolling.worker_pids()
    bus_url = rolling.run_dir / "bus.url"
    kept = bus_url.read_text()
    bus_url.write_text("http://nowhere")  # a new worker knows at once that there is no bus
    try:
        answer = await asyncio.to_thread(rolling.control, "reload", RELOAD_SECONDS)
    finally:
        bus_url.write_text(kept)
    assert not answer["complete"]
    assert answer["workers"][0]["reasons"]
    assert rolling.worker_pids() == before
    await client.send({"type": "still"})
    await station.next("still")


@one_way
async def test_a_reload_into_code_that_writes_another_format_changes_nothing(
    people: Crowd, rolling: Server
) -> None:
    station, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    before, said = rolling.worker_pids(), len(rolling.logs())
    link = NatsClient((rolling.run_dir / "bus.url").read_text().strip(), "stranger")
    await link.start()
    reloading = asyncio.create_task(asyncio.to_thread(rolling.control, "reload", RELOAD_SECONDS))
    try:
        while not reloading.done():
            link.publish(subjects.HELLO, b'{"id":"stranger-0-aaa","facts":{},"version":99}')
            await asyncio.wait([reloading], timeout=0.1)
    finally:
        link.publish(subjects.HELLO, b'{"id":"stranger-0-aaa","bye":true}')
        await link.close()
    assert not reloading.result()["complete"]
    assert "write another format" in rolling.logs()[said:]
    assert rolling.worker_pids() == before
    await client.send({"type": "still"})
    await station.next("still")
