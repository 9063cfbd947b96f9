"""Gives idle homes back, forgets unused tunnels, and counts what this worker has."""

import asyncio
import logging
import random
from itertools import islice
from typing import Any, TypedDict

from tiflis.bus.directory.directory import Record
from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.relay.claims import Claims
from tiflis.relay.home import Home
from tiflis.relay.migration import Migration
from tiflis.relay.pinned import Pinned
from tiflis.relay.remote.edge import Edge
from tiflis.relay.router import Router

log = logging.getLogger(__name__)

IDLE_SECONDS = 600.0  # a home without workstation, devices and watches is given back after this
NAME_SHOWN = 64  # characters of a workstation's name that an operator sees; it may have thousands
FORGOTTEN_AT_ONCE = 256  # tunnels, in one call of tidy
LEAVE_SECONDS = 2.0  # a worker that ends waits no longer for the directory; its lease runs out anyway
REFRESH_SECONDS = 86_400.0  # a tunnel's record is renewed this often, far below its 30 days


class Counts(TypedDict):
    """The peers that are online in one worker; clients include watches."""

    workstations: int
    clients: int


class Maintenance:
    """Keeps the homes and edges of one worker few, and counts them."""

    def __init__(
        self, router: Router, migration: Migration, claims: Claims, pinned: Pinned | None = None
    ) -> None:
        """``pinned``: the ledger of the bytes that peers pin in this worker."""
        self._router, self._migration = router, migration
        self._claims, self._pinned = claims, pinned or Pinned()
        self._idle_since: dict[str, float] = {}  # tunnels that never had a device, by their offline time
        self._touched: dict[str, float] = {}  # when a home was last in use, or its record renewed

    # Regularly

    async def tidy(self) -> None:
        """Give idle homes back, renew the records of busy ones, drop idle edges. Called now and then."""
        now = self._router.now()
        for home in list(self._router.homes.values()):
            home.tidy(now)
            touched = self._touched.setdefault(home.tunnel_id, now)
            idle = self._router.limits.untouched_memory if home.record.untouched else IDLE_SECONDS
            if home.idle and now - touched >= min(idle, IDLE_SECONDS):
                await self._give_back(home)
            elif not home.idle and (home.workstation is None or now - touched >= REFRESH_SECONDS):
                self._touched[home.tunnel_id] = now
                if home.workstation is not None:
                    await self._router.rewrite(home)
        self._touched = {key: at for key, at in self._touched.items() if key in self._router.homes}
        for edge in list(self._router.edges.values()):
            if edge.idle:
                self._router.drop(edge)

        await self._forget_untouched(now)

    async def _forget_untouched(self, now: float) -> None:
        """Forget tunnels that never had a device and are offline, so that their records do not pile up."""
        offline = [record for record in self._claims.untouched() if not self._has_home(record)]
        since = self._idle_since
        self._idle_since = {record.tunnel_id: since.get(record.tunnel_id, now) for record in offline}
        old = now - self._router.limits.untouched_memory
        due = [record for record in offline if self._idle_since[record.tunnel_id] <= old]
        random.shuffle(due)  # other workers do the same, in another order
        try:
            await self._claims.sweep()
            for record in due[:FORGOTTEN_AT_ONCE]:
                if self._claims.current(record.tunnel_id) == record:
                    await self._forget(record)
        except DirectoryUnavailable as problem:
            log.info("tunnels not forgotten", extra={"reason": str(problem)})

    def _has_home(self, record: Record) -> bool:
        return record.home != "" and (record.home == self._router.me or self._router.alive(record.home))

    async def _forget(self, record: Record) -> None:
        try:
            await self._claims.forget(record)
        except Conflict:
            return  # the workstation is back, or another worker was faster
        log.info("tunnel forgotten, it never had a device", extra={"tunnel": record.tunnel_id})

    async def _give_back(self, home: Home) -> None:
        """Give back an idle home; the next home starts from what is stored."""
        async with self._router.lock(home.tunnel_id):
            if not home.idle or self._router.homes.get(home.tunnel_id) is not home:
                return
            await home.watches.release()
            if await self._router.rewrite(home, home="", online=False):
                self._migration.let_go(home, "", [])
            else:
                self._migration.thaw(home)  # the directory still names this worker as home

    async def leave(self) -> None:
        """Store the watches, and write in the directory that the tunnels have no home: this worker ends."""
        await asyncio.gather(*(self._give_up(home) for home in list(self._router.homes.values())))

    async def _give_up(self, home: Home) -> None:
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await home.watches.release()
                await self._router.rewrite(home, home="", online=False)
        except TimeoutError:
            log.warning("tunnel not given back in time", extra={"tunnel": home.tunnel_id})

    # Counting

    def counts(self) -> Counts:
        """Return this worker's counts: watches are counted at their tunnel's home, clients where they are
        connected."""
        homes = self._router.homes.values()
        here = sum(len(home.here) + len(home.watches.devices()) for home in homes)
        elsewhere = sum(
            client.connected for edge in self._router.edges.values() for client in edge.clients.values()
        )
        return {
            "workstations": sum(home.workstation is not None for home in homes),
            "clients": here + elsewhere,
        }

    def waiting(self) -> dict[str, int]:
        """Return the bytes that wait for peers that are away for a moment, by tunnel."""
        routes: list[Home | Edge] = [*self._router.homes.values(), *self._router.edges.values()]
        sizes: dict[str, int] = {}
        for route in routes:
            if size := route.waiting:
                sizes[route.tunnel_id] = sizes.get(route.tunnel_id, 0) + size
        return sizes

    def tunnels(self, limit: int) -> list[dict[str, Any]]:
        """Return one row for each tunnel whose home is here, at most ``limit`` rows, for the operator."""
        return [
            {
                "tunnel_id": home.tunnel_id,
                "name": home.record.name[:NAME_SHOWN],
                "online": home.workstation is not None,
                "home": self._router.me,
                "generation": home.record.generation,
                "devices": len(home.device_registry),
                "watches": len(home.watches.devices()),
                "staying": home.watches.stays.absent(),
                "held": home.held.waiting,
                "pinned_mib": self._pinned.account(home.tunnel_id).total // 2**20,
            }
            for home in islice(self._router.homes.values(), limit)
        ]
