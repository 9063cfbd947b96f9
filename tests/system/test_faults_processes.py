"""Faults F1 to F3, starts and stops: which effects the death of a process may have.

The fault programme's figures hold on an otherwise idle machine; the deadlines here are longer, for a
busy one.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.harness import Crowd, Peer, Server, command_of, crowd, eventually, register, wait_until
from tests.patience import PATIENCE, now, within
from tests.tool import TIFLIS

RESPAWN_SECONDS = 30.0  # the figure is 1 s
STOP_SECONDS = 8.0  # at 9 s workers that hang are killed
ORPHAN_SECONDS = 15.0  # the figure is 2 s
PUSH_SECONDS = 0.01


def all_new(server: Server, *dead: int) -> Callable[[], bool]:
    def condition() -> bool:
        ready = set(server.ready_workers().values())
        return len(ready) == server.workers and not ready & set(dead)

    return condition


class Stream:
    """Sends a numbered message to the workstation every 10 ms; measures the longest gap."""

    def __init__(self, client: Peer, workstation: Peer) -> None:
        self._client, self._workstation = client, workstation
        self._sending = asyncio.create_task(self._send())
        self._hearing = asyncio.create_task(self._hear())
        self.sent = 0
        self.heard: list[int] = []
        self.longest_gap = 0.0

    async def end(self) -> None:
        """Stop sending, and wait until the last one has arrived."""
        self._sending.cancel()
        await eventually(lambda: len(self.heard) >= self.sent, PATIENCE, "the last message arrives")
        self._hearing.cancel()
        for task in (self._sending, self._hearing):
            with suppress(asyncio.CancelledError):
                await task

    async def _send(self) -> None:
        while True:
            self.sent += 1
            await asyncio.shield(self._client.send({"type": "count", "n": self.sent}))
            await asyncio.sleep(PUSH_SECONDS)

    async def _hear(self) -> None:
        last = now()
        while True:
            message = await self._workstation.next("count", 30)
            self.heard.append(message["n"])
            self.longest_gap = max(self.longest_gap, now() - last)
            last = now()


@asynccontextmanager
async def pair_at(people: Crowd, worker: int) -> AsyncIterator[tuple[Peer, Peer, str]]:
    """Connect workstation and client of one tunnel at this worker."""
    workstation, tunnel_id = await people.workstation(worker=worker)
    client = await people.client(tunnel_id, worker=worker)
    yield workstation, client, tunnel_id


@pytest.fixture(scope="module")
def killed() -> Iterator[Server]:
    # Without steering, so that a client's socket stays at the worker that a test chooses.
    with Server(workers=2, env={"STEERING": "false"}) as running:
        yield running


@pytest.fixture
def mortal(killed: Server) -> Server:
    """Return a server whose workers a test may kill, once it is whole again after the test before."""
    killed.wait_ready()
    return killed


async def test_f1_others_lose_nothing_while_workers_die(mortal: Server) -> None:
    server = mortal
    keeper = min(server.worker_pids().values())
    async with crowd(server) as people, pair_at(people, keeper) as (workstation, client, _):
        stream = Stream(client, workstation)
        for _ in range(2):
            (victim,) = set(server.worker_pids().values()) - {keeper}
            server.kill_worker(victim)
            await eventually(all_new(server, victim), RESPAWN_SECONDS, "a new worker serves")
        await stream.end()
    assert stream.heard == list(range(1, stream.sent + 1))
    assert stream.longest_gap < 1, "the figure is 0.1 s"


async def test_f1_a_killed_workers_tunnel_is_back_with_its_id(mortal: Server) -> None:
    server = mortal
    home, other = server.worker_pids().values()
    async with crowd(server) as people:
        workstation, tunnel_id = await people.workstation(worker=home)
        client = await people.client(tunnel_id, worker=other)
        server.kill_worker(home)
        assert (await workstation.until_closed())[0] == 1006
        await client.next("connection.workstation_offline")
        again, same_id = await people.workstation(previous=tunnel_id)
        await client.next("connection.workstation_online")
        assert same_id == tunnel_id
        await client.send({"type": "hello", "n": 1})
        assert (await again.next("hello"))["device_id"] == "phone-1"


async def test_f1_serving_goes_on_over_many_kills(mortal: Server) -> None:
    server = mortal
    for slot in ("0", "1", "0"):
        victim = server.worker_pids()[slot]
        server.kill_worker(victim)
        assert await asyncio.to_thread(server.status, "/readyz", RESPAWN_SECONDS) == 200
        await eventually(all_new(server, victim), RESPAWN_SECONDS, "a new worker serves")
    async with crowd(server) as people:
        _, tunnel_id = await people.workstation()
        await people.client(tunnel_id)


async def test_f2_all_workers_killed_at_once(mortal: Server) -> None:
    server = mortal
    workstation, tunnel_id = await register(server)
    dead = list(server.worker_pids().values())
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    await workstation.until_closed()
    async with crowd(server) as people:
        # The kernel accepts it while no worker lives, and the new workers serve it: no connection is lost.
        early = await within(people.socket(), RESPAWN_SECONDS)
        await early.settle(5)
        await eventually(all_new(server, *dead), RESPAWN_SECONDS, "all are new")
        _, same_id = await people.workstation(previous=tunnel_id)
        assert same_id == tunnel_id


async def test_f3_the_main_process_killed(new_server: Callable[..., Server]) -> None:
    first = new_server(workers=1).start()
    workstation, tunnel_id = await register(first)
    first.kill_main()
    await workstation.until_closed()
    await eventually(lambda: not first.processes(), ORPHAN_SECONDS, "workers and bus are gone")
    second = new_server(workers=1, port=first.port).start()
    async with crowd(second) as people:
        _, same_id = await people.workstation(previous=tunnel_id)
        assert same_id == tunnel_id


async def test_a_stop_says_goodbye_and_ends_in_time(new_server: Callable[..., Server]) -> None:
    server = new_server(workers=2).start()
    async with crowd(server) as people:
        workstation, tunnel_id = await people.workstation()
        client = await people.client(tunnel_id)
        took = await asyncio.to_thread(server.stop)
        assert (await workstation.until_closed())[0] == 1001
        assert (await client.until_closed())[0] == 1001
    assert took < STOP_SECONDS
    assert "Traceback" not in server.logs()
    assert "killed" not in server.logs()


@pytest.mark.parametrize("moment", ["bus started", "starting worker", "bus up"])
def test_a_stop_while_it_starts_ends_at_once(new_server: Callable[..., Server], moment: str) -> None:
    server = new_server(workers=1).start(wait=False)
    wait_until(lambda: moment in server.logs(), 15, moment)
    assert server.stop() < STOP_SECONDS
    assert "Traceback" not in server.logs()


def test_a_hangup_while_it_starts_does_not_end_it(
    new_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = new_server(workers=1)
    monkeypatch.setattr(server, "_command", lambda: [TIFLIS, "serve", "--workers", "1"])
    process = server.start(wait=False).process
    assert process is not None

    def ready() -> bool:
        if "bin/sanic" in command_of(process.pid):
            process.send_signal(signal.SIGHUP)
        return bool(server.ready_workers())

    wait_until(ready, 30, "it serves")
    server.stop()


@pytest.mark.parametrize("options", [{"single": True}, {"dev": True}])
async def test_the_other_ways_to_start(new_server: Callable[..., Server], options: dict[str, object]) -> None:
    server = new_server(**options).start()
    async with crowd(server) as people:
        workstation, tunnel_id = await people.workstation()
        client = await people.client(tunnel_id)
        await client.send({"type": "hello"})
        await workstation.next("hello")
    await asyncio.to_thread(server.stop)
    assert "Traceback" not in server.logs()
