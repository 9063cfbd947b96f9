"""The device keys of one worker: the store, the keys, and the effects of their changes."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from tiflis.bus.audit_store import AuditStore, AuditUnavailable
from tiflis.bus.devices.records import DeviceKey
from tiflis.bus.devices.spread import Spread
from tiflis.bus.devices.store import DeviceStore
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.presence import Presence
from tiflis.bus.seals import Seals
from tiflis.config import Settings
from tiflis.protocol.errors import SendFailed, TunnelError
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.devices.audit import Audit, Author, in_words, moment, recorded
from tiflis.relay.devices.sessions import DeviceSessions
from tiflis.relay.hub import Hub
from tiflis.relay.sessions.session import Wire

LOAD_SECONDS = 5.0  # for the keys to be loaded at the start; without them all else works
READ_TRIES, READ_PAUSE = 20, 0.05  # s; for entries to be stored before they are read
CLOSE_SECONDS = 1.0
ROWS = 10_000  # of one answer to an operator
OWNERS_SHOWN = 1024  # devices of one tunnel and worker that use the workstation's own key

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Devices:
    """Composes the device keys of a worker."""

    def __init__(
        self, worker_id: str, link: NatsClient, keyring: Keyring, settings: Settings, spawn: Spawn
    ) -> None:
        """``link``: belongs to the caller."""
        self.store = DeviceStore(link, Seals(keyring.seal_keys()), settings.device_bytes)
        self.keys = DeviceKeys(self.store, keyring, time.time, settings.pairing_window, spawn)
        self.audit_store = AuditStore(link, settings.audit_days, settings.audit_bytes)
        self.audit: Audit | None = None
        if settings.audit:
            later = asyncio.get_running_loop().call_later
            self.audit = Audit(self.audit_store, worker_id, later, spawn)
            self.keys.on_used = partial(_enter_use, self.audit)
        self._spawn = spawn

    async def start(self) -> None:
        """Load the keys."""
        await self.store.start(LOAD_SECONDS)

    def follow(self, me: str, presence: Presence, hub: Hub, wires: Callable[[], Iterable[Wire]]) -> None:
        """Apply changes to the sockets, and have the other workers confirm those made here."""
        self._sessions = DeviceSessions(hub, self.keys, wires)
        self.store.on_change = self._sessions.changed
        spread = Spread(presence, me, self.store.changed)
        self.keys.confirm, hub.knows_keys = spread.confirm, spread.knows
        hub.check_key = self._sessions.check
        presence.act("present", self._present)
        presence.act("audit", self._store_entries)
        self._presence, self._hub = presence, hub

    def _present(self, about: dict[str, Any]) -> dict[str, Any]:
        keys, owners = self._sessions.present(str(about["tunnel"]))
        return {"keys": keys, "owners": owners[:OWNERS_SHOWN]}

    def _store_entries(self, about: dict[str, Any]) -> dict[str, Any]:
        """Begin to store a tunnel's entries; answer how many are not stored yet."""
        tunnel_id = str(about["tunnel"])
        waiting = self.audit.waiting(tunnel_id) if self.audit is not None else 0
        if waiting and self.audit is not None:
            self._spawn(self.audit.flush(tunnel_id))
        return {"waiting": waiting}

    async def read_audit(self, tunnel_id: str, since: int) -> dict[str, Any]:
        """Return a tunnel's entries of all workers and hosts after a position. Raise SendFailed."""
        for _ in range(READ_TRIES):
            answers = await self._presence.ask("audit", about={"tunnel": tunnel_id})
            if not any(answer.get("waiting") for answer in answers):
                break
            await asyncio.sleep(READ_PAUSE)
        try:
            entries, reached, more = await self.audit_store.read(tunnel_id, since)
        except AuditUnavailable:
            raise SendFailed("The audit cannot be read now; try again") from None
        words = [({"tunnel_id": tunnel} if not tunnel_id else {}) | in_words(one) for tunnel, one in entries]
        return {"entries": words, "next": reached, "more": more}

    async def operate(self, what: str, names: list[str]) -> dict[str, Any]:
        """Answer an operator: ``list`` a tunnel's keys or all, ``audit``, ``rekey`` or ``revoke``."""
        try:
            return await self._operate(what, *names)
        except TunnelError as problem:
            return {"ok": False, "error": str(problem)}

    async def _operate(self, what: str, tunnel_id: str, name: str) -> dict[str, Any]:
        match what:
            case "list":
                found = self.keys.all(tunnel_id) if tunnel_id else self.store.everything()
                return {"rows": [_row(entry) for entry in found[:ROWS]]}
            case "audit":
                return await self.read_audit(tunnel_id, int(name))
            case "rekey" if self._hub.knows_tunnel(tunnel_id):
                await self.keys.open_rekey(tunnel_id)
                self._enter_operator(tunnel_id, "tunnel.changed", "rekey")
                return {"found": True}
            case "revoke":
                revoked = partial(self._enter_operator, tunnel_id, "device.revoked", name)
                return {"found": await recorded(self.keys.revoke(tunnel_id, name), revoked)}
        return {"found": False}

    def _enter_operator(self, tunnel_id: str, kind: str, about: str) -> None:
        """Enter in the audit a change that a command on the server's host has made."""
        if self.audit is not None:
            self.audit.change(Author(tunnel_id, "", "", ""), kind, about, "operator")

    def expire(self) -> None:
        """Close the sockets whose keys have expired. Called regularly."""
        self._sessions.expire()

    async def close(self) -> None:
        """Store the entries that wait, for a moment, and stop following the keys."""
        if self.audit is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.audit.flush()
        await self.store.close()


def _row(entry: DeviceKey) -> dict[str, Any]:
    """Return a key for an operator, without its digest."""
    shown = ("tunnel_id", "key_id", "name", "scope", "device_id", "kind", "address")
    times = ("created", "seen", "until" if not entry.device_id else "", "expires")
    row = {name: getattr(entry, name) for name in shown}
    return {name: value for name, value in row.items() if value} | {
        name: moment(getattr(entry, name)) for name in times if name and getattr(entry, name)
    }


def _enter_use(audit: Audit, entry: DeviceKey) -> None:
    """Enter that a key has got its device."""
    author = Author(entry.tunnel_id, entry.device_id, entry.key_id, entry.scope)
    audit.change(author, "device.used", entry.key_id)
