"""The small part of the fault programme; `make faults` runs the whole."""

from __future__ import annotations

import os

import pytest

from tools.faults.programme import SCENARIOS
from tools.faults.run import perform

# The same each time; `make faults` throws its dice anew.
SEED = int(os.environ.get("TIFLIS_TEST_SEED", "1"))
IN_TESTS = [name for name, scenario in SCENARIOS.items() if scenario.in_tests]


@pytest.mark.parametrize("name", IN_TESTS)
async def test_it_holds(name: str) -> None:
    outcome = await perform(SCENARIOS[name], SEED, small=True)
    assert outcome.holds, f"{name}, seed {SEED}:\n    {outcome.lines()}"
