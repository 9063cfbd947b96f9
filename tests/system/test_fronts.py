"""The server behind each proxy for which deploy/ has a file, on one shared server."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from tests.harness import REGISTRATION_KEY, ROOT, Server, crowd, eventually
from tests.patience import WALL_PATIENCE, patience
from tests.system.fronts import AGE, NAMES, Front, front
from tests.system.nginx import Nginx
from tests.system.test_doctor import doctor

STATUS_TOKEN = "status-token-0123456789"
CLIENT = ROOT / "public" / "dist"
SECONDS = 60  # for a proxy to start, or to take its new configuration


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    env = {"TRUST_PROXY": "true", "STATUS_TOKEN": STATUS_TOKEN, "WEB_CLIENT_PATH": str(CLIENT)}
    with Server(workers=1, env={**env, "LIVENESS_TIMEOUT": "300", "ACCESS_LOG": "on"}) as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
async def test_no_key_of_a_watch_is_in_a_log_while_the_server_is_away(name: str) -> None:
    """A proxy logs the failure of such a request beside the request."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        away = cast(Server, SimpleNamespace(port=taken.getsockname()[1], unix=None))
    with front(name, away) as proxy:
        async with httpx.AsyncClient(
            base_url=f"{proxy.url}{proxy.prefix}/", timeout=WALL_PATIENCE
        ) as browser:
            async with patience(SECONDS):
                while await status(browser, "api/v1/watch/messages?auth_key=canary") < 500:
                    await asyncio.sleep(0.1)
        shown = re.compile('messages|"OriginStatus"|"DownstreamStatus":5')
        await eventually(lambda: shown.search(proxy.log()) is not None, SECONDS, "a line about it")
        assert "canary" not in proxy.log()


@pytest.fixture(params=NAMES)
def proxy(request: pytest.FixtureRequest, server: Server) -> Iterator[Front | Nginx]:
    with front(request.param, server) as running:
        yield running


async def status(browser: httpx.AsyncClient, path: str) -> int:
    """Return the status of an answer, 0 while none comes."""
    try:
        return (await browser.get(path)).status_code
    except httpx.TransportError:
        return 0


async def age(browser: httpx.AsyncClient) -> str:
    """Return the age in Strict-Transport-Security, which a new connection gets; empty while none answers."""
    try:
        answer = await browser.get("healthz")
    except httpx.TransportError:
        return ""
    return answer.headers.get("strict-transport-security", "") if answer.status_code == 200 else ""


async def until_age(browser: httpx.AsyncClient, wanted: str) -> None:
    async with patience(SECONDS):
        while wanted not in await age(browser):
            await asyncio.sleep(0.1)


async def test_the_doctor_is_content_and_a_reload_closes_no_socket(
    proxy: Front | Nginx, server: Server, tmp_path: Path
) -> None:
    anew = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=f"{proxy.url}{proxy.prefix}/", limits=anew, timeout=WALL_PATIENCE
    ) as browser:
        await until_age(browser, AGE)
        page = await browser.get("")
        (script,) = re.findall(r'<script type="module"[^>]* src="\./([^"]+)"', page.text)
        asset = await browser.get(script)
        assert (asset.status_code, asset.text) == (200, (CLIENT / script).read_text())
        async with crowd(cast(Server, proxy)) as people:
            workstation, tunnel_id = await people.workstation()
            assert workstation.seen[0]["payload"]["public_url"] == proxy.ws_url
            client = await people.client(tunnel_id)
            proxy.change(AGE, "31536007")
            await asyncio.to_thread(proxy.reload)
            await until_age(browser, "31536007")
            await client.send({"type": "x", "data": "a" * 3_000_000})
            assert len((await workstation.next("x", 30))["data"]) == 3_000_000
            await workstation.send({"type": "y"})
            await client.next("y", 30)
            assert (workstation.closed, client.closed) == (None, None)
        keys = ("--api-key", REGISTRATION_KEY, "--status-token", STATUS_TOKEN, "--quick")
        code, shown = await asyncio.to_thread(doctor, f"{proxy.url}{proxy.prefix}/", *keys, folder=tmp_path)
        assert (code, "all is well" in shown) == (0, True), shown
        assert "fail" not in shown
        await browser.get("healthz?auth_key=canary")
        await browser.get(f"asked-{proxy.port}", headers={"X-Request-ID": "a-stranger"})
    await eventually(lambda: "healthz" in proxy.log() or "RequestMethod" in proxy.log(), SECONDS, "a line")
    assert "canary" not in proxy.log()
    await eventually(lambda: f"asked-{proxy.port}" in server.logs(), SECONDS, "the request is in the log")
    (line,) = (line for line in server.logs().splitlines() if f"asked-{proxy.port}" in line)
    has_ids = not isinstance(proxy, Front) or proxy.name != "traefik"
    assert ("a-stranger" not in line) == has_ids, "a proxy with ids of its own passes on no other"
