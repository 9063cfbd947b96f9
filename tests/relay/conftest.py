"""Fixtures: one home with its peers, and several workers."""

from collections.abc import AsyncIterator

import pytest

from tests.relay.stage import Stage
from tests.relay.town import Town


@pytest.fixture
def stage() -> Stage:
    """Return one home, without peers."""
    return Stage()


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    """Return three workers, "a", "b" and "c", without peers."""
    town = Town("a", "b", "c")
    yield town
    await town.close()
