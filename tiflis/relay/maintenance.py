"""What a hub does without being asked: follow the directory, forget what is idle, count what is there."""

import asyncio
import logging
import random
from itertools import islice
from typing import Any, TypedDict

from tiflis.bus.directory.directory import Record
from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.relay.claims import Claims
from tiflis.relay.home import Home
from tiflis.relay.hub import Hub
from tiflis.relay.pinned import Pinned
from tiflis.relay.remote.edge import Edge
from tiflis.relay.transfer import Taker

log = logging.getLogger(__name__)

STEP_DOWN_SECONDS = 3.0  # how long an outdated home waits for the new one to ask for its state
IDLE_SECONDS = 600.0  # a home without workstation, devices and watches is given back after this
NAME_TOLD = 64  # characters of a workstation's name that operators are shown; it may have thousands
FORGOTTEN_AT_ONCE = 256  # tunnels, in one round
LEAVE_SECONDS = 2.0  # a worker that ends waits no longer for the directory; its lease runs out anyway
REFRESH_SECONDS = 86_400.0  # a tunnel's record is renewed this often, far below its 30 days


class Counts(TypedDict):
    """What is online in one worker; clients include watches."""

    workstations: int
    clients: int


class Maintenance:
    """Keeps a hub true to the directory, and small."""

    def __init__(self, hub: Hub, claims: Claims, pinned: Pinned | None = None) -> None:
        """``pinned``: the worker's ledger."""
        self._hub, self._claims, self._pinned = hub, claims, pinned or Pinned()
        self._idle_since: dict[str, float] = {}  # tunnels that never had a device, by their offline time
        self._touched: dict[str, float] = {}  # when a home was last in use, or its record renewed
        hub.settled = self._settled

    def _settled(self, tunnel_id: str) -> None:
        """There is a home here; the tunnel may have been claimed again before there was."""
        record = self._claims.current(tunnel_id)
        if record is not None:
            self.directory_changed(tunnel_id, record)

    # The directory has changed

    def directory_changed(self, tunnel_id: str, record: Record | None) -> None:
        """Somebody else has claimed a tunnel of ours, perhaps."""
        home = self._hub.homes.get(tunnel_id)
        if home is None or (record is not None and record.home == self._hub.me):
            return
        if record is None:
            self._hub.spawn(self._write_again(home))
            return
        if record.generation <= home.record.generation:
            return
        if home.workstation is not None and not record.online:
            self._hub.spawn(self._reclaim(home, record))
        else:
            self._hub.later(STEP_DOWN_SECONDS, lambda: self._hub.spawn(self._step_down(home, record)))

    async def _reclaim(self, home: Home, record: Record) -> None:
        """A worker that could not hear us took the tunnel for homeless, but its workstation is here."""
        async with self._hub.lock(home.tunnel_id):
            if self._hub.homes.get(home.tunnel_id) is not home or not self._claims.newer(home.record):
                return
            try:
                self._hub.claimed(home, await self._claims.reclaim(record))
            except (Conflict, DirectoryUnavailable) as problem:
                log.warning("tunnel not reclaimed", extra={"tunnel": home.tunnel_id, "reason": str(problem)})
                return
            log.info("tunnel reclaimed", extra={"tunnel": home.tunnel_id, "from": record.home})
            await Taker(home).take(record.home, self._hub.open_channel)
            home.all_arrived()

    async def _write_again(self, home: Home) -> None:
        """The directory has lost a tunnel that is here: its store was wiped."""
        log.warning("tunnel missing in the directory, written again", extra={"tunnel": home.tunnel_id})
        await self._hub.rewrite(home, revision=0, generation=home.record.generation + 1)

    async def _step_down(self, home: Home, record: Record) -> None:
        """The new home took us for dead and asked nothing: let go of all that is still here."""
        async with self._hub.lock(home.tunnel_id):
            if self._hub.homes.get(home.tunnel_id) is not home or not self._claims.newer(home.record):
                return
            record = (
                self._claims.current(home.tunnel_id) or record
            )  # it may have been claimed once more since
            log.warning("tunnel lost to another worker", extra={"tunnel": home.tunnel_id, "to": record.home})
            clients = home.clients()
            edge_sessions = list(home.edge_sessions)
            home.retire()
            for edge_session in edge_sessions:
                edge_session.close()
            self._hub.let_go(home, record.home, clients)

    # Regularly

    async def tidy(self) -> None:
        """Once in a while: give idle homes back, renew the records of busy ones."""
        now = self._hub.now()
        for home in list(self._hub.homes.values()):
            home.tidy(now)
            touched = self._touched.setdefault(home.tunnel_id, now)
            idle = self._hub.limits.untouched_memory if home.record.untouched else IDLE_SECONDS
            if home.idle and now - touched >= min(idle, IDLE_SECONDS):
                await self._give_back(home)
            elif not home.idle and (home.workstation is None or now - touched >= REFRESH_SECONDS):
                self._touched[home.tunnel_id] = now
                if home.workstation is not None:
                    await self._hub.rewrite(home)
        self._touched = {key: at for key, at in self._touched.items() if key in self._hub.homes}
        for edge in list(self._hub.edges.values()):
            if edge.idle:
                self._hub.drop(edge)

        await self._forget_untouched(now)

    async def _forget_untouched(self, now: float) -> None:
        """Ids that never had a device and are offline are forgotten soon, so that they do not pile up."""
        offline = [record for record in self._claims.untouched() if not self._cared_for(record)]
        since = self._idle_since
        self._idle_since = {record.tunnel_id: since.get(record.tunnel_id, now) for record in offline}
        old = now - self._hub.limits.untouched_memory
        due = [record for record in offline if self._idle_since[record.tunnel_id] <= old]
        random.shuffle(due)  # other workers do the same: they begin elsewhere
        try:
            await self._claims.sweep()
            for record in due[:FORGOTTEN_AT_ONCE]:
                if self._claims.current(record.tunnel_id) == record:
                    await self._forget(record)
        except DirectoryUnavailable as problem:
            log.info("tunnels not forgotten", extra={"reason": str(problem)})

    def _cared_for(self, record: Record) -> bool:
        return record.home != "" and (record.home == self._hub.me or self._hub.alive(record.home))

    async def _forget(self, record: Record) -> None:
        try:
            await self._claims.forget(record)
        except Conflict:
            return  # it is back, or another worker was faster
        log.info("tunnel forgotten, it never had a device", extra={"tunnel": record.tunnel_id})

    async def _give_back(self, home: Home) -> None:
        """Nobody needs it; whoever is next starts from what is written down."""
        async with self._hub.lock(home.tunnel_id):
            if not home.idle or self._hub.homes.get(home.tunnel_id) is not home:
                return
            await home.watches.release()
            if await self._hub.rewrite(home, home="", online=False):
                self._hub.let_go(home, "", [])
            else:
                self._hub.thaw(home)  # the directory still sends everyone here

    async def leave(self) -> None:
        """This worker ends: write the watches down, and say in the directory that nobody is home."""
        await asyncio.gather(*(self._give_up(home) for home in list(self._hub.homes.values())))

    async def _give_up(self, home: Home) -> None:
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await home.watches.release()
                await self._hub.rewrite(home, home="", online=False)
        except TimeoutError:
            log.warning("tunnel not given back in time", extra={"tunnel": home.tunnel_id})

    # Counting

    def counts(self) -> Counts:
        """Of this worker: a tunnel's watches are counted at its home, a client where it is connected."""
        homes = self._hub.homes.values()
        here = sum(len(home.here) + len(home.watches.devices()) for home in homes)
        elsewhere = sum(
            client.connected for edge in self._hub.edges.values() for client in edge.clients.values()
        )
        return {
            "workstations": sum(home.workstation is not None for home in homes),
            "clients": here + elsewhere,
        }

    def waiting(self) -> dict[str, int]:
        """Return the bytes that wait for peers that are away for a moment, by tunnel."""
        ways: list[Home | Edge] = [*self._hub.homes.values(), *self._hub.edges.values()]
        sizes: dict[str, int] = {}
        for way in ways:
            if size := way.waiting:
                sizes[way.tunnel_id] = sizes.get(way.tunnel_id, 0) + size
        return sizes

    def tunnels(self, limit: int) -> list[dict[str, Any]]:
        """One row for each tunnel whose home is here, for the operator; at most ``limit``."""
        return [
            {
                "tunnel_id": home.tunnel_id,
                "name": home.record.name[:NAME_TOLD],
                "online": home.workstation is not None,
                "home": self._hub.me,
                "generation": home.record.generation,
                "devices": len(home.device_registry),
                "watches": len(home.watches.devices()),
                "pinned_mib": self._pinned.account(home.tunnel_id).total // 2**20,
            }
            for home in islice(self._hub.homes.values(), limit)
        ]
