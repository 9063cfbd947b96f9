"""Device keys: made for one new device, owned by the first that comes, changed and revoked.

The store keeps their digests; the limiter compares them as it does all keys. A change is answered once every
worker has confirmed it.
"""

import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard

import msgspec

from tiflis import metrics
from tiflis.bus.devices.records import Access, DeviceKey, Entry
from tiflis.bus.devices.store import DeviceStore
from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.protocol.device_keys import (
    KEY_ID_BYTES,
    SECRET_BYTES,
    device_key,
    key_id_of,
    new_code,
)
from tiflis.protocol.errors import (
    DeviceLimit,
    DeviceNotFound,
    InvalidAuthKey,
    InvalidCode,
    SendFailed,
    Starting,
    Unconfirmed,
)
from tiflis.protocol.scopes import Scope
from tiflis.relay.auth.keys import Keyring, Trial

log = logging.getLogger(__name__)

KEYS_PER_TUNNEL = 10_000
WAITING_PER_TUNNEL = 256  # keys that wait for their first device
KNOWN_DEVICES = 256  # devices that may use a closed key of the workstation
SEEN_AGAIN = 60.0  # s after which the use of a key is written down anew
REVOKED_FOR = 60.0  # s in which messages of a revoked device may still be under way between workers
REVOKED_LIMIT = 4096
REKEY_SECONDS = 600.0
TIDIED_AT_ONCE = 256  # keys that are over
TRIES = 4  # of a change that others change at the same moment
REVOKED_UNCONFIRMED = (
    "The key is revoked. A worker has not confirmed it yet and may still forward what open sockets of the"
    " device send; repeat the call until it succeeds"
)
KEYS_UNKNOWN = "The server cannot look up device keys at the moment; try again"
KEYS_NOT_STORED = "The server cannot store changes of device keys at the moment; try again"
OWNER_KEY_CLOSED = "The workstation's own key is closed to new devices; ask its owner for a key"

Clock = Callable[[], float]


class Confirm(Protocol):
    """Has all workers apply a change; returns whether they have. ``everyone``: also those that are cut off
    and may come back."""

    async def __call__(
        self, key: str, value: bytes | None, revision: int, /, everyone: bool = False
    ) -> bool: ...


class Minted(NamedTuple):
    """A key as its owner sees it, once."""

    entry: DeviceKey
    key: str
    code: str


class DeviceKeys:
    """The device keys of all tunnels in one worker."""

    def __init__(
        self,
        store: DeviceStore,
        keyring: Keyring,
        now: Clock,
        window: float,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """``now``: the time of day. ``window``: seconds that a key waits for its first device."""
        self._store, self._keyring, self._now = store, keyring, now
        self._window, self._spawn = window, spawn
        self._revoked: OrderedDict[tuple[str, str], float] = OrderedDict()
        self.confirm: Confirm = _confirmed  # the worker sets its own
        self.on_used: Callable[[DeviceKey], None] = lambda entry: None  # a key has got its device
        self.on_deleted: Callable[[DeviceKey], None] = lambda entry: None  # here: revoked, or over

    # Looking at keys

    def get(self, tunnel_id: str, key_id: str) -> DeviceKey | None:
        """Return a key that is in force; None for any other."""
        entry = self._store.key(tunnel_id, key_id)
        return None if entry is None or self.ended(entry) else entry

    def ended(self, entry: DeviceKey) -> bool:
        """Return whether a key is over: expired, not used in time, or not used yet while the device that made
        it may not make keys any more."""
        return entry.ended(self._now()) or not (entry.device_id or self._may_mint(entry))

    def lasts(self, entry: DeviceKey) -> float:
        """Return for how many more seconds a key that has its device lasts; infinity without an expiry."""
        return entry.expires - self._now() if entry.expires else float("inf")

    def ending(self, entry: DeviceKey) -> Callable[[], bool] | None:
        """Return a function that returns whether a key has expired; None if it never does."""
        return (lambda: self.lasts(entry) <= 0) if entry.expires else None

    def _may_mint(self, entry: DeviceKey) -> bool:
        """Return whether the maker of this key still manages devices."""
        if not entry.maker:
            return True
        maker = self._store.key(entry.tunnel_id, entry.maker)
        return maker is not None and not maker.ended(self._now()) and maker.scope == Scope.OWNER

    def _usable(self, entry: DeviceKey | None, device_id: str) -> TypeGuard[DeviceKey]:
        """Return whether this device may use the key now: it owns it, or may become its owner."""
        return entry is not None and not self.ended(entry) and entry.device_id in ("", device_id)

    @property
    def loaded(self) -> bool:
        """Return whether the keys are known; before that none is in force."""
        return self._store.loaded

    def all(self, tunnel_id: str) -> list[DeviceKey]:
        """Return the tunnel's keys, oldest first, also those that are over."""
        return self._store.keys(tunnel_id)

    def trial(self, tunnel_id: str, given: Sequence[str], device_id: str | None) -> Trial:
        """Return the trial of a device key, for the limiter. Raise Starting before the keys are known."""
        if not self._store.loaded:
            raise Starting(KEYS_UNKNOWN)
        entry = self._store.key(tunnel_id, key_id_of(given[0]))
        if not device_id or not self._usable(entry, device_id):
            return self._keyring.device(tunnel_id, given, "", "")
        return self._keyring.device(tunnel_id, given, entry.signer, entry.digest)

    def admit(self, tunnel_id: str, auth_key: str, device_id: str) -> DeviceKey | None:
        """Return the device key of a session, whose key has been compared; None for the workstation's own
        key.

        Raise InvalidAuthKey if it has been revoked since, or has expired.
        """
        key_id = key_id_of(auth_key)
        if not key_id:
            return None
        entry = self.get(tunnel_id, key_id)
        if entry is None or entry.device_id not in ("", device_id):
            raise InvalidAuthKey
        return entry

    def revoked_lately(self, tunnel_id: str, device_id: str) -> bool:
        """Return whether a key of this device was revoked a moment ago."""
        at = self._revoked.get((tunnel_id, device_id))
        return at is not None and self._now() - at < REVOKED_FOR

    # Use

    async def used(self, tunnel_id: str, auth_key: str, device_id: str, address: str, kind: str) -> DeviceKey:
        """Note the use of a key that was right. The first device becomes its owner. Raise InvalidAuthKey,
        SendFailed."""
        key_id, had_code = key_id_of(auth_key), False
        for _ in range(TRIES):
            entry = self._store.key(tunnel_id, key_id)
            if not self._usable(entry, device_id):
                raise InvalidAuthKey
            if had_code and not (entry.code or entry.device_id):
                raise InvalidAuthKey  # the code was redeemed meanwhile, and the key is another one
            had_code = bool(entry.code)
            seen = self._seen(entry, auth_key, device_id, address, kind)
            if entry.device_id:
                if seen.seen - entry.seen >= SEEN_AGAIN:
                    self._spawn(self._note(seen))
                return entry
            self._revoked.pop((tunnel_id, device_id), None)
            try:
                stored = await self._store.put(seen)
            except Conflict:
                await self._refresh(tunnel_id, key_id)
                continue
            except DirectoryUnavailable:
                raise SendFailed(KEYS_NOT_STORED) from None
            metrics.count("device_keys_total", "used")
            log.info("device key used", extra={"tunnel": tunnel_id, "key": key_id})
            assert isinstance(stored, DeviceKey)
            if not self._may_mint(stored):  # its maker was revoked while this was stored
                await self.revoke(tunnel_id, key_id)
                raise InvalidAuthKey
            # All workers know the device before its key can be revoked; a slow one learns it from the store.
            await self.confirm(*self._store.stored(stored), stored.revision)
            self.on_used(stored)
            return stored
        raise SendFailed

    def _seen(self, entry: DeviceKey, auth_key: str, device_id: str, address: str, kind: str) -> DeviceKey:
        """Return the entry with this use of its key."""
        signer, digest = self._keyring.device_digest(entry.tunnel_id, auth_key)
        return msgspec.structs.replace(
            entry,
            device_id=device_id,
            seen=self._now(),
            address=address,
            kind=kind,
            code="",
            signer=signer,
            digest=digest,
        )

    async def _note(self, seen: DeviceKey) -> None:
        try:
            await self._store.put(seen)
        except (Conflict, DirectoryUnavailable) as problem:
            log.debug("use of a device key not stored", extra={"reason": str(problem)})

    # The workstation's own key

    def owner_key(self, tunnel_id: str) -> str:
        """Return which devices may use the workstation's own key: any or known."""
        access = self._store.access(tunnel_id)
        return access.owner_key if access else "any"

    def known_devices(self, tunnel_id: str) -> Sequence[str]:
        """Return the devices that may use it while it is closed."""
        access = self._store.access(tunnel_id)
        return access.known if access else ()

    def admit_owner(self, tunnel_id: str, device_id: str, known: Callable[[], bool]) -> None:
        """Raise InvalidAuthKey if the workstation's own key is closed to this device. ``known``: whether it
        has used the key from this address before."""
        access = self._store.access(tunnel_id)
        if access is None or access.owner_key == "any" or device_id in access.known:
            return
        if not known():
            raise InvalidAuthKey(OWNER_KEY_CLOSED, {"owner_key": "known"})
        self._spawn(self._learn(access, device_id))

    async def _learn(self, access: Access, device_id: str) -> None:
        try:
            await self._store.put(
                msgspec.structs.replace(access, known=(*access.known, device_id)[-KNOWN_DEVICES:])
            )
        except (Conflict, DirectoryUnavailable) as problem:
            log.debug("known device not stored", extra={"reason": str(problem)})

    async def set_owner_key(self, tunnel_id: str, owner_key: str, present: Sequence[str]) -> None:
        """Open or close the workstation's own key. ``present``: devices that use it now. Raise SendFailed."""

        def change(access: Access) -> Access:
            known = tuple(dict.fromkeys([*access.known, *present]))[-KNOWN_DEVICES:]
            return msgspec.structs.replace(
                access, owner_key=owner_key, known=known if owner_key == "known" else ()
            )

        await self._change_access(tunnel_id, change)

    async def open_rekey(self, tunnel_id: str) -> None:
        """Let the tunnel's workstation register with another key, once, within ten minutes. Raise
        SendFailed."""
        until = self._now() + REKEY_SECONDS
        await self._change_access(
            tunnel_id, lambda access: msgspec.structs.replace(access, rekey_until=until)
        )

    def may_rekey(self, tunnel_id: str) -> bool:
        """Return whether a workstation may take this tunnel with another key now."""
        access = self._store.access(tunnel_id)
        return access is not None and access.rekey_until > self._now()

    async def close_rekey(self, tunnel_id: str) -> None:
        """End what ``open_rekey`` began: a workstation has registered."""
        if self.may_rekey(tunnel_id):
            await self._change_access(
                tunnel_id, lambda access: msgspec.structs.replace(access, rekey_until=0.0)
            )

    async def _change_access(self, tunnel_id: str, change: Callable[[Access], Access]) -> None:
        for _ in range(TRIES):
            access = self._store.access(tunnel_id) or Access(tunnel_id=tunnel_id)
            changed = change(access)
            if await self._put(changed, changed.owner_key != access.owner_key) is not None:
                return
        raise SendFailed

    # Management

    async def mint(
        self, tunnel_id: str, name: str, scope: str, lifetime: float = 0.0, maker: str = ""
    ) -> Minted:
        """Make a key for one new device. ``lifetime``: seconds, 0 for ever; ``maker``: id of the device key
        that asks for it. Raise DeviceLimit, SendFailed."""
        now, keys = self._now(), self._store.keys(tunnel_id)
        waiting = sum(not one.device_id and not self.ended(one) for one in keys)
        if len(keys) >= KEYS_PER_TUNNEL or waiting >= WAITING_PER_TUNNEL:
            raise DeviceLimit
        key_id = secrets.token_urlsafe(KEY_ID_BYTES)
        key, signer, digest = self._secret(tunnel_id, key_id)
        code = new_code(secrets.randbelow)
        entry = DeviceKey(
            digest=digest,
            signer=signer,
            scope=scope,
            created=now,
            until=now + self._window,
            name=name,
            code=self._keyring.code_digests(code)[0],
            expires=now + lifetime if lifetime else 0.0,
            maker=maker,
            tunnel_id=tunnel_id,
            key_id=key_id,
        )
        stored = await self._put(entry)
        if not isinstance(stored, DeviceKey):
            raise SendFailed
        metrics.count("device_keys_total", "minted")
        log.info("device key minted", extra={"tunnel": tunnel_id, "key": key_id, "scope": scope})
        return Minted(stored, key, code)

    def _secret(self, tunnel_id: str, key_id: str) -> tuple[str, str, str]:
        """Return a new key of this id, and its signer and digest."""
        key = device_key(key_id, secrets.token_urlsafe(SECRET_BYTES))
        return (key, *self._keyring.device_digest(tunnel_id, key))

    def behind_code(self, code: str) -> tuple[list[str], DeviceKey | None]:
        """Return the digests of a human code, and the key behind it if it may still be redeemed. Raise
        Starting."""
        if not self._store.loaded:
            raise Starting(KEYS_UNKNOWN)
        digests = self._keyring.code_digests(code)
        found = next(filter(None, map(self._store.by_code, digests)), None)
        return digests, found if found and not found.device_id and not self.ended(found) else None

    async def redeem(self, entry: DeviceKey) -> Minted:
        """Give the key behind a code a new secret, once: the link with the old one stops working. Raise
        InvalidCode, SendFailed."""
        key, signer, digest = self._secret(entry.tunnel_id, entry.key_id)
        stored = await self._put(msgspec.structs.replace(entry, code="", signer=signer, digest=digest))
        if not isinstance(stored, DeviceKey):
            raise InvalidCode  # another was faster
        metrics.count("device_keys_total", "redeemed")
        return Minted(stored, key, "")

    async def change(self, tunnel_id: str, key_id: str, **changes: str) -> DeviceKey:
        """Change a key's name or scope. Raise DeviceNotFound, SendFailed."""
        for _ in range(TRIES):
            entry = self._store.key(tunnel_id, key_id)
            if entry is None:
                raise DeviceNotFound
            stored = await self._put(msgspec.structs.replace(entry, **changes), "scope" in changes)
            if isinstance(stored, DeviceKey):
                return stored
        raise SendFailed

    async def revoke(self, tunnel_id: str, key_id: str) -> bool:
        """Delete a key; return False if there was none. On return no worker accepts anything of its device.
        Raise SendFailed, or Unconfirmed if the key is deleted but a worker may not know it yet."""
        for _ in range(TRIES):
            entry = self._store.key(tunnel_id, key_id) or await self._refresh(tunnel_id, key_id)
            if entry is None:  # a repeated call: perhaps not every worker has confirmed the first one
                revision = self._store.deleted(tunnel_id, key_id)
                if revision and not await self.confirm(f"{tunnel_id}.{key_id}", None, revision, True):
                    raise Unconfirmed(REVOKED_UNCONFIRMED)
                return False
            try:
                revision = await self._store.delete(entry)
            except Conflict:
                await self._refresh(tunnel_id, key_id)
                continue
            except DirectoryUnavailable:
                raise SendFailed(KEYS_NOT_STORED) from None
            self.on_deleted(entry)
            metrics.count("device_keys_total", "revoked")
            log.info("device key revoked", extra={"tunnel": tunnel_id, "key": key_id})
            if not await self.confirm(f"{tunnel_id}.{key_id}", None, revision, True):
                raise Unconfirmed(REVOKED_UNCONFIRMED)
            return True
        raise SendFailed

    def note_revoked(self, entry: DeviceKey) -> None:
        """Remember the device of a key that was deleted, for as long as its messages may be under way."""
        if entry.device_id:
            self._revoked[entry.tunnel_id, entry.device_id] = self._now()
            self._revoked.move_to_end((entry.tunnel_id, entry.device_id))
            if len(self._revoked) > REVOKED_LIMIT:
                self._revoked.popitem(last=False)

    async def forget_tunnel(self, tunnel_id: str) -> None:
        """Revoke all keys of a tunnel whose id another workstation has taken: they were the last one's."""
        for entry in self._store.keys(tunnel_id):
            await self.revoke(tunnel_id, entry.key_id)
        if self._store.access(tunnel_id) is not None:
            await self.set_owner_key(tunnel_id, "any", ())

    async def tidy(self) -> None:
        """Delete keys that are over: expired, or never used in time."""
        over = [one for one in self._store.everything() if self.ended(one)]
        for entry in over[:TIDIED_AT_ONCE]:
            try:
                await self._store.delete(entry)
                self.on_deleted(entry)
            except Conflict:
                continue  # another worker does the same
            except DirectoryUnavailable:
                return
        await self._store.sweep()

    async def _put(self, entry: Entry, everyone: bool = False) -> Entry | None:
        """Store a change and have all workers apply it; return None if another change came first. Raise
        SendFailed, Unconfirmed. ``everyone``: workers that are cut off have to confirm it too."""
        try:
            stored = await self._store.put(entry)
        except Conflict:
            await self._refresh(entry.tunnel_id, entry.key_id)
            return None
        except DirectoryUnavailable:
            raise SendFailed(KEYS_NOT_STORED) from None
        if not await self.confirm(*self._store.stored(stored), stored.revision, everyone):
            raise Unconfirmed
        return stored

    async def _refresh(self, tunnel_id: str, key_id: str) -> DeviceKey | None:
        try:
            entry = await self._store.read(tunnel_id, key_id)
        except DirectoryUnavailable:
            raise SendFailed(KEYS_NOT_STORED) from None
        return entry if isinstance(entry, DeviceKey) else None


async def _confirmed(_key: str, _value: bytes | None, _revision: int, /, everyone: bool = False) -> bool:
    return True
