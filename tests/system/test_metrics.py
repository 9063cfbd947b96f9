"""Metrics of a running server: any worker answers with the totals of all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.harness import Crowd, Server, crowd, eventually, free_port
from tests.patience import WALL_PATIENCE, patience
from tests.peers import Peer
from tests.system.test_bus_faults import frozen_bus

TOKEN = "metrics-token-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Numbers:
    """One scrape of the metrics."""

    def __init__(self, text: str) -> None:
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sum of all samples with this name and these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == f"tiflis_{name}" and labels.items() <= sample.labels.items()
        )


async def read(server: Server) -> Numbers:
    """Return all workers' metrics, none older than this call."""
    now = time.monotonic()
    await eventually(lambda: set(server.worker_pids().values()) <= stored(server, now), 10, "new metrics")
    return await read_now(server)


def stored(server: Server, since: float) -> set[int]:
    """Return the processes that have stored their metrics since then."""
    entries = [json.loads(path.read_bytes()) for path in (server.run_dir / "metrics").glob("*.json")]
    return {entry["pid"] for entry in entries if entry.get("at", 0) >= since}


async def read_now(server: Server) -> Numbers:
    async with httpx.AsyncClient(timeout=WALL_PATIENCE) as http:
        answer = await http.get(f"{server.url}/metrics", headers=HEADERS)
        assert answer.status_code == 200
        return Numbers(answer.text)


async def reach(server: Server, name: str, value: float, **labels: str) -> None:
    """Wait until a number has reached this value."""
    async with patience():
        while (await read(server))(name, **labels) < value:
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    env = {"METRICS_TOKEN": TOKEN, "STEERING": "false"}
    with Server(workers=2, env=env) as running:
        yield running


@pytest.fixture
async def people(server: Server) -> AsyncIterator[Crowd]:
    async with crowd(server) as people:
        yield people


async def test_the_token_is_asked_for(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=WALL_PATIENCE) as http:
        assert (await http.get("/metrics")).status_code == 401
        wrong = await http.get("/metrics", headers={"Authorization": "Bearer wrong"})
        assert (wrong.status_code, TOKEN in wrong.text) == (401, False)


async def test_messages_are_counted_by_the_way_they_take(server: Server, people: Crowd) -> None:
    one, other = sorted(server.worker_pids().values())
    workstation, tunnel_id = await people.workstation(worker=one)
    near = await people.client(tunnel_id, worker=one, device_id="near")
    far = await people.client(tunnel_id, worker=other, device_id="far")
    before = await read(server)
    for client, count in ((near, 5), (far, 7)):
        for _ in range(count):
            await client.send({"type": "x", "data": "y" * 1000})
    for _ in range(12):
        await workstation.next("x")
    after = await read(server)

    def more(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    assert more("frames_total", role="client", direction="in", path="local") == 5
    assert more("frames_total", role="client", direction="in", path="bus") == 7
    assert more("frames_total", role="workstation", direction="out") == 12
    assert 7_000 < more("bytes_total", role="client", direction="in", path="bus") < 8_000
    assert more("bus_bytes_total", direction="in") > 7_000
    assert after("connections", role="client") == 2
    assert after("connections", role="workstation") == 1
    assert after("relay_seconds_count") >= 3


async def test_wrong_keys_are_counted_by_reason(server: Server, people: Crowd) -> None:
    _, tunnel_id = await people.workstation()
    before = await read(server)
    for _ in range(12):
        stranger = await people.socket()
        payload = {"tunnel_id": tunnel_id, "auth_key": "wrong" * 5, "device_id": "d"}
        await stranger.send({"type": "connect", "payload": payload})
        await stranger.next("error")
    after = await read(server)
    counted = {
        reason: after("auth_failures_total", reason=reason) - before("auth_failures_total", reason=reason)
        for reason in ("auth_key", "rate_limited", "api_key")
    }
    assert counted == {"auth_key": 10, "rate_limited": 2, "api_key": 0}


async def test_what_did_not_arrive_is_counted(server: Server, people: Crowd) -> None:
    workstation, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    before = await read(server)
    await workstation.close()
    await client.next("connection.workstation_offline", 10)
    await client.send({"type": "x", "id": "1"})
    assert (await client.next("error"))["payload"]["code"] == "WORKSTATION_OFFLINE"
    after = await read(server)
    assert after("undelivered_total") - before("undelivered_total") == 1
    assert after("tunnels", state="offline") - before("tunnels", state="offline") == 1


async def test_metrics_of_all_workers_need_no_bus(server: Server, people: Crowd) -> None:
    one, other = sorted(server.worker_pids().values())
    await people.workstation(worker=one)
    await people.workstation(worker=other)
    await reach(server, "connections", 2, role="workstation")
    with frozen_bus(server):
        numbers = await read_now(server)
        assert numbers("ready") == 2
        assert numbers("connections", role="workstation") == 2


async def test_sums_outlive_their_workers_and_never_fall() -> None:
    port = free_port()
    with Server(workers=2, env={"METRICS_TOKEN": TOKEN, "METRICS_PORT": str(port)}) as server:
        async with crowd(server) as people:
            workstation, tunnel_id = await people.workstation()
            client = await people.client(tunnel_id)
            for _ in range(50):
                await client.send({"type": "x"})
                await workstation.next("x")
            before = await read(server)
            assert before("workers_expected") == before("ready") == 2
            reload = await asyncio.to_thread(server.control, "reload", 60)
            assert reload["complete"]
            rolled = await read(server)
            assert rolled("frames_total", role="client", direction="in") >= before(
                "frames_total", role="client", direction="in"
            )
            assert rolled("handoff_sockets_total", outcome="taken") >= 2
            assert rolled("handoff_pause_seconds_count") >= 1
            await client.send({"type": "x"})
            await workstation.next("x")
            last = await read(server)
            server.kill_worker()
            await asyncio.to_thread(server.wait_ready)
            killed = await read(server)
            for name in ("frames_total", "bytes_total", "sockets_opened_total", "cpu_seconds_total"):
                assert killed(name) >= last(name) >= rolled(name) > 0
            async with httpx.AsyncClient(timeout=WALL_PATIENCE) as http:
                own = await http.get(f"http://127.0.0.1:{port}/metrics")
                assert Numbers(own.text)("ready") == 2
                assert (await http.get(f"http://127.0.0.1:{port}/health")).status_code == 404
                assert (await http.post(f"http://127.0.0.1:{port}/metrics")).status_code == 405


async def test_without_token_and_port_there_is_nothing(people: Crowd) -> None:
    with Server(workers=1) as server:
        assert server.get("/metrics")[0] == 404
        assert server.get("/status")[0] == 404


async def test_a_peer_that_breaks_the_rules_is_counted(server: Server) -> None:
    before = await read(server)
    peer = await Peer.open(server)
    peer.socket.transport.write(b"\x81\x04")  # not masked
    await peer.until_closed()
    await reach(server, "protocol_errors_total", before("protocol_errors_total") + 1, code="1002")
