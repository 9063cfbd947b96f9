"""The server on a Unix socket, behind nginx and alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from tests.harness import AUTH_KEY, ROOT, Crowd, Server, eventually
from tests.patience import WALL_PATIENCE
from tests.system.nginx import Nginx
from tests.system.traffic import traffic
from tests.system.watches import WatchDevice
from tiflis.relay.auth.rate_limit import LOOKS_A_PAIR

PAGE = "<!doctype html><title>client</title>"


def on_socket(folder: Path, **options: object) -> Server:
    client = folder / "client"
    client.mkdir(exist_ok=True)
    (client / "index.html").write_text(PAGE)
    env = {"TRUST_PROXY": "unix", "LIVENESS_TIMEOUT": "120", "WEB_CLIENT_PATH": str(client)}
    place = folder / "tiflis.sock"
    return Server(folder=folder, unix=place, env=env, **options)  # type: ignore[arg-type]  # tests


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that nginx's user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="tiflis-unix-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run one for all tests that do not end it."""
    with open_folder() as folder, on_socket(folder) as running:
        yield running


async def test_a_tunnel_a_watch_and_the_web_client_work_through_nginx(nginx: Nginx, visitors: Crowd) -> None:
    workstation, tunnel_id = await visitors.workstation()
    assert workstation.seen[0]["payload"]["public_url"] == f"ws://127.0.0.1:{nginx.port}/ws"
    client = await visitors.client(tunnel_id)
    await client.send({"type": "x", "data": "a" * 3_000_000})
    assert len((await workstation.next("x"))["data"]) == 3_000_000
    async with WatchDevice(cast(Server, nginx), tunnel_id) as watch:
        assert (await watch.connect())["workstation_online"] is True
        await workstation.send({"type": "y"})
        await client.next("y")
    async with httpx.AsyncClient(base_url=nginx.url, timeout=WALL_PATIENCE) as browser:
        assert (await browser.get("/")).text == PAGE


async def test_a_reload_closes_nothing_and_loses_nothing(server: Server, nginx: Nginx) -> None:
    async with traffic(cast(Server, nginx), seed=6, tunnels=6):
        answer = await asyncio.to_thread(server.control, "reload", 60)
        assert answer["complete"], answer
        assert sum(worker["handed"] for worker in answer["workers"]) > 0


async def test_a_takeover_closes_nothing_and_loses_nothing(folder: Path) -> None:
    with on_socket(folder) as old, Nginx(old) as nginx:
        process = old.process
        assert process is not None
        successor = on_socket(folder, port=old.port)
        successor.extra_env = {**old.extra_env, "TAKEOVER": "1"}
        try:
            async with traffic(cast(Server, nginx), seed=7, tunnels=4):
                await asyncio.to_thread(successor.start, wait=False)
                await eventually(lambda: process.poll() is not None, 60, "the old server's end")
        finally:
            await asyncio.to_thread(successor.stop)
            old.process = None
    assert not (folder / "tiflis.sock").exists()


async def test_wrong_keys_are_counted_by_the_address_that_the_proxy_names(
    server: Server, visitors: Crowd
) -> None:
    _, tunnel_id = await visitors.workstation()
    who = {"tunnel_id": tunnel_id, "auth_key": "wrong" * 5, "device_id": "d"}
    transport = httpx.AsyncHTTPTransport(uds=str(server.unix))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://server/api/v1/watch", timeout=WALL_PATIENCE
    ) as proxy:

        async def attempt(address: str, key: str = who["auth_key"]) -> int:
            headers = {"X-Forwarded-For": address}
            return (await proxy.post("/connect", json=who | {"auth_key": key}, headers=headers)).status_code

        codes = [await attempt("192.0.2.1") for _ in range(LOOKS_A_PAIR + 1)]
        assert codes == [401] * LOOKS_A_PAIR + [429]
        assert await attempt("192.0.2.2", AUTH_KEY) == 200


def test_the_socket_of_a_killed_server_is_replaced_and_that_of_an_ended_one_removed(folder: Path) -> None:
    with on_socket(folder, workers=1) as server:
        assert server.unix is not None
        assert server.unix.stat().st_mode & 0o777 == 0o666
        server.kill_everything()
        assert server.unix.exists()
        server.extra_env["UNIX_MODE"] = "660"
        server.start()
        assert server.unix.stat().st_mode & 0o777 == 0o660
    assert not server.unix.exists()


@pytest.mark.parametrize("what", ["a file", "another process"])
def test_what_is_not_ours_is_left_alone(folder: Path, what: str) -> None:
    place = folder / "tiflis.sock"
    with contextlib.ExitStack() as stack:
        if what == "a file":
            place.write_text("precious")
        else:
            other = stack.enter_context(socket.socket(socket.AF_UNIX))
            other.bind(str(place))
            other.listen()
        before = place.stat().st_ino
        server = on_socket(folder, workers=1)
        server.start(wait=False)
        assert server.process is not None
        assert server.process.wait(WALL_PATIENCE) == 2
        assert f"tiflis: --unix {place} cannot be listened on" in server.logs()
        assert "Traceback" not in server.logs()
        assert place.stat().st_ino == before
        server.process = None


def test_commands_find_the_only_server_and_the_one_that_is_named(server: Server) -> None:
    def status(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("tiflis")), "status", *arguments]
        env = {**os.environ, **server._environment(), "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, env=env, cwd=server.folder, capture_output=True, text=True, check=False
        )

    assert status().returncode == 0
    assert "workers" in status("--unix", str(server.unix)).stdout
    assert status("--port", "1").returncode == 3
