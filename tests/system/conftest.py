"""Servers shared by the system tests; a test that breaks a server starts its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.harness import Crowd, Server
from tests.harness import crowd as at


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
