"""F20: nginx in front, as deploy/nginx sets it up."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import httpx

from tests.harness import Server, eventually
from tests.system.nginx import Nginx
from tools.faults.enter import PING_FRAME, PING_SECONDS
from tools.faults.load import Load
from tools.faults.processes import PATIENCE, all_back
from tools.faults.run import Company, Run, need, scenario

ANEW = httpx.Limits(max_keepalive_connections=0)  # as a browser that asks again after its connection closed


class Front:
    """The server as it is reached through a proxy."""

    def __init__(self, server: Server, port: int) -> None:
        self._server, self.port = server, port

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)


@scenario(
    "F20", "nginx: reload under load, minutes of pings only, kill and restart", 900, company=Company.PATIENT
)
async def behind_nginx(run: Run) -> None:
    need("nginx", "a proxy in front")
    with run.server(workers=2, env={"TRUST_PROXY": "127.0.0.1"}) as server, Nginx(server) as nginx:
        front = cast(Server, Front(server, nginx.port))
        async with Load(front, seed=run.seed, tunnels=run.size(10, 3), clients=3, rate=10) as load:
            load.start()
            refused, asked = await reloads(run, nginx)
            await load.finish()
            run.most("refused while reloading", refused, 0)
            run.most("sockets closed by a reload", closes(load), 0)
            run.faithful(load.ledger)
            await pings_only(load, run.size(600, 10))
            run.most("idle sockets cut", closes(load), 0)
            load.reconnects = True
            await asyncio.to_thread(nginx.kill)
            await eventually(lambda: all(end.closed for end in load.ends), PATIENCE, "all have lost it")
            await asyncio.sleep(1)
            await asyncio.to_thread(nginx.start)
            began = time.monotonic()
            await eventually(lambda: all_back(load), PATIENCE, "all are back")
            run.most("back after its restart", time.monotonic() - began, 2 + run.slack(load.lag), " s")
            run.note(f"{asked} requests, {len(load.ends)} sockets, {run.size(600, 10)} s of pings")


def closes(load: Load) -> int:
    return sum(len(end.closed) for end in load.ends)


async def reloads(run: Run, nginx: Nginx) -> tuple[int, int]:
    """Requests on new connections while nginx reloads: how many failed, of how many."""
    statuses, over = list[int](), time.monotonic() + run.size(15, 4)
    async with httpx.AsyncClient(base_url=nginx.url, limits=ANEW, timeout=20) as browser:
        turn = time.monotonic() + 1
        while time.monotonic() < over:
            if time.monotonic() > turn:
                turn += run.size(3, 1)
                nginx.reload()
            try:
                statuses.append((await browser.get("/healthz")).status_code)
            except httpx.TransportError:
                statuses.append(0)
            await asyncio.sleep(0.01)
    return len(statuses) - statuses.count(200), len(statuses)


async def pings_only(load: Load, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for one in load.ends:
            if one.socket.closed is None:
                one.socket.transport.write(PING_FRAME)
        await asyncio.sleep(min(PING_SECONDS, max(0.0, end - time.monotonic())))
