"""deploy/roll.sh replaces the server's container, and no socket notices."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.nats import NatsServer
from tests.containers import RESTART, Contained, containers
from tests.harness import ROOT, Server, eventually
from tests.system.traffic import traffic

LIMIT = 200  # seconds for one run of the script


@pytest.fixture(params=["sidecar", "embedded"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Contained]:
    bus = NatsServer(tmp_path / "nats") if request.param == "sidecar" else None
    env = {"TAKEOVER": "auto", "LIVENESS_TIMEOUT": "120"}
    if bus is not None:
        bus.start()
        env["NATS_URL"] = bus.url
    server = Contained(workers=1, env=env)
    try:
        yield server
    finally:
        server.kill_everything()
        server.__exit__()
        if bus is not None:
            bus.stop()


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """Return the folder of the stand-in for `docker`."""
    folder = tmp_path / "engine"
    for path in (folder, tmp_path / "bin"):
        path.mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.containers "$@"\n')
    docker.chmod(0o755)
    return folder


SCRIPT = ["sh", str(ROOT / "deploy" / "roll.sh")]


def prepared(engine: Path, server: Contained) -> dict[str, str]:
    """Describe the next container; return the environment of the script."""
    server.describe(engine)
    path = f"{engine.parent / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "ENGINE": str(engine), "PYTHONPATH": str(ROOT)}


async def roll(engine: Path, server: Contained) -> subprocess.CompletedProcess[str]:
    env = prepared(engine, server)
    return await asyncio.to_thread(
        subprocess.run, SCRIPT, env=env, capture_output=True, text=True, timeout=LIMIT, check=False
    )


async def interrupted(engine: Path, server: Contained) -> int:
    """End the script and what it runs as soon as there is a second container; return its exit code."""
    with subprocess.Popen(SCRIPT, env=prepared(engine, server), start_new_session=True) as script:
        await eventually(lambda: len(list(engine.glob("*/restart"))) == 2, 90, "the second container")
        os.killpg(script.pid, signal.SIGTERM)
        return await asyncio.to_thread(script.wait, LIMIT)


async def test_a_container_is_replaced_and_no_socket_closes(server: Contained, engine: Path) -> None:
    assert (await roll(engine, server)).returncode == 0, "none ran: one is started"
    (first,) = containers(engine)
    await eventually(lambda: len(server.ready_workers()) == 1, 90, "the first container serves")
    async with traffic(server, seed=3, tunnels=5, devices=3):
        done = await roll(engine, server)
        assert done.returncode == 0, done.stderr
        (second,) = containers(engine)
        assert second != first
        if "NATS_URL" not in server.extra_env:
            server.extra_env["WS_PATH"] = "no path"
            broken = await roll(engine, server)
            assert (broken.returncode, containers(engine)) == (1, [second])
            assert "WS_PATH" in broken.stderr, "the script shows why the new one has not started"


async def test_a_roll_that_is_interrupted_leaves_the_old_container_as_it_was(
    server: Contained, engine: Path
) -> None:
    assert (await roll(engine, server)).returncode == 0
    (first,) = containers(engine)
    await eventually(lambda: len(server.ready_workers()) == 1, 90, "the first container serves")
    server.extra_env["NATS_URL"] = "nats://127.0.0.1:1"  # the new one waits for its bus
    code = await interrupted(engine, server)
    assert (code, containers(engine)) == (1, [first])
    assert (first / "restart").read_text() == RESTART


def test_a_server_in_another_network_is_not_taken_over() -> None:
    """It would serve on a port that its own network does not have."""
    with Server(workers=1) as old:
        new = Stranger(workers=1, port=old.port, folder=old.folder, env={"TAKEOVER": "auto"})
        new.start(wait=False)
        assert new.process is not None
        assert new.process.wait(90) == 1
        assert "in another network namespace" in new.logs()
        new.process = None
        assert old.status("/readyz") == 200


class Stranger(Contained):
    """A server in a network of its own."""

    def _command(self) -> list[str]:
        return ["unshare", "--net", *super()._command()]
