"""The server behind nginx, set up as in deploy/nginx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import cast

import httpx
import pytest

from tests.harness import Crowd, Server, crowd
from tests.peers import AUTH_KEY, Peer
from tests.system.nginx import Nginx
from tiflis.relay.limiter import LOOKS_A_PAIR


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(workers=2, env={"TRUST_PROXY": "true"}) as running:
        yield running


@pytest.fixture
def nginx(server: Server) -> Iterator[Nginx]:
    with Nginx(server) as running:
        yield running


@pytest.fixture
async def people(nginx: Nginx) -> AsyncIterator[Crowd]:
    """Peers that come through nginx."""
    async with crowd(cast(Server, nginx)) as people:
        yield people


async def test_a_tunnel_works_through_it_and_has_a_public_address(nginx: Nginx, people: Crowd) -> None:
    workstation, tunnel_id = await people.workstation()
    assert workstation.seen[0]["payload"]["public_url"] == f"ws://127.0.0.1:{nginx.port}/ws"
    client = await people.client(tunnel_id)
    await client.send({"type": "x", "data": "a" * 3_000_000})
    assert len((await workstation.next("x"))["data"]) == 3_000_000
    await workstation.send({"type": "y"})
    await client.next("y")


async def test_a_reload_closes_and_refuses_nothing(nginx: Nginx, people: Crowd) -> None:
    workstation, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    async with httpx.AsyncClient(base_url=nginx.url) as browser:
        for number in range(60):
            if number % 20 == 10:
                nginx.reload()
            assert (await browser.get("/healthz")).status_code == 200
            await client.send({"type": "x", "n": number})
    assert [(await workstation.next("x"))["n"] for _ in range(60)] == list(range(60))
    assert (workstation.closed, client.closed) == (None, None)


async def test_after_its_death_the_tunnel_is_back_under_its_id(nginx: Nginx, people: Crowd) -> None:
    workstation, tunnel_id = await people.workstation()
    nginx.kill()
    await workstation.until_closed()
    nginx.start()
    again, same = await people.workstation(previous=tunnel_id)
    assert (same, again.seen[0]["payload"]["restored"]) == (tunnel_id, True)


async def wrong_key(peer: Peer, tunnel_id: str) -> str:
    payload = {"tunnel_id": tunnel_id, "auth_key": "wrong" * 5, "device_id": "d"}
    await peer.send({"type": "connect", "payload": payload})
    return str((await peer.next("error"))["payload"]["code"])


async def test_a_forged_address_fools_nobody(nginx: Nginx, people: Crowd) -> None:
    """What the client claims stands before what the proxy saw, and only the latter counts."""
    _, tunnel_id = await people.workstation()
    codes = []
    for number in range(LOOKS_A_PAIR + 2):
        peer = await Peer.open(cast(Server, nginx), headers={"X-Forwarded-For": f"203.0.113.{number}"})
        codes.append(await wrong_key(peer, tunnel_id))
        await peer.close()
    assert codes == ["INVALID_AUTH_KEY"] * LOOKS_A_PAIR + ["RATE_LIMITED"] * 2


async def test_polls_and_uploads_pass_and_no_key_is_logged(
    server: Server, nginx: Nginx, people: Crowd
) -> None:
    workstation, tunnel_id = await people.workstation()
    who = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "watch-9"}
    async with httpx.AsyncClient(base_url=f"{nginx.url}/api/v1/watch") as watch:
        assert (await watch.post("/connect", json=who)).json()["success"]
        voice = {"type": "voice", "audio": "A" * 20_000_000}
        assert (await watch.post("/command", json={**who, "message": voice}, timeout=20)).json() == {
            "success": True
        }
        waiting = asyncio.create_task(watch.get("/messages", params={**who, "wait": 10}, timeout=20))
        assert len((await workstation.next("voice"))["audio"]) == 20_000_000
        await workstation.send({"type": "answer"})
        assert [message["data"]["type"] for message in (await waiting).json()["messages"]] == ["answer"]
    assert "/api/v1/watch/messages" in nginx.log()
    assert AUTH_KEY not in nginx.log() + server.logs()
