"""The simulated outage that docs/scale.md tells of."""

from __future__ import annotations

from pathlib import Path

from tiflis.bus.nats.jetstream import AT_ONCE
from tools.scale.__main__ import table
from tools.scale.model import CONNECT, REGISTER, Size, outage

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


def test_the_page_has_the_table_as_the_simulation_writes_it() -> None:
    assert table() in PAGE.read_text()


def test_the_bound_is_that_of_the_bus() -> None:
    assert Size(1, 1).at_once == AT_ONCE


def test_few_are_back_as_soon_as_their_pauses_and_the_processors_allow() -> None:
    story = outage(Size(hosts=1, users=1_000))
    assert story.refused == 0
    assert story.clients[100] < 1 + 1_000 * (REGISTER + 1.5 * CONNECT) / 14
