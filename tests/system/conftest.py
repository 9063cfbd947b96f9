"""Servers shared by the system tests; a test that breaks a server starts its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.harness import Crowd, Server
from tests.harness import crowd as at
from tests.system.nginx import Nginx
from tests.system.places import Places
from tests.web.raw_peer import RawPeer


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Run two workers and the embedded bus, for tests that do not break or change them."""
    with Server(workers=2) as running:
        yield running


@pytest.fixture
async def crowd(server: Server) -> AsyncIterator[Crowd]:
    """Make peers at the shared server; close them after the test."""
    async with at(server) as people:
        yield people


@pytest.fixture
def nginx(server: Server) -> Iterator[Nginx]:
    """Run nginx, as deploy/nginx configures it, in front of the file's server."""
    with Nginx(server) as running:
        yield running


@pytest.fixture
async def visitors(nginx: Nginx) -> AsyncIterator[Crowd]:
    """Make peers that connect through nginx."""
    async with at(cast(Server, nginx)) as crowd:
        yield crowd


@pytest.fixture(scope="session")
def apart() -> Iterator[Server]:
    """Run two workers that do not steer sockets, so that messages between them use the bus."""
    with Server(workers=2, env={"STEERING": "false"}) as running:
        yield running


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that makes servers, not started, in the test's folder; they end with the test."""
    made: list[Server] = []

    def make(**options: object) -> Server:
        made.append(Server(folder=tmp_path, **options))  # type: ignore[arg-type]  # the test's own
        return made[-1]

    yield make
    for one in made:
        one.kill_everything()


@pytest.fixture(params=["one worker", "two workers", "steered"])
async def places(request: pytest.FixtureRequest) -> AsyncIterator[Places]:
    """Place a workstation and its clients in one worker, in two, or where the server puts them."""
    steered = request.param == "steered"
    running: Server = request.getfixturevalue("server" if steered else "apart")
    first, second = (None, None) if steered else sorted(running.worker_pids().values())
    async with at(running) as people:
        yield Places(people, first, first if request.param == "one worker" else second)


@pytest.fixture(params=["one worker", "two workers"])
async def chosen_places(request: pytest.FixtureRequest, people: Crowd) -> Places:
    """Place peers at the server of the file's own ``people``, which has two workers and does not steer."""
    first, second = sorted(people.server.worker_pids().values())
    return Places(people, first, first if request.param == "one worker" else second)


@pytest.fixture(autouse=True)
async def no_raw_peer_stays() -> AsyncIterator[None]:
    """Reset every raw connection that a test opened when the test ends."""
    yield
    while RawPeer.opened:
        RawPeer.opened.pop().reset()
