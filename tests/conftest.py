"""How `make test` spreads the tests over processes: what is long first, what shares a server together."""

from __future__ import annotations

import signal
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Servers and browsers of other tests run beside these: no example fails for being slow.
settings.register_profile("beside others", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beside others")

# What takes longest begins first, so that nobody waits for it at the end.
LONG = ("client", "faults", "arbiter", "system", "deploy")
# One browser at a time: it keeps both cores of a small machine busy, and several starve each other.
TOGETHER = {"client"}
# Each test has a server of its own: any process may take the next one.
APART = {"faults", "arbiter"}


def end_in_order(number: int, frame: FrameType | None) -> None:
    """End the tests as after Ctrl-C, so that their servers end too: `timeout` sends SIGTERM."""
    pytest.exit("SIGTERM", 128 + number)


signal.signal(signal.SIGTERM, end_in_order)


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def room(nodeid: str) -> str:
    """Return the folder in tests/, or the file."""
    return file_of(nodeid).split("/")[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rooms = [room(item.nodeid) for item in items]
    ranks = {one: LONG.index(one) if one in LONG else len(LONG) for one in rooms}
    items.sort(key=lambda item: ranks[room(item.nodeid)])


class Spread(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests of one file run in one process, one after the other, but for the rooms named above."""

    def _split_scope(self, nodeid: str) -> str:
        if room(nodeid) in APART:
            return nodeid
        return room(nodeid) if room(nodeid) in TOGETHER else file_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Spread:
    return Spread(config, log)
