"""The store of device keys: all workers follow it; changes are compare-and-set and sealed."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

import msgspec

from tiflis.bus import subjects
from tiflis.bus.devices.records import Access, DeviceKey, Entry, decode, encode
from tiflis.bus.directory.bucket import Bucket, WrongRevision
from tiflis.bus.directory.watcher import BucketWatcher
from tiflis.bus.errors import Conflict, LinkUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.nats.jetstream import StoreRefused
from tiflis.bus.seals import Seals, Verdict

log = logging.getLogger(__name__)

BUCKET = "tiflis_devices"
MAX_AGE_SECONDS = 365 * 24 * 3600.0
"""A key that no device has used for a year is forgotten."""
ANSWER_SECONDS = 1.7
"""For one write, all attempts together."""
DELETED_KEPT = 16_384
"""Deleted keys remembered, so that an older record that arrives late does not count."""
_NONE: dict[str, Entry] = {}

Change = Callable[[Entry | None, Entry | None], None]
"""Called with a record before and after its change; None: it did not exist, or does not any more."""


def _ignore(_old: Entry | None, _new: Entry | None) -> None:
    return None


class DeviceStore:
    """The device keys as this worker knows them: reads from memory, writes to the bus."""

    def __init__(self, link: NatsClient, seals: Seals, most_bytes: int, replicas: int = 3) -> None:
        """``link``: belongs to the caller. ``most_bytes``: of the bucket on the bus."""
        self._seals = seals
        self._store = Bucket(link, BUCKET, MAX_AGE_SECONDS, replicas, most_bytes)
        self._watcher = BucketWatcher(link, self._store, self)
        self._entries: dict[str, dict[str, Entry]] = {}  # by tunnel and key id
        self._codes: dict[str, DeviceKey] = {}  # by the digest of the human code
        self._deleted: dict[str, int] = {}  # by key in the bucket: the revision of the deletion
        self._markers: dict[str, int] = {}  # of deletions made here: to be removed
        self._task: asyncio.Task[None] | None = None
        self._loaded = asyncio.Event()
        self.on_change: Change = _ignore

    async def start(self, patience: float) -> None:
        """Follow the bucket; wait at most ``patience`` seconds until all records are here. Without them the
        server works on, and device keys are refused until they are."""
        self._task = asyncio.create_task(self._watcher.run(), name="device-keys")
        try:
            async with asyncio.timeout(patience):
                await self._loaded.wait()
        except TimeoutError:
            log.warning("device keys not loaded yet", extra={"reason": self._watcher.reason or "no answer"})

    async def close(self) -> None:
        """Stop following the bucket."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def loaded(self) -> bool:
        """Return whether all records have been here once."""
        return self._loaded.is_set()

    # -- reading

    def key(self, tunnel_id: str, key_id: str) -> DeviceKey | None:
        """Return a device key, or None."""
        entry = self._entries.get(tunnel_id, {}).get(key_id)
        return entry if isinstance(entry, DeviceKey) else None

    def keys(self, tunnel_id: str) -> list[DeviceKey]:
        """Return the tunnel's device keys, oldest first."""
        found = [one for one in self._entries.get(tunnel_id, {}).values() if isinstance(one, DeviceKey)]
        return sorted(found, key=lambda one: (one.created, one.key_id))

    def access(self, tunnel_id: str) -> Access | None:
        """Return the tunnel's settings; None if they were never changed."""
        entry = self._entries.get(tunnel_id, _NONE).get("access")
        return entry if isinstance(entry, Access) else None

    def by_code(self, digest: str) -> DeviceKey | None:
        """Return the device key behind a human code."""
        return self._codes.get(digest)

    def deleted(self, tunnel_id: str, key_id: str) -> int:
        """Return the revision at which a key was deleted lately; 0 if that is not known."""
        return self._deleted.get(f"{tunnel_id}.{key_id}", 0)

    def tunnels(self) -> list[str]:
        """Return the tunnels with any record."""
        return list(self._entries)

    def everything(self) -> list[DeviceKey]:
        """Return the device keys of all tunnels."""
        return [one for tunnel_id in self._entries for one in self.keys(tunnel_id)]

    # -- writing

    async def put(self, entry: Entry) -> Entry:
        """Store a record if it has not changed since ``entry.revision`` (0: it is new); return it as
        stored. Raise Conflict, DirectoryUnavailable."""
        key = _key(entry.tunnel_id, entry.key_id)
        value = self._seals.close(key, encode(entry))
        try:
            revision = await self._store.write(key, value, entry.revision, ANSWER_SECONDS)
        except WrongRevision:
            raise Conflict(None) from None
        stored: Entry = msgspec.structs.replace(entry, revision=revision)
        self._remember(stored)
        return stored

    async def delete(self, entry: Entry) -> int:
        """Delete a record; return the revision of the deletion. Raise Conflict, DirectoryUnavailable."""
        key = _key(entry.tunnel_id, entry.key_id)
        try:
            revision = await self._store.delete(key, entry.revision, ANSWER_SECONDS)
        except WrongRevision:
            raise Conflict(None) from None
        self._markers[key] = revision
        self._drop(entry.tunnel_id, entry.key_id, revision)
        return revision

    async def read(self, tunnel_id: str, key_id: str) -> Entry | None:
        """Return a record from the bus, and remember it. Raise DirectoryUnavailable."""
        key = _key(tunnel_id, key_id)
        found = await self._store.read(key, ANSWER_SECONDS)
        if found is None or found.value is None:
            self._drop(tunnel_id, key_id, found.revision if found else 0)
            return None
        self.changed(key, found.value, found.revision)
        return self._entries.get(tunnel_id, {}).get(key_id)

    def stored(self, entry: Entry) -> tuple[str, bytes]:
        """Return a record's key and value in the bucket, for ``changed`` of another worker."""
        key = _key(entry.tunnel_id, entry.key_id)
        return key, self._seals.close(key, encode(entry))

    async def sweep(self) -> None:
        """Remove the markers of deletions made here: all workers have them by now."""
        markers, self._markers = self._markers, {}
        with contextlib.suppress(StoreRefused, LinkUnavailable):  # else they stay for a year
            for key, marker in markers.items():
                await self._store.sweep(key, marker)

    # -- for the bucket watcher, and for changes that another worker sends

    def changed(self, key: str, value: bytes | None, revision: int) -> None:
        """Take a record that is newer than the one here; None: it was deleted."""
        tunnel_id, _, key_id = key.partition(".")
        if self._deleted.get(key, -1) >= revision:
            return
        if value is None:
            self._drop(tunnel_id, key_id, revision)
            return
        try:
            if self._seals.check(key, value) is not Verdict.GENUINE:
                raise ValueError("no seal of ours")
            self._remember(decode(tunnel_id, key_id, value, revision))
        except ValueError as problem:
            log.error("device key refused", extra={"tunnel": tunnel_id, "reason": str(problem)})

    def replaced(self) -> None:
        """Count all records as not stored until they are reported again: the bucket is another one or
        older."""
        self._deleted.clear()
        for entries in self._entries.values():
            for key_id, entry in entries.items():
                entries[key_id] = msgspec.structs.replace(entry, revision=0)

    def complete(self, keys: set[str] | None, revision: int) -> None:
        """Note that all records have been reported; with ``keys``, others up to that revision are gone."""
        if keys is not None:
            known = [entry for entries in self._entries.values() for entry in entries.values()]
            for entry in known:
                if _key(entry.tunnel_id, entry.key_id) not in keys and entry.revision <= revision:
                    self._drop(entry.tunnel_id, entry.key_id, entry.revision)
        self._loaded.set()

    def _remember(self, entry: Entry) -> None:
        entries = self._entries.setdefault(entry.tunnel_id, {})
        known = entries.get(entry.key_id)
        if known is not None and known.revision >= entry.revision:
            return
        self._index(known, entry)
        entries[entry.key_id] = entry
        self._notify(known, entry)

    def _drop(self, tunnel_id: str, key_id: str, revision: int) -> None:
        entries = self._entries.get(tunnel_id, {})
        known = entries.get(key_id)
        key = f"{tunnel_id}.{key_id}"
        self._deleted[key] = max(revision, self._deleted.pop(key, 0))
        if len(self._deleted) > DELETED_KEPT:
            del self._deleted[next(iter(self._deleted))]
        if known is None or known.revision > revision:
            return
        self._index(known, None)
        del entries[key_id]
        if not entries:
            del self._entries[tunnel_id]
        self._notify(known, None)

    def _index(self, old: Entry | None, new: Entry | None) -> None:
        if isinstance(old, DeviceKey) and old.code:
            self._codes.pop(old.code, None)
        if isinstance(new, DeviceKey) and new.code:
            self._codes[new.code] = new

    def _notify(self, old: Entry | None, new: Entry | None) -> None:
        try:
            self.on_change(old, new)
        except Exception:  # outermost frame of a change
            log.exception("change of a device key not handled")


def _key(tunnel_id: str, key_id: str) -> str:
    return f"{subjects.checked(tunnel_id)}.{subjects.checked(key_id)}"
