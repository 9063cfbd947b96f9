"""Where push subscriptions, claims of events, notifiers of tunnels and the VAPID key are kept: in a sealed
bucket."""

from collections.abc import Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from tiflis.bus.directory.bucket import Bucket, WrongRevision
from tiflis.bus.errors import DirectoryUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.packed import Packed, R
from tiflis.protocol.errors import DeviceLimit
from tiflis.relay.push import encryption
from tiflis.relay.push.records import (
    Claim,
    Notifiers,
    Sealer,
    Subscription,
    claims,
    name,
    notifiers,
    subscriptions,
)

BUCKET = "tiflis_push"
MAX_AGE = 90 * 24 * 3600.0  # seconds; a client renews its subscription whenever it starts
MAX_BYTES = 32 * 2**20  # of all tunnels
SUBSCRIPTIONS = 128  # of one tunnel, some 1,000 bytes each
REPLICAS = 3  # in a cluster
SECONDS = 2.0  # for one read or write, all attempts together
VAPID = "vapid"  # the key in the bucket; those of other records begin with their tunnel or kind and a dot
# A tunnel of that name is no trouble: a record is sealed for its place, and one of another place is not read.
CLAIMS, NOTIFIERS = "claims.", "notifiers."

Unavailable = DirectoryUnavailable


class Stored(NamedTuple):
    subscription: Subscription
    revision: int


class PushStore:
    """The bucket, over a connection that belongs to the caller."""

    def __init__(self, link: NatsClient, keys: Sequence[bytes], vapid: bytes = b"") -> None:
        """``keys``: that seal, 32 bytes each. ``vapid``: the private key that the operator has set."""
        self._bucket = Bucket(link, BUCKET, MAX_AGE, REPLICAS, MAX_BYTES)
        self._sealer = Sealer(keys)
        self._vapid = encryption.read_key(vapid) if vapid else None
        self.ready = False

    async def start(self, clustered: bool) -> None:
        """Make the bucket, however long that takes; until then nothing is sent."""
        await self._bucket.ensure_at_last(clustered, "push subscriptions cannot be stored")
        self.ready = True

    async def vapid(self) -> ec.EllipticCurvePrivateKey:
        """Return the key of this server, and of all on its bus; make it at its first use. Raise
        Unavailable."""
        while self._vapid is None:
            entry = await self._bucket.read(VAPID, SECONDS)
            found = self._sealer.open(VAPID, entry.value) if entry and entry.value else None
            if found:
                self._vapid = encryption.read_key(found)
                break
            try:
                made = self._sealer.close(VAPID, encryption.new_key())
                await self._bucket.write(VAPID, made, entry.revision if entry else 0, SECONDS)
            except WrongRevision:
                continue  # another worker has made it
        return self._vapid

    async def load(self, tunnel_id: str) -> list[Subscription]:
        """Return the tunnel's subscriptions. Raise Unavailable."""
        found = []
        async for value, _ in self._bucket.entries(f"{tunnel_id}.", SECONDS):
            subscription = self._open(subscriptions, tunnel_id, value)
            if subscription is not None and subscription.endpoint:
                found.append(subscription)
        return found

    def _open(self, kind: Packed[R], place: str, value: bytes | None) -> R | None:
        """Return a stored record; None if there is none, or none that was sealed for this place."""
        opened = self._sealer.open(place, value) if value else None
        return kind.decode(opened) if opened is not None else None

    async def read(self, tunnel_id: str, device_id: str) -> tuple[Subscription | None, int]:
        """Return a device's subscription and its revision. Raise Unavailable."""
        entry = await self._bucket.read(f"{tunnel_id}.{name(device_id)}", SECONDS)
        if entry is None:
            return None, 0
        return self._open(subscriptions, tunnel_id, entry.value), entry.revision

    async def write(self, tunnel_id: str, subscription: Subscription, revision: int) -> None:
        """Store a subscription in place of the one of this revision. Raise WrongRevision, Unavailable."""
        value = self._sealer.close(tunnel_id, subscriptions.encode(subscription))
        await self._bucket.write(f"{tunnel_id}.{name(subscription.device_id)}", value, revision, SECONDS)

    async def replace(self, tunnel_id: str, subscription: Subscription) -> None:
        """Store a subscription in place of the device's former one. Raise DeviceLimit, WrongRevision,
        Unavailable."""
        old, revision = await self.read(tunnel_id, subscription.device_id)
        if old is None and await self._bucket.count(f"{tunnel_id}.", SECONDS) >= SUBSCRIPTIONS:
            raise DeviceLimit("The tunnel has as many push subscriptions as it may have")
        subscription.recent = old.recent if old else []
        await self.write(tunnel_id, subscription, revision)

    async def remove(self, tunnel_id: str, device_id: str, endpoint: str = "") -> bool:
        """Remove a device's subscription; return whether there was one. ``endpoint``: unless it has another
        one by now. Raise WrongRevision, Unavailable."""
        old, revision = await self.read(tunnel_id, device_id)
        if old is None or endpoint not in ("", old.endpoint):
            return False
        await self._bucket.remove(f"{tunnel_id}.{name(device_id)}", revision, SECONDS)
        return True

    async def remove_of_key(self, tunnel_id: str, device_id: str, key_id: str) -> None:
        """Remove a device's subscription, and the tunnel's notifiers, if they were made with this device key.
        Raise WrongRevision, Unavailable."""
        subscription, _ = await self.read(tunnel_id, device_id)
        if subscription is not None and subscription.key_id == key_id:
            await self.remove(tunnel_id, device_id)
        own, _ = await self.notifiers(tunnel_id)
        if own.addresses and own.key_id == key_id:
            await self.set_notifiers(tunnel_id, Notifiers())

    # Events that are being sent

    async def claim(self, claim: Claim, revision: int) -> int:
        """Store a claim in place of the one of this revision (0: there is none); return its revision. Raise
        WrongRevision, Unavailable."""
        value = self._sealer.close(CLAIMS, claims.encode(claim))
        return await self._bucket.write(f"{CLAIMS}{claim.key}", value, revision, SECONDS)

    async def claimed(self, key: str) -> tuple[Claim | None, int]:
        """Return the claim of this key and its revision. Raise Unavailable."""
        entry = await self._bucket.read(f"{CLAIMS}{key}", SECONDS)
        return (self._open(claims, CLAIMS, entry.value), entry.revision) if entry else (None, 0)

    async def claims(self) -> list[tuple[Claim, int]]:
        """Return all claims with their revisions. Raise Unavailable."""
        entries = self._bucket.entries(CLAIMS, SECONDS)
        found = [(self._open(claims, CLAIMS, value), revision) async for value, revision in entries]
        return [(claim, revision) for claim, revision in found if claim is not None]

    async def release(self, claim: Claim, revision: int) -> None:
        """Remove a claim. Raise WrongRevision, Unavailable."""
        await self._bucket.remove(f"{CLAIMS}{claim.key}", revision, SECONDS)

    # Notifiers of tunnels

    async def notifiers(self, tunnel_id: str) -> tuple[Notifiers, int]:
        """Return a tunnel's notifiers and their revision. Raise Unavailable."""
        entry = await self._bucket.read(f"{NOTIFIERS}{tunnel_id}", SECONDS)
        if entry is None:
            return Notifiers(), 0
        return self._open(notifiers, tunnel_id, entry.value) or Notifiers(), entry.revision

    async def set_notifiers(self, tunnel_id: str, wanted: Notifiers) -> None:
        """Store a tunnel's notifiers in place of the former ones. Raise WrongRevision, Unavailable."""
        _, revision = await self.notifiers(tunnel_id)
        key = f"{NOTIFIERS}{tunnel_id}"
        if wanted.addresses:
            value = self._sealer.close(tunnel_id, notifiers.encode(wanted))
            await self._bucket.write(key, value, revision, SECONDS)
        elif revision:
            await self._bucket.remove(key, revision, SECONDS)
