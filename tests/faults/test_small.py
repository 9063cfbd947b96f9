"""The small part of the fault programme; `make faults` runs the whole."""

from __future__ import annotations

import random

import pytest

from tests.faults.programme import SCENARIOS
from tests.faults.run import perform

IN_TESTS = [name for name, scenario in SCENARIOS.items() if scenario.in_tests]


@pytest.mark.parametrize("name", IN_TESTS)
async def test_it_holds(name: str) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    outcome = await perform(SCENARIOS[name], seed, small=True)
    assert outcome.holds, f"{name}, seed {seed}:\n    {outcome.lines()}"
