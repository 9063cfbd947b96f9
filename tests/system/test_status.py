"""`/status` and `tiflis status` at a running server with many tunnels and hostile names."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.harness import Server, crowd
from tests.patience import WALL_PATIENCE, patience
from tests.tool import tool

TOKEN = "status-token-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(workers=2, env={"STATUS_TOKEN": TOKEN}) as running:
        yield running


async def status(server: Server) -> dict[str, Any]:
    """Return the status from any worker; repeat a call that died with its worker."""
    while True:
        with contextlib.suppress(httpx.TransportError):
            async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, timeout=WALL_PATIENCE) as http:
                answer: dict[str, Any] = (await http.get("/status")).json()
                return answer


def of(tunnel_id: str, told: dict[str, Any]) -> dict[str, Any]:
    (found,) = (tunnel for tunnel in told["tunnels"] if tunnel["tunnel_id"] == tunnel_id)
    return dict(found)


async def test_homes_generations_handoffs_and_versions_are_told(server: Server) -> None:
    async with crowd(server) as people:
        workstation, tunnel_id = await people.workstation(name="desk <b>")
        client = await people.client(tunnel_id)
        assert "last reload   none yet" in await asyncio.to_thread(tool, server, "status")
        before, began = await status(server), time.monotonic()
        assert "yes" in await asyncio.to_thread(tool, server, "reload")
        after, took = await status(server), time.monotonic() - began
        old, new = of(tunnel_id, before), of(tunnel_id, after)
        assert (new["devices"], new["online"]) == (1, True)
        assert new["generation"] > old["generation"], "it has moved"
        assert new["home"] != old["home"]
        assert after["handoffs_taken"] >= before["handoffs_taken"] + 2
        assert after["handoffs_refused"] == after["handoffs_unknown"] == 0
        assert 0 < after["handoffs_pause_mean_ms"] < took * 1000
        assert {worker["version"] for worker in after["workers"]} == {after["version"]}
        assert all(worker["ready"] and worker["bus"] for worker in after["workers"])
        shown = await asyncio.to_thread(tool, server, "status")
        assert new["home"] in shown
        assert json.loads(await asyncio.to_thread(tool, server, "status", "--json"))["ok"] is True
        assert "2 of 2 workers replaced, 2 sockets handed over, 0 fell back" in shown
        assert (workstation.closed, client.closed) == (None, None)


async def test_a_missing_worker_is_told(server: Server) -> None:
    assert (await status(server))["status"] == "healthy"
    server.kill_worker()
    async with patience():
        while (told := await status(server))["status"] == "healthy":
            await asyncio.sleep(0.01)
    assert "1 of 2 workers" in told["why"]
    async with patience(30):
        while (await status(server))["status"] != "healthy":
            await asyncio.sleep(0.05)


async def test_tunnels_with_long_names_cost_no_link(server: Server) -> None:
    """The longest names are cut in a status, so that it stays below the size of a message on the bus."""
    async with crowd(server) as people:
        ids = {(await people.workstation(name="ü" * 128))[1] for _ in range(60)}
        told = await status(server)
        names = [tunnel["name"] for tunnel in told["tunnels"] if tunnel["tunnel_id"] in ids]
        assert len(names) == 60
        assert {len(name) for name in names} == {64}
        assert "bus unavailable" not in server.logs()
