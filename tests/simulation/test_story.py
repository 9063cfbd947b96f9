"""A few stories with the tests; `make simulation` plays thousands."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulation.story import Story
from tests.simulation.virtual import run

KNOWN = (5, 13, 29, 98)  # each of these has found something


@pytest.mark.parametrize("seed", [*KNOWN, *range(1000, 1012)])
def test_all_is_well_in_the_end(seed: int) -> None:
    story = Story(seed).play()
    assert not story.broken, f"seed {seed}: {story.broken}\n{story.events}"


def test_a_story_is_the_same_each_time() -> None:
    first, second = Story(3).play(), Story(3).play()
    assert first.events == second.events
    assert first.world.account.said.keys() == second.world.account.said.keys()


def test_time_passes_only_when_there_is_nothing_to_do() -> None:
    async def wait() -> None:
        await asyncio.sleep(3600)

    assert run(wait()) == pytest.approx(3600)
