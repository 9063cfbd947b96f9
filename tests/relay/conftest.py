"""What tests of several workers begin with."""

from collections.abc import AsyncIterator

import pytest

from tests.relay.town import Town


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    """Three workers, "a", "b" and "c", and nobody in them."""
    town = Town("a", "b", "c")
    yield town
    await town.close()
