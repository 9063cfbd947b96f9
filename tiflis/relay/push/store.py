"""Where push subscriptions and the server's VAPID key are kept: a sealed bucket on the bus."""

from collections.abc import Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from tiflis.bus.directory.bucket import Bucket, WrongRevision
from tiflis.bus.errors import DirectoryUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.relay.push import encryption
from tiflis.relay.push.records import Sealer, Subscription, decode, encode, name

BUCKET = "tiflis_push"
MAX_AGE = 90 * 24 * 3600.0  # seconds; a client renews its subscription whenever it starts
MAX_BYTES = 32 * 2**20  # of all tunnels
REPLICAS = 3  # in a cluster
SECONDS = 2.0  # for one read or write, all attempts together
VAPID = "vapid"  # the key in the bucket; those of subscriptions have a dot

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
            subscription = self._open(tunnel_id, value)
            if subscription is not None and subscription.endpoint:
                found.append(subscription)
        return found

    def _open(self, tunnel_id: str, value: bytes) -> Subscription | None:
        opened = self._sealer.open(tunnel_id, value)
        return decode(opened) if opened is not None else None

    async def read(self, tunnel_id: str, device_id: str) -> tuple[Subscription | None, int]:
        """Return a device's subscription and its revision. Raise Unavailable."""
        entry = await self._bucket.read(f"{tunnel_id}.{name(device_id)}", SECONDS)
        if entry is None:
            return None, 0
        return self._open(tunnel_id, entry.value) if entry.value else None, entry.revision

    async def write(self, tunnel_id: str, subscription: Subscription, revision: int) -> None:
        """Store a subscription in place of the one of this revision. Raise WrongRevision, Unavailable."""
        value = self._sealer.close(tunnel_id, encode(subscription))
        await self._bucket.write(f"{tunnel_id}.{name(subscription.device_id)}", value, revision, SECONDS)

    async def replace(self, tunnel_id: str, subscription: Subscription) -> None:
        """Store a subscription in place of the device's former one. Raise WrongRevision, Unavailable."""
        old, revision = await self.read(tunnel_id, subscription.device_id)
        subscription.recent = old.recent if old else []
        await self.write(tunnel_id, subscription, revision)

    async def remove(self, tunnel_id: str, device_id: str) -> bool:
        """Remove a device's subscription; return whether there was one. Raise WrongRevision, Unavailable."""
        old, revision = await self.read(tunnel_id, device_id)
        if old is None:
            return False
        await self._bucket.remove(f"{tunnel_id}.{name(device_id)}", revision, SECONDS)
        return True
