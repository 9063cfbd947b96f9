"""A separate NATS server that is missing or misconfigured when the server starts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bus.nats import NatsServer
from tests.harness import Server, crowd, wait_until
from tests.system.test_held import command, receipt

STOP_SECONDS = 2.0
SLACK_SECONDS = 4.0  # for a busy machine
LOOK_SECONDS = 3.0  # long enough for a flood of lines to show

Make = Callable[..., Server]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Server] = []
    folder = tmp_path / "server"
    folder.mkdir()

    def one(url: str, **env: str) -> Server:
        options = {"NATS_URL": url, "BUS_START_TIMEOUT": "1s", **env}
        made.append(Server(workers=1, folder=folder, env=options))
        return made[-1]

    yield one
    for server in made:
        server.kill_everything()


@contextlib.contextmanager
def running(nats: NatsServer) -> Iterator[NatsServer]:
    nats.start()
    try:
        yield nats
    finally:
        nats.stop()


def waits(server: Server, reason: str) -> None:
    """Check that the server is alive, not ready, and logs each reason once per connection."""
    server.start(wait=False)
    wait_until(lambda: server.status("/healthz") == 200, 20, f"it is alive\n{server.tail()}")
    wait_until(lambda: reason in server.logs(), 10, f"{reason} is said\n{server.tail()}")
    time.sleep(LOOK_SECONDS)
    assert (server.status("/healthz"), server.status("/readyz")) == (200, 503)
    assert server.logs().count(reason) <= 2, server.tail()
    assert '"reason": ""' not in server.logs()
    assert "Traceback" not in server.logs()


def serves(server: Server) -> None:
    server.wait_ready()

    async def relay() -> None:
        async with crowd(server) as people:
            workstation, tunnel_id = await people.workstation()
            client = await people.client(tunnel_id)
            await client.send({"type": "hello", "text": "x" * 300_000})
            await workstation.next("hello")

    asyncio.run(relay())


def test_it_waits_for_a_server_that_is_not_there_yet(make: Make, tmp_path: Path) -> None:
    nats = NatsServer(tmp_path / "nats")
    server = make(nats.url)
    waits(server, "bus unavailable")
    with running(nats):
        serves(server)
        server.stop()


def test_it_waits_for_the_right_token_without_a_flood(make: Make, tmp_path: Path) -> None:
    nats = NatsServer(tmp_path / "nats")
    with running(nats):
        server = make(f"nats://canary-wrong@127.0.0.1:{nats.port}")
        waits(server, "Authorization Violation")
    nats._config.write_text(nats._config.read_text().replace("canary-bus-token-7f3a", "canary-wrong"))
    with running(nats):
        serves(server)
        server.stop()


def test_it_waits_for_jetstream_and_says_so(make: Make, tmp_path: Path) -> None:
    nats = NatsServer(tmp_path / "nats")
    whole = nats._config.read_text()
    nats._config.write_text("\n".join(line for line in whole.splitlines() if "jetstream" not in line))
    with running(nats):
        server = make(nats.url)
        waits(server, "JetStream is not there")
    nats._config.write_text(whole)
    with running(nats):
        serves(server)


def of_account(folder: Path, account: str, user: str = "") -> NatsServer:
    """Run a NATS server with one account of these limits, and one user of these permissions."""
    users = f"users: [{{user: a, password: b {user}}}]"
    nats = NatsServer(
        folder, authorization="", credentials="a:b", extra=f"accounts {{ A {{ {account}, {users} }} }}"
    )
    nats._config.write_text(nats._config.read_text().replace("authorization {  }", ""))
    return nats


def test_an_account_without_permissions_is_said(make: Make, tmp_path: Path) -> None:
    user = ', permissions: {publish: {deny: "$JS.API.>"}}'
    with running(of_account(tmp_path / "nats", "jetstream: enabled", user)) as nats:
        server = make(nats.url)
        waits(server, "Permissions Violation")
        assert "directory unavailable" in server.logs()


def test_a_bus_without_room_for_the_watches_stream_serves_all_else(make: Make, tmp_path: Path) -> None:
    with running(of_account(tmp_path / "nats", "jetstream: {max_streams: 1}")) as nats:
        server = make(nats.url).start()
        wait_until(lambda: "messages for watches cannot be stored" in server.logs(), 30, "it is said")
        serves(server)
        assert "maximum number of streams reached" in server.logs()


def test_a_bus_of_small_messages_is_enough(make: Make, tmp_path: Path) -> None:
    with running(NatsServer(tmp_path / "nats", extra="max_payload: 4096")) as nats:
        server = make(nats.url).start()
        serves(server)
        assert "Maximum Payload" not in nats.log.read_text()
        server.stop()


def test_a_message_that_the_bus_can_never_keep_is_refused_and_blocks_no_other(
    make: Make, tmp_path: Path
) -> None:
    async def hold(server: Server) -> None:
        async with crowd(server) as people:
            workstation, tunnel_id = await people.workstation()
            phone = await people.client(tunnel_id)
            await workstation.close()
            await phone.next("connection.workstation_offline", 15)
            for id, size in (("large", 20_000), ("small", 10)):
                await phone.send(command(id) | {"text": "x" * size})
            assert (await receipt(phone, "large", "refused"))["reason"] == "too_large"
            await receipt(phone, "small", "held")

    with running(NatsServer(tmp_path / "nats", extra="max_payload: 16384")) as nats:
        server = make(nats.url, OFFLINE_GRACE="0.2").start()
        asyncio.run(hold(server))
        server.stop()


def test_a_stop_while_it_waits_ends_at_once(make: Make, tmp_path: Path) -> None:
    server = make(NatsServer(tmp_path / "nats").url)
    waits(server, "bus unavailable")
    assert server.stop() < STOP_SECONDS + SLACK_SECONDS
    assert "killed" not in server.logs()


@pytest.mark.parametrize("single", [False, True])
def test_a_stop_while_the_embedded_bus_does_not_come_up_ends_at_once(tmp_path: Path, single: bool) -> None:
    slow = tmp_path / "bin" / "nats-server"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n")
    slow.chmod(0o755)
    code = f"import tiflis.arbiter.nats_server as n; n.find_binary = lambda: {str(slow)!r}\n"
    (tmp_path / "slow_bus.py").write_text(f"{code}from tiflis.server import app\n")
    root = Path(__file__).resolve().parent.parent.parent
    env = {"PYTHONPATH": f"{root}:{tmp_path}"}
    server = Server(1, single=single, folder=tmp_path, target="slow_bus:app", env=env)
    try:
        server.start(wait=False)
        wait_until(lambda: "nats-server" in " ".join(commands(server)), 20, "the bus is being started")
        assert server.stop() < STOP_SECONDS + SLACK_SECONDS
    finally:
        for pid in server.processes():
            os.kill(pid, signal.SIGKILL)


def commands(server: Server) -> list[str]:
    found = []
    for pid in server.processes():
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_text())
    return found
