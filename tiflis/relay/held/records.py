"""A held message as it is stored, and its states."""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from tiflis.bus.packed import Packed
from tiflis.protocol.hold import Request

HELD, SENDING = "held", "sending"
DELIVERED, EXPIRED, CANCELLED, UNSURE = "delivered", "expired", "cancelled", "unsure"
FINAL = frozenset({DELIVERED, EXPIRED, CANCELLED, UNSURE})
FINAL_SECONDS = (
    24 * 3600.0
)  # for so long a final state is kept: its sender may ask, or send the message again


class HeldRecord(msgspec.Struct, gc=False):
    """Times are seconds since 1970. ``order``: of acceptance; ``by``: the home that wrote it; ``received``:
    the device had a socket when the state became final; ``key_id``: of the device key that it came with;
    ``seal``: as it is stored."""

    device_id: str
    id: str
    kind: str
    state: str
    until: float
    order: float
    not_before: float = 0.0
    text: bytes = b""
    by: str = ""
    ended_at: float = 0.0
    received: bool = False
    key_id: str = ""
    seal: bytes = b""

    @property
    def waits(self) -> bool:
        """Return whether it may still be delivered."""
        return self.state == HELD

    @property
    def key(self) -> str:
        """Return its name in the store, below that of its tunnel."""
        return name(self.device_id, self.id)

    def described(self) -> dict[str, Any]:
        """Return it as in ``tunnel.held``."""
        state = HELD if self.state == SENDING else self.state
        found = {"id": self.id, "kind": self.kind, "state": state, "until": int(self.until * 1000)}
        return found | ({"not_before": int(self.not_before * 1000)} if self.not_before else {})


def name(device_id: str, id: str) -> str:
    """Return the name of a device's message: a hash, as ids may hold any character."""
    both = msgspec.json.encode((device_id, id))
    return hashlib.blake2b(both, digest_size=16).hexdigest()


def accepted(
    request: Request, device_id: str, key_id: str, until: float, order: float, by: str
) -> HeldRecord:
    """Return the record of a message that is to be held."""
    about = (device_id, request.id, request.kind, HELD, until, order, request.not_before / 1000, request.text)
    return HeldRecord(*about, by=by, key_id=key_id)


def listed(found: Iterable[HeldRecord]) -> list[dict[str, Any]]:
    """Return a device's records as ``tunnel.held`` has them: oldest first, without those whose end it has
    received."""
    ordered = sorted(found, key=lambda record: record.order)
    return [one.described() for one in ordered if one.state not in FINAL or not one.received]


held_records = Packed(HeldRecord)
