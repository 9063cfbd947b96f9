"""Several workers' hubs on one cable and one directory, without processes, sockets and bus."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from tests.patience import PATIENCE, patience
from tests.relay.fake_directory import FakeDirectory
from tests.relay.fakes import AUTH_KEY, REGISTRATION_KEY, Cable, FakeDesk, FakeWire
from tiflis.bus.directory.directory import Directory, Record
from tiflis.limits import Limits
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.auth.rate_limit import Limiter
from tiflis.relay.authenticator import Authenticator
from tiflis.relay.claims import Claims
from tiflis.relay.home import Home
from tiflis.relay.hub import Hub
from tiflis.relay.maintenance import Maintenance
from tiflis.relay.migration import Migration
from tiflis.relay.router import Router
from tiflis.relay.tasks import Tasks


class Town:
    """``a``, ``b``, ``c`` … are the workers' names; a peer is given by its wire."""

    def __init__(self, *workers: str, **limits: Any) -> None:
        self.cable, self.directory, self.tasks = Cable(), FakeDirectory(), Tasks()
        self.alive = set(workers)
        self.limits = Limits().model_copy(update=limits)
        self.upkeeps: dict[str, Maintenance] = {}
        self.directory.on_change = self._changed
        self.hubs = {worker: self._hub(worker) for worker in workers}

    def _hub(self, worker: str) -> Hub:
        ring = Keyring([REGISTRATION_KEY])
        claims = Claims(cast(Directory, self.directory), ring, worker, 0.0)
        gate = Authenticator(claims, ring, Limiter(None, lambda: 1000.0, lambda data: None))
        opener = self.cable.opener(worker)
        alive = self.alive.__contains__
        router = Router(worker, self.limits, claims, alive, _polled, self.tasks, opener)
        hub = Hub(router, Migration(router, claims), claims, gate)
        self.upkeeps[worker] = Maintenance(hub.router, hub.migration, claims)
        self.cable.acceptors[worker] = hub.migration.accept
        return hub

    def _changed(self, tunnel_id: str, record: Record | None) -> None:
        for worker in self.upkeeps:
            self.hubs[worker].migration.directory_changed(tunnel_id, record)

    def home(self, worker: str) -> Home:
        [home] = self.hubs[worker].router.homes.values()
        return home

    def homes_with_workstation(self) -> list[str]:
        return [
            worker
            for worker, hub in self.hubs.items()
            if any(home.workstation is not None for home in hub.router.homes.values())
        ]

    def socket(self, worker: str) -> FakeWire:
        wire = FakeWire()
        wire.session = self.hubs[worker].pending_session(wire, "ws://here/ws")
        return wire

    async def settle(self) -> None:
        """Run until nothing happens any more without time passing."""
        await self.cable.settle()

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        async with patience(seconds):
            while not condition():
                self.cable.carry()
                await asyncio.sleep(0.005)

    async def workstation(
        self, worker: str, tunnel_id: str = "tunnel-1", auth_key: str = AUTH_KEY
    ) -> FakeWire:
        return await self.workstation_at(self.socket(worker), tunnel_id, auth_key)

    async def workstation_at(
        self, wire: FakeWire, tunnel_id: str = "tunnel-1", auth_key: str = AUTH_KEY
    ) -> FakeWire:
        wire.say(self.registration(tunnel_id, auth_key))
        await self.settle()
        return wire

    def registration(self, tunnel_id: str = "tunnel-1", auth_key: str = AUTH_KEY) -> dict[str, Any]:
        payload = {
            "api_key": REGISTRATION_KEY,
            "name": "desk",
            "auth_key": auth_key,
            "reconnect": True,
            "previous_tunnel_id": tunnel_id,
        }
        return {"type": "workstation.register", "payload": payload}

    async def client(self, worker: str, device_id: str = "phone", **more: Any) -> FakeWire:
        wire = self.socket(worker)
        wire.say(self.connecting(device_id, **more))
        await self.settle()
        return wire

    def connecting(self, device_id: str = "phone", **more: Any) -> dict[str, Any]:
        payload = {"tunnel_id": "tunnel-1", "auth_key": AUTH_KEY, "device_id": device_id, **more}
        return {"type": "connect", "id": "c", "payload": payload}

    def crash(self, worker: str) -> None:
        """End a worker; the others know it."""
        self.alive.discard(worker)
        del self.upkeeps[worker]
        self.cable.cut(worker)

    async def close(self) -> None:
        await self.tasks.close()


def _polled(home: Home) -> FakeDesk:
    return FakeDesk()


def notes(wire: FakeWire) -> list[int]:
    """Return the numbers of the notes that a peer received."""
    return [message["n"] for message in wire.messages if message["type"] == "note"]
