"""The shipped clients' habits against a real server whose workers are replaced and killed.

The actors of the simulation use real sockets: each time, all of them end connected and
authenticated, and no workstation keeps registering.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.harness import Server, eventually, wait_until
from tests.patience import now
from tests.relay.fakes import REGISTRATION_KEY
from tools.simulation.account import Account
from tools.simulation.actors import Actor, Workstation
from tools.simulation.clients import KINDS, Client, Web
from tools.simulation.lines import Line
from tools.simulation.world import World

WELL_SECONDS = 15.0  # on a busy machine; the simulation holds it to 5
REST_SECONDS = 1.5


class Connection:
    """A connection of the simulation over a WebSocket; messages wait until it is open."""

    def __init__(self, url: str) -> None:
        self.hear: Any = lambda text: None
        self.lost: Any = lambda: None
        self.said, self.taken, self.ended_at, self.closed = 0, 1 << 30, 0.0, False
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self.life = asyncio.create_task(self._live(url))

    def say(self, text: bytes) -> None:
        self.said += 1
        self._outgoing.put_nowait(text)

    def hang_up(self) -> None:
        self.closed = True
        self.life.cancel()

    async def _live(self, url: str) -> None:
        try:
            async with open_websocket(url, compression=None, ping_interval=None, proxy=None) as socket:
                speaker = asyncio.create_task(self._speak(socket))
                try:
                    async for text in socket:
                        self.hear(text)
                finally:
                    speaker.cancel()
        except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
            pass
        self.lost()

    async def _speak(self, socket: ClientConnection) -> None:
        while True:
            await socket.send((await self._outgoing.get()).decode())


class MachineLoop:
    """What actors use of an event loop, in seconds of a machine that keeps up."""

    time = staticmethod(now)

    def call_later(self, delay: float, call: Callable[..., object], *arguments: object) -> None:
        loop, end = asyncio.get_running_loop(), now() + delay

        def look() -> None:
            left = end - now()
            if left > 0:
                loop.call_later(max(left, 0.01), look)
            else:
                call(*arguments)

        look()


class Street:
    """The actors' environment: a server to connect to, a clock and a random generator."""

    def __init__(self, url: str) -> None:
        self.loop, self.dice, self.account = MachineLoop(), random.Random(1), Account()
        self.broken: list[str] = []
        self.troubled = True
        self._url, self._closed = url, False
        self.lines: list[Connection] = []

    def open(self, address: str) -> Line | None:
        if self._closed:
            return None
        self.lines.append(Connection(self._url))
        return cast(Line, self.lines[-1])

    def check(self, holds: bool, text: str) -> None:
        if not holds:
            self.broken.append(text)

    async def close(self) -> None:
        self._closed = True
        for line in self.lines:
            line.hang_up()
        await asyncio.gather(*(line.life for line in self.lines), return_exceptions=True)


class Town:
    """Three tunnels with a workstation, two tabs of one browser, an iPhone and an Android each."""

    def __init__(self, street: Street) -> None:
        world = cast(World, street)
        self.stations = {name: Workstation(world, name) for name in ("habits-1", "habits-2", "habits-3")}
        self.clients: list[Client] = [
            kind(world, tunnel, kind.__name__) for tunnel in self.stations for kind in (*KINDS, Web)
        ]
        actors: list[Actor] = [*self.stations.values(), *self.clients]
        for actor in actors:
            actor.enter()

    def well(self) -> bool:
        """Return whether all actors are connected and authenticated."""
        known = {name: station.known for name, station in self.stations.items() if station.at_work}
        return len(known) == len(self.stations) and all(
            one.at_work and one.name in known[one.tunnel] for one in self.clients
        )

    def registrations(self) -> list[int]:
        return [station.registrations for station in self.stations.values()]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(workers=2, env={"TUNNEL_REGISTRATION_API_KEY": REGISTRATION_KEY}) as running:
        yield running


@pytest.fixture
async def street(server: Server) -> AsyncIterator[Street]:
    street = Street(server.ws_url)
    yield street
    await street.close()


async def kill(server: Server, pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)

    def replaced() -> bool:
        ready = set(server.ready_workers().values())
        return len(ready) == 2 and not ready & set(pids)

    # In a thread, because the question may take long while the peers continue.
    await asyncio.to_thread(wait_until, replaced, WELL_SECONDS, "two living workers")


async def at_rest(town: Town, street: Street) -> None:
    await eventually(town.well, WELL_SECONDS, "everybody connected and authenticated")
    before = town.registrations()
    await asyncio.sleep(REST_SECONDS)  # only waiting can show that nothing happens
    assert town.registrations() == before, "a workstation goes on registering"
    assert town.well() and not street.broken, street.broken


async def test_everybody_is_well_after_a_reload_and_new_workstations(server: Server, street: Street) -> None:
    town = Town(street)
    await eventually(town.well, WELL_SECONDS, "well at the start")
    answer = await asyncio.to_thread(server.control, "reload", 60.0)
    assert answer["complete"]
    for station in town.stations.values():
        station.restart()
    await at_rest(town, street)


async def test_everybody_is_well_after_a_second_connection_and_a_workers_death(
    server: Server, street: Street
) -> None:
    town = Town(street)
    await eventually(town.well, WELL_SECONDS, "well at the start")
    for station in town.stations.values():
        station.overlap()
    await kill(server, list(server.ready_workers().values())[:1])
    await at_rest(town, street)


async def test_everybody_is_well_after_the_death_of_all_workers(server: Server, street: Street) -> None:
    town = Town(street)
    await eventually(town.well, WELL_SECONDS, "well at the start")
    await kill(server, list(server.ready_workers().values()))
    await at_rest(town, street)
