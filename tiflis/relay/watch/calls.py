"""The calls of watches, as the tunnel's home receives them from any worker."""

import msgspec


class _Call(msgspec.Struct, frozen=True, gc=False, tag_field="operation"):
    device_id: str
    auth_key: str = ""


class Connect(_Call, frozen=True, tag="connect"):
    """Connect the device with an empty queue. ``key_id``: of the device key that was compared; the home sets
    it, also in other calls."""

    key_id: str = ""


class Command(_Call, frozen=True, tag="command"):
    """Forward ``text``, a whole message, to the workstation."""

    text: bytes = b""
    key_id: str = ""


class Messages(_Call, frozen=True, tag="messages"):
    """Poll for the messages above ``since``; those up to ``ack`` are dropped."""

    since: int = 0
    ack: int = 0
    wait: float = 0.0  # seconds
    key_id: str = ""


class State(_Call, frozen=True, tag="state"):
    """Ask for the state of the device's queue and of the workstation."""


class Disconnect(_Call, frozen=True, tag="disconnect"):
    """Disconnect the device and drop its queue."""


class SubscriptionChanged(_Call, frozen=True, tag="subscription"):
    """Have the home read the device's push subscription anew."""


Call = Connect | Command | Messages | State | Disconnect | SubscriptionChanged


def operation_of(call: Call) -> str:
    """Return the name of the operation, as metrics and the wire between workers have it."""
    return str(call.__struct_config__.tag)
