"""`tiflis end`: an operator closes the sockets of a tunnel, a device or a connection, in any worker."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.harness import ROOT, Server
from tests.harness import crowd as at
from tests.patience import WALL_PATIENCE
from tests.system.watches import WatchDevice


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(workers=2, env={"STEERING": "false"}) as running:
        yield running


async def end(server: Server, *what: str) -> tuple[int, str]:
    """Run `tiflis end`; return its exit code and output."""
    place = ("--data-dir", str(server.data_dir), "--port", str(server.port))
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tiflis.cli", "end", *what, *place],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WALL_PATIENCE,
    )
    return done.returncode, (done.stdout + done.stderr).strip()


async def test_a_device_is_ended_in_all_workers_and_no_other(server: Server) -> None:
    async with at(server) as people:
        workstation, tunnel_id = await people.workstation()
        workers = list(server.worker_pids().values())
        phones = [await people.client(tunnel_id, device_id="phone", worker=worker) for worker in workers]
        tablet = await people.client(tunnel_id, device_id="tablet")
        assert await end(server, "device", tunnel_id, "phone") == (0, "2 ended")
        assert {(await phone.until_closed())[0] for phone in phones} == {1008}
        assert await workstation.next("client.disconnected")
        await tablet.settle()
        assert (await end(server, "device", tunnel_id, "nobody"))[0] == 1


async def test_a_tunnel_is_ended_with_all_that_it_has(server: Server) -> None:
    async with at(server) as people, contextlib.AsyncExitStack() as stack:
        workstation, tunnel_id = await people.workstation()
        phone = await people.client(tunnel_id)
        watch = await stack.enter_async_context(WatchDevice(server, tunnel_id))
        await watch.http.post("/connect", json=watch.who)
        _, other_id = await people.workstation()
        other = await people.client(other_id)
        assert await end(server, "tunnel", tunnel_id) == (0, "3 ended")
        assert [(await peer.until_closed())[0] for peer in (workstation, phone)] == [1008, 1008]
        await other.settle()
        assert not (await watch.http.get("/state", params=watch.who)).json()["connected"]
