"""A change of a device key counts once no worker is left that may serve its device's sockets without it."""

from __future__ import annotations

from typing import Any

from tests.bus.nats import NatsServer
from tests.bus.test_presence import present
from tests.bus.waiting import until
from tiflis.bus.devices.spread import FACT, Spread

LEASE = 1.6  # above the pause between two hellos
HERE, THERE = "h-0-aaa", "i-0-bbb"


class Applied:
    """The changes that a worker has applied."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, bytes | None, int]] = []

    def __call__(self, *change: Any) -> None:
        self.changes.append(change)


async def test_a_worker_that_is_cut_off_has_not_confirmed_a_revocation(nats_server: NatsServer) -> None:
    async with present(nats_server, HERE, LEASE, **{FACT: True}) as (one, _, _):
        here, there = Spread(one, HERE, Applied()), Applied()
        async with present(nats_server, THERE, LEASE, **{FACT: True}) as (two, _, link):
            Spread(two, THERE, there)
            await until(lambda: THERE in one.peers)
            assert await here.confirm("t.k", None, 3, True)
            assert there.changes == [("t.k", None, 3)]
            await link.close()
            await until(lambda: THERE not in one.peers, 20)
            assert await here.confirm("t.k", b"{}", 4), "a new key need not wait for it"
            assert not await here.confirm("t.k", None, 5, True)
        one.gone(THERE)  # its main process has seen it end
        assert await here.confirm("t.k", None, 5, True)


async def test_a_worker_that_others_miss_counts_too(nats_server: NatsServer) -> None:
    facts = {FACT: True}
    async with (
        present(nats_server, HERE, LEASE, **facts) as (one, _, _),
        present(nats_server, "h-1-ccc", LEASE, **facts) as (sibling, _, _),
    ):
        async with present(nats_server, THERE, LEASE, **facts) as (_, _, link):
            await until(lambda: THERE in sibling.peers and "h-1-ccc" in one.peers)
            Spread(sibling, "h-1-ccc", Applied())
            await link.close()
            await until(lambda: THERE not in sibling.peers and THERE not in one.peers, 20)
        one._missing.clear()  # it has started since
        assert not await Spread(one, HERE, Applied()).confirm("t.k", None, 5, True)
