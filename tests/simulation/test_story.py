"""A few stories with the tests; `make simulation` plays thousands."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from tools.simulation.story import FIRST_WITH_KEYS, FIRST_WITH_SLEEPERS, FIRST_WITH_STAYS, Story
from tools.simulation.virtual import run

KNOWN = (
    3,
    8,
    32,
    57,
    73,
    152,
    187,
    246,
    288,
    311,
    391,
    464,
    542,
    600,
    660,
    1115,
    1416,
    1517,
    2927,
    3949,
    3989,
    7743,
    8986,
)
SEEDS = (*KNOWN, *range(10_000, 10_020))
WITH_KEYS = (100_125, *range(FIRST_WITH_KEYS, FIRST_WITH_KEYS + 5))  # one device's key is revoked
WITH_STAYS = (
    200_041,
    200_056,
    200_089,
    200_090,
    200_126,
    200_174,
    *range(FIRST_WITH_STAYS, FIRST_WITH_STAYS + 4),
)
WITH_SLEEPERS = range(FIRST_WITH_SLEEPERS, FIRST_WITH_SLEEPERS + 6)

RETOLD = (3, 100_001, 200_001)
TELL = f"from tools.simulation.story import Story; print(*(Story(seed).play().digest() for seed in {RETOLD}))"


@pytest.mark.parametrize("seed", (*SEEDS, *WITH_KEYS, *WITH_STAYS, *WITH_SLEEPERS))
def test_all_is_well_in_the_end(seed: int) -> None:
    story = Story(seed).play()
    assert not story.broken, f"seed {seed}: {story.broken}\n{story.events}"


def test_a_story_is_the_same_in_every_process() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", TELL],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert told[0] == told[1] == [Story(seed).play().digest() for seed in RETOLD]


def test_time_passes_only_when_there_is_nothing_to_do() -> None:
    async def wait() -> None:
        await asyncio.sleep(3600)

    assert run(wait()) == pytest.approx(3600)
