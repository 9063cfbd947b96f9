"""Who may say what: the legal conversation as a table."""

from enum import Enum, auto


class Role(Enum):
    """The role of a socket."""

    PENDING = auto()
    CLIENT = auto()
    WORKSTATION = auto()


class Act(Enum):
    """The action for a message."""

    REGISTER = auto()
    CONNECT = auto()
    PONG = auto()
    CHECK_AUTH = auto()
    TO_DEVICE = auto()
    RELAY = auto()
    COMMAND = auto()  # relay it, and enter it in the audit
    RELAY_LIMITED = auto()  # if its form is safe for a limited scope
    FORBID = auto()  # the scope of the client's key does not allow it
    HELD = auto()
    REFUSE = auto()


# Types of messages that are learnt, and how long one may be: peers can invent any number.
KNOWN_TYPES = 256
KNOWN_LENGTH = 64

_ACTS: dict[Role, dict[str, Act]] = {
    Role.PENDING: {"workstation.register": Act.REGISTER, "connect": Act.CONNECT, "ping": Act.PONG},
    Role.CLIENT: {
        "ping": Act.PONG,
        "auth": Act.CHECK_AUTH,
        "connect": Act.REFUSE,
        "connected": Act.REFUSE,
        "error": Act.REFUSE,
        "pong": Act.REFUSE,
        "tunnel.unhold": Act.HELD,
        "tunnel.held": Act.HELD,
    },
    Role.WORKSTATION: {
        "ping": Act.PONG,
        "forward.to_device": Act.TO_DEVICE,
        "connect": Act.REFUSE,
        "connected": Act.REFUSE,
    },
}

# Control messages that a peer could forge to hijack the other end (protocol, section 1.2).
_REFUSED: dict[Role, tuple[str, ...]] = {
    Role.PENDING: ("",),
    Role.CLIENT: ("workstation.", "client.", "connection.", "forward."),
    Role.WORKSTATION: ("workstation.", "client.", "connection."),
}


class Rules:
    """The messages that one role may send."""

    __slots__ = ("_refused", "known")

    def __init__(self, role: Role) -> None:
        self._refused = _REFUSED[role]
        self.known = dict(_ACTS[role])  # by type, for a quick look; others may follow

    def act(self, kind: str) -> Act:
        """Return the action for a message of type ``kind``. Types that are used are known from then on."""
        found = self.known.get(kind)
        if found is not None:
            return found
        found = Act.REFUSE if kind.startswith(self._refused) else Act.RELAY
        if len(kind) <= KNOWN_LENGTH and len(self.known) < KNOWN_TYPES:
            self.known[kind] = found
        return found


RULES = {role: Rules(role) for role in Role}


def act(role: Role, kind: str) -> Act:
    """Return the action for a message of type ``kind`` from ``role``."""
    return RULES[role].act(kind)


def client_may_send(kind: str) -> bool:
    """Return whether a device may send ``kind`` to its workstation (the server sends a watch's ``auth``)."""
    return act(Role.CLIENT, kind) in (Act.RELAY, Act.CHECK_AUTH)
