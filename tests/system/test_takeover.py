"""Another installation takes over the whole server, and clients do not notice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Server, eventually
from tests.harness import crowd as at
from tests.system.traffic import traffic


def successor_of(server: Server, **options: object) -> Server:
    """Make a second server with the same port and folders."""
    return Server(
        workers=1,
        port=server.port,
        folder=server.folder,
        env={"TAKEOVER": "1"},
        **options,  # type: ignore[arg-type] # tests
    )


@contextlib.contextmanager
def taking_over(old: Server) -> Iterator[Server]:
    """Start a successor; what is left of it in the end is killed, but not the bus of the old server."""
    successor = successor_of(old)
    try:
        yield successor.start(wait=False)
    finally:
        if successor.process is not None:
            successor.kill_main()
        for pid in successor.own_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class ByCommand(Server):
    """A server that `tiflis takeover` starts."""

    def _command(self) -> list[str]:
        return [str(Path(sys.executable).with_name("tiflis")), "takeover"]


async def test_the_command_changes_every_process_and_nothing_else() -> None:
    env = {"LIVENESS_TIMEOUT": "120"}
    with Server(workers=3, env=env) as old:
        process, pid = old.process, old.pid
        assert process is not None
        successor = ByCommand(port=old.port, folder=old.folder, env=env)
        try:
            async with traffic(old, seed=5, tunnels=5):
                await asyncio.to_thread(successor.start, wait=False)
                await eventually(lambda: process.poll() is not None, 90, "the old server's end")
                assert process.returncode == 0
                await eventually(lambda: successor.status("/readyz") == 200, 20, "the new server's readiness")
                assert successor.pid != pid
                assert len(successor.ready_workers()) == 3, "as many as before"
        finally:
            await asyncio.to_thread(successor.stop)
            old.process = None


async def test_a_takeover_without_a_running_server_is_an_error() -> None:
    with Server(workers=1) as running:
        alone = Server(workers=1, env={"TAKEOVER": "1"})
        alone.start(wait=False)
        assert alone.process is not None
        assert await asyncio.to_thread(alone.process.wait, 20) == 1
        assert "cannot take over" in alone.logs()
        alone.process = None
        alone.__exit__()
        assert running.status("/readyz") == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
async def test_a_takeover_that_is_broken_off_leaves_the_old_server_as_it_was(number: signal.Signals) -> None:
    with Server(workers=2) as old, taking_over(old) as successor:
        files = {name: (old.run_dir / name).read_bytes() for name in ("bus.url", "nats.conf")}
        await eventually(lambda: len(successor.worker_pids()) > 0, 30, "the successor's first worker")
        process = successor.process
        assert process is not None
        process.send_signal(number)
        await eventually(lambda: process.poll() is not None, 20, "the successor's end")
        await eventually(lambda: "takeover failed" in old.logs(), 60, "the old server's word")
        assert {name: (old.run_dir / name).read_bytes() for name in files} == files
        dead = old.kill_worker()
        await eventually(lambda: dead not in old.ready_workers().values(), 30, "it is replaced")
        await asyncio.to_thread(old.wait_ready)
        async with at(old) as people:
            await people.workstation()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_successor_goes_on_when_the_old_server_ends_too_early(number: signal.Signals) -> None:
    with Server(workers=2) as old, taking_over(old) as successor:
        await eventually(lambda: len(successor.worker_pids()) > 0, 30, "the successor's first worker")
        os.kill(old.pid, number)
        await eventually(
            lambda: old.process is not None and old.process.poll() is not None, 30, "the old end"
        )
        await eventually(lambda: "has taken over" in successor.logs(), 60, "the successor goes on")
        await asyncio.to_thread(successor.wait_ready)
        async with at(successor) as people:
            await people.workstation()
        old.process = None


async def test_a_server_goes_on_when_its_successor_fails() -> None:
    with Server(workers=1) as old:
        async with at(old) as people:
            station, tunnel_id = await people.workstation()
            client = await people.client(tunnel_id)
            successor = successor_of(old)
            successor.start(wait=False)
            await eventually((old.run_dir / "heir.sock").exists, 20, "the successor's socket")
            await eventually(lambda: len(successor.worker_pids()) > 0, 20, "the successor's first worker")
            successor.kill_main()
            await eventually(lambda: "takeover failed" in old.logs(), 60, "the old server's word")
            await client.send({"type": "still"})
            await station.next("still")
            await eventually(lambda: bool(old.ready_workers()), 30, "the control socket")
