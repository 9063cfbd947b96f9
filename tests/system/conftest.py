"""Servers shared by the system tests; a test that breaks a server starts its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.harness import Crowd, Server
from tests.harness import crowd as at
from tests.system.places import Places
from tests.web.raw_peer import RawPeer


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Two workers and the embedded bus, for tests that leave them as they are."""
    with Server(workers=2) as running:
        yield running


@pytest.fixture
async def crowd(server: Server) -> AsyncIterator[Crowd]:
    """Peers at the shared server, closed after the test."""
    async with at(server) as people:
        yield people


@pytest.fixture(scope="session")
def apart() -> Iterator[Server]:
    """Two workers that leave every socket where it was accepted, so that the bus carries what is said."""
    with Server(workers=2, env={"STEERING": "false"}) as running:
        yield running


@pytest.fixture(params=["one worker", "two workers", "steered"])
async def places(request: pytest.FixtureRequest) -> AsyncIterator[Places]:
    """A workstation and its clients in one worker, in two, or wherever the server takes them."""
    steered = request.param == "steered"
    running: Server = request.getfixturevalue("server" if steered else "apart")
    first, second = (None, None) if steered else sorted(running.worker_pids().values())
    async with at(running) as people:
        yield Places(people, first, first if request.param == "one worker" else second)


@pytest.fixture(params=["one worker", "two workers"])
async def chosen_places(request: pytest.FixtureRequest, people: Crowd) -> Places:
    """At the server of the file's own ``people``, which has two workers and steers nobody."""
    first, second = sorted(people.server.worker_pids().values())
    return Places(people, first, first if request.param == "one worker" else second)


@pytest.fixture(autouse=True)
async def no_raw_peer_stays() -> AsyncIterator[None]:
    """Whatever a test opened with its own hands is reset when it ends."""
    yield
    while RawPeer.opened:
        RawPeer.opened.pop().reset()
