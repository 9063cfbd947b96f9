"""How `make test` spreads the tests over processes: what is long first, what shares a server together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Servers and browsers of other tests run beside these: no example fails for being slow.
settings.register_profile("beside others", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beside others")

HERE = Path(__file__).parent
# What takes longest begins first, so that nobody waits for it at the end.
LONG = ("client", "faults", "arbiter", "system", "deploy")
# One browser and its server for all the tests of the web client.
TOGETHER = {"client"}
# Each test has a server of its own: any process may take the next one.
APART = {"faults", "arbiter"}


def room(item: pytest.Item) -> str:
    """The folder in tests/, or the file."""
    return item.path.relative_to(HERE).parts[0]


@pytest.hookimpl(tryfirst=True)  # xdist looks at the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(room(item)) if room(item) in LONG else len(LONG))
    for item in items:
        if room(item) not in APART:
            group = room(item) if room(item) in TOGETHER else str(item.path.relative_to(HERE))
            item.add_marker(pytest.mark.xdist_group(group))
