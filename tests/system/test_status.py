"""`/status` and `tiflis status` at a running server with many tunnels and hostile names."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import httpx

from tests.harness import Server, crowd
from tests.patience import WALL_PATIENCE, patience
from tests.peers import Peer
from tests.tool import tool

TOKEN = "status-token-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


async def test_homes_generations_handoffs_and_versions_are_told() -> None:
    with Server(workers=2, env={"STATUS_TOKEN": TOKEN}) as server:
        async with crowd(server) as people:
            workstation, tunnel_id = await people.workstation(name="desk <b>")
            client = await people.client(tunnel_id)
            async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, timeout=WALL_PATIENCE) as http:
                before = (await http.get("/status")).json()
                assert await asyncio.to_thread(tool, server, "reload")
                after = (await http.get("/status")).json()
            (old,), (new,) = before["tunnels"], after["tunnels"]
            assert (new["tunnel_id"], new["devices"], new["online"]) == (tunnel_id, 1, True)
            assert new["generation"] > old["generation"], "it has moved"
            assert new["home"] != old["home"]
            assert after["handoffs_taken"] >= before["handoffs_taken"] + 2
            assert after["handoffs_refused"] == after["handoffs_unknown"] == 0
            assert after["handoffs_pause_mean_ms"] < 250
            assert {worker["version"] for worker in after["workers"]} == {after["version"]}
            assert all(worker["ready"] and worker["bus"] for worker in after["workers"])
            shown = await asyncio.to_thread(tool, server, "status")
            assert new["home"] in shown
            assert "2 of 2 workers replaced, 2 sockets handed over, 0 fell back" in shown
            assert (workstation.closed, client.closed) == (None, None)


async def status(server: Server) -> dict[str, Any]:
    """Return the status from any worker; repeat a call that died with its worker."""
    while True:
        with contextlib.suppress(httpx.TransportError):
            async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, timeout=WALL_PATIENCE) as http:
                answer: dict[str, Any] = (await http.get("/status")).json()
                return answer


async def test_a_missing_worker_is_told() -> None:
    with Server(workers=2, env={"STATUS_TOKEN": TOKEN}) as server:
        assert (await status(server))["status"] == "healthy"
        server.kill_worker()
        async with patience():
            while (told := await status(server))["status"] == "healthy":
                await asyncio.sleep(0.01)
        assert "1 of 2 workers" in told["why"]
        async with patience(30):
            while (await status(server))["status"] != "healthy":
                await asyncio.sleep(0.05)


async def test_tunnels_with_long_names_cost_no_link() -> None:
    """The longest names are cut in a status, so that it stays below the size of a message on the bus."""
    with Server(workers=2, env={"STATUS_TOKEN": TOKEN}) as server:
        peers = []
        for _ in range(60):
            peer = await Peer.open(server)
            payload = {"api_key": "test-registration-key-0123456789abcdef", "name": "ü" * 128}
            payload["auth_key"] = "k" * 16
            await peer.send(
                json.dumps({"type": "workstation.register", "payload": payload}, ensure_ascii=False)
            )
            await peer.next("workstation.registered", 10)
            peers.append(peer)
        async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, timeout=WALL_PATIENCE) as http:
            told = (await http.get("/status")).json()
        assert len(told["tunnels"]) == 60
        assert {len(tunnel["name"]) for tunnel in told["tunnels"]} == {64}
        assert "bus unavailable" not in server.logs()
        await asyncio.gather(*(peer.close() for peer in peers))
