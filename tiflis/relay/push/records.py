"""What push keeps in its bucket, sealed under a key that the registration key gives: subscriptions, events
that are being sent, and notifiers of tunnels."""

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tiflis.bus.packed import Packed
from tiflis.relay.push.events import Event

# In place of a device: the notifiers of the server, and those of a tunnel. No device id is like them.
SERVER, TUNNEL = "\0server", "\0tunnel"
RECENT = 32  # events of a device that are remembered, so that none is sent twice
_NONCE = 12  # bytes


class Quiet(msgspec.Struct, gc=False):
    """Hours without notifications, as ``22:00`` in a time zone; may go over midnight."""

    begin: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    zone: str = "UTC"

    def covers(self, now: float) -> bool:
        """Return whether it is quiet now, in seconds since 1970."""
        clock = datetime.fromtimestamp(now, ZoneInfo(self.zone)).strftime("%H:%M")
        if self.begin <= self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end


class Subscription(msgspec.Struct, gc=False):
    """``key_id``: of the device key it was made with; ``recent``: the ids of events that were sent."""

    device_id: str
    endpoint: str
    p256dh: bytes
    auth: bytes
    kinds: list[str]
    muted: list[str] = []
    quiet: Quiet | None = None
    excerpt: bool = False
    language: str = "en"
    page: str = ""
    key_id: str = ""
    recent: list[str] = []

    def wants(self, kind: str, session: str, now: float) -> bool:
        """Return whether its device wants to learn of such an event now."""
        quiet = self.quiet is not None and self.quiet.covers(now)
        return kind in self.kinds and session not in self.muted and not quiet


class Claim(msgspec.Struct, gc=False, omit_defaults=True):
    """An event that is being sent to a device, or to notifiers (``device_id`` SERVER or TUNNEL), by the
    worker ``by``. Stored until it has been sent, so that another worker sends it if that one dies. ``at`` and
    ``until``: seconds since 1970; at ``until`` the claim is over. ``name``: of the event's session."""

    tunnel_id: str
    device_id: str
    event: Event
    name: str
    by: str
    at: float
    until: float
    workstation: str = ""

    @property
    def key(self) -> str:
        """Return its name in the store."""
        return name(f"{self.tunnel_id} {self.device_id} {self.event.id}")


class Notifiers(msgspec.Struct, gc=False, omit_defaults=True):
    """The notifiers of one tunnel, as in NOTIFY, and the secret that signs its webhooks' calls. ``key_id``:
    of the device key that they were set with."""

    addresses: list[str] = []
    secret: str = ""
    key_id: str = ""


subscriptions, claims, notifiers = Packed(Subscription), Packed(Claim), Packed(Notifiers)


def name(device_id: str) -> str:
    """Return the name of a device's record: a hash, as ids may hold any character."""
    return hashlib.blake2b(device_id.encode("utf-8", "replace"), digest_size=16).hexdigest()


class Sealer:
    """Encrypts records, each for its own place; with several keys the first encrypts, any decrypts."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(key) for key in keys]

    def close(self, place: str, value: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._ciphers[0].encrypt(nonce, value, place.encode())

    def open(self, place: str, sealed: bytes) -> bytes | None:
        """Return the value, None if it was not sealed with one of our keys for this place."""
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
            except (InvalidTag, ValueError):
                continue
        return None
