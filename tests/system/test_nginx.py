"""The server behind nginx, configured as in deploy/nginx."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
from websockets.asyncio.client import connect as open_websocket

from tests.harness import Crowd, Server, crowd
from tests.patience import WALL_PATIENCE
from tests.peers import AUTH_KEY, REGISTRATION_KEY, Peer
from tests.system.nginx import Nginx
from tiflis.relay.auth.rate_limit import LOOKS_A_PAIR


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(workers=2, env={"TRUST_PROXY": "true"}) as running:
        yield running


# A reload closes idle connections; a browser then retries on a new one, which must always be served.
ANEW = httpx.Limits(max_keepalive_connections=0)


async def test_a_reload_closes_and_refuses_nothing(nginx: Nginx, visitors: Crowd) -> None:
    workstation, tunnel_id = await visitors.workstation()
    client = await visitors.client(tunnel_id)
    async with httpx.AsyncClient(base_url=nginx.url, limits=ANEW, timeout=WALL_PATIENCE) as browser:
        for number in range(60):
            if number % 20 == 10:
                nginx.reload()
            assert (await browser.get("/healthz")).status_code == 200
            await client.send({"type": "x", "n": number})
    assert [(await workstation.next("x"))["n"] for _ in range(60)] == list(range(60))
    assert (workstation.closed, client.closed) == (None, None)


async def test_after_its_death_the_tunnel_is_back_under_its_id(nginx: Nginx, visitors: Crowd) -> None:
    workstation, tunnel_id = await visitors.workstation()
    nginx.kill()
    await workstation.until_closed()
    nginx.start()
    again, same = await visitors.workstation(previous=tunnel_id)
    assert (same, again.seen[0]["payload"]["restored"]) == (tunnel_id, True)


async def wrong_key(peer: Peer, tunnel_id: str) -> str:
    payload = {"tunnel_id": tunnel_id, "auth_key": "wrong" * 5, "device_id": "d"}
    await peer.send({"type": "connect", "payload": payload})
    return str((await peer.next("error"))["payload"]["code"])


async def test_a_forged_address_fools_nobody(nginx: Nginx, visitors: Crowd) -> None:
    """The client's claim stands before the address that the proxy saw, and only the latter counts."""
    _, tunnel_id = await visitors.workstation()
    codes = []
    for number in range(LOOKS_A_PAIR + 2):
        peer = await Peer.open(cast(Server, nginx), headers={"X-Forwarded-For": f"203.0.113.{number}"})
        codes.append(await wrong_key(peer, tunnel_id))
        await peer.close()
    assert codes == ["INVALID_AUTH_KEY"] * LOOKS_A_PAIR + ["RATE_LIMITED"] * 2


async def test_polls_and_uploads_pass_and_no_key_is_logged(
    server: Server, nginx: Nginx, visitors: Crowd
) -> None:
    workstation, tunnel_id = await visitors.workstation()
    who = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "watch-9"}
    async with httpx.AsyncClient(base_url=f"{nginx.url}/api/v1/watch", timeout=WALL_PATIENCE) as watch:
        assert (await watch.post("/connect", json=who)).json()["success"]
        voice = {"type": "voice", "audio": "A" * 20_000_000}
        assert (await watch.post("/command", json={**who, "message": voice})).json() == {"success": True}
        waiting = asyncio.create_task(watch.get("/messages", params={**who, "wait": 10}))
        assert len((await workstation.next("voice"))["audio"]) == 20_000_000
        await workstation.send({"type": "answer"})
        assert [message["data"]["type"] for message in (await waiting).json()["messages"]] == ["answer"]
    assert "/api/v1/watch/messages" in nginx.log()
    assert AUTH_KEY not in nginx.log() + server.logs()


async def test_with_tls_sockets_pages_and_public_address_are_secure(server: Server) -> None:
    with Nginx(server, tls=True) as nginx:
        trusted = ssl.create_default_context(cafile=str(nginx.ca))
        async with open_websocket(nginx.ws_url, ssl=trusted, compression=None, proxy=None) as socket:
            payload = {"api_key": REGISTRATION_KEY, "name": "desk", "auth_key": AUTH_KEY}
            await socket.send(json.dumps({"type": "workstation.register", "payload": payload}))
            told = json.loads(await socket.recv())["payload"]
            assert told["public_url"] == nginx.ws_url
        async with httpx.AsyncClient(base_url=nginx.url, verify=trusted, timeout=WALL_PATIENCE) as browser:
            answer = await browser.get("/health")
            assert answer.json()["status"] == "healthy"
            assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_the_web_clients_files_pass_unchanged(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>client</title>")
    script = "console.log(1)\n" * 50_000
    (tmp_path / "assets" / "app-12345678.js").write_text(script)
    with Server(workers=1, env={"TRUST_PROXY": "true", "WEB_CLIENT_PATH": str(tmp_path)}) as server:
        with Nginx(server) as nginx:
            async with httpx.AsyncClient(base_url=nginx.url, timeout=WALL_PATIENCE) as browser:
                page = await browser.get("/chat/session-1")
                assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
                asset = await browser.get("/assets/app-12345678.js")
                assert asset.text == script
                assert "immutable" in asset.headers["cache-control"]
                again = await browser.get(
                    "/assets/app-12345678.js", headers={"If-None-Match": asset.headers["etag"]}
                )
                assert again.status_code == 304
                for header in ("content-security-policy", "x-content-type-options", "x-frame-options"):
                    assert header in page.headers
                assert (await browser.get("/assets/gone.js")).status_code == 404


def impatient(site: str) -> str:
    """Run nginx with timeouts of seconds instead of an hour, so that a test of silence takes seconds."""
    return re.sub(r"proxy_(read|send)_timeout +1h;", r"proxy_\1_timeout 3s;", site)


async def test_pings_alone_keep_a_socket_open(server: Server) -> None:
    with Nginx(server, change=impatient) as nginx:
        async with crowd(cast(Server, nginx)) as visitors:
            workstation, tunnel_id = await visitors.workstation()
            client = await visitors.client(tunnel_id)
            silent = await visitors.socket()
            for number in range(8):
                for peer in (workstation, client):
                    await peer.send({"type": "ping", "timestamp": number})
                    await peer.next("pong")
                await asyncio.sleep(1)
            assert (workstation.closed, client.closed) == (None, None)
            assert silent.closed is not None, "the proxy's timeout is really that short"
            await client.send({"type": "x"})
            await workstation.next("x")


async def test_a_poll_may_be_held_longer_than_proxies_wait_by_default(
    server: Server, nginx: Nginx, visitors: Crowd
) -> None:
    _, tunnel_id = await visitors.workstation()
    who = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "watch-3"}
    async with httpx.AsyncClient(base_url=f"{nginx.url}/api/v1/watch", timeout=WALL_PATIENCE) as watch:
        await watch.post("/connect", json=who)
        first = await watch.get("/messages", params={**who, "wait": 3})
        assert first.json()["messages"] == []
        assert first.elapsed.total_seconds() >= 2.9


async def test_reloads_of_both_lose_and_refuse_nothing(server: Server, nginx: Nginx, visitors: Crowd) -> None:
    """nginx and the server replace their workers while pages are read and messages pass both ways."""
    workstation, tunnel_id = await visitors.workstation()
    client = await visitors.client(tunnel_id)
    over = asyncio.Event()
    statuses: list[int] = []

    async def browse() -> None:
        async with httpx.AsyncClient(base_url=nginx.url, limits=ANEW, timeout=WALL_PATIENCE) as browser:
            while not over.is_set():
                statuses.append((await browser.get("/healthz")).status_code)

    async def talk() -> int:
        number = 0
        while not over.is_set():
            await client.send({"type": "up", "n": number})
            assert (await workstation.next("up", 20))["n"] == number
            await workstation.send({"type": "down", "n": number})
            assert (await client.next("down", 20))["n"] == number
            number += 1
        return number

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(browse())
        talking = group.create_task(talk())
        for _ in range(2):
            nginx.reload()
            answer = await asyncio.to_thread(server.control, "reload", 90)
            assert answer["complete"], answer
        over.set()
    assert set(statuses) == {200}
    assert talking.result() > 20
    assert (workstation.closed, client.closed) == (None, None)
    await client.silent("down")
