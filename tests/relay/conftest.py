"""Fixtures for tests of several workers."""

from collections.abc import AsyncIterator

import pytest

from tests.relay.town import Town


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    """Return three workers, "a", "b" and "c", without peers."""
    town = Town("a", "b", "c")
    yield town
    await town.close()
