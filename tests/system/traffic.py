"""The load of the fault programme, for tests in which nothing may be lost."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from tests.harness import Server
from tools.faults.load import Load

RATE = 10.0  # messages per second of each client, and to it


@contextlib.asynccontextmanager
async def traffic(
    server: Server, *, seed: int, tunnels: int, devices: int = 2, least: int = 50
) -> AsyncIterator[None]:
    """Send numbered messages both ways meanwhile, at least this many; in the end check that each has arrived
    whole, once and in order, and that no peer noticed anything."""
    async with Load(server, seed=seed, tunnels=tunnels, clients=devices, rate=RATE) as load:
        load.start()
        yield
        await load.finish()
        ledger = load.ledger
        assert (ledger.lost(), ledger.doubled(), ledger.reordered()) == (0, 0, 0), "lost, doubled, reordered"
        assert (ledger.strangers, ledger.spoilt) == (0, 0), "in another tunnel, damaged"
        assert load.errors == []
        assert [(end.name, end.closed) for end in load.ends if end.closed] == []
        assert [end.control for end in load.ends if end.control] == []
        assert ledger.sent() > least
