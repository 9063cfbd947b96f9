"""The scopes of device keys: the types of messages that a key may send to the workstation.

``owner`` and ``full`` allow every type that a client may send. ``chat`` and ``view`` allow those listed
here and no others, so a type that is added later needs ``full``. For them a message whose keys could be read
in two ways is refused: the workstation's JSON reader must not find another type than ours.
"""

from enum import StrEnum

from tiflis.protocol.errors import Forbidden
from tiflis.protocol.head import MAX_SHORT, Head
from tiflis.protocol.skim import Skim
from tiflis.protocol.states import RULES, Act, Role


class Scope(StrEnum):
    """What a device key allows, most first."""

    OWNER = "owner"
    FULL = "full"
    CHAT = "chat"
    VIEW = "view"


UNLIMITED = (Scope.OWNER, Scope.FULL)
CREATE = "supervisor.create_session"
TERMINAL = "terminal"
_VIEW = frozenset(
    {
        "ping",
        "heartbeat",
        "auth",
        "sync",
        "session.subscribe",
        "session.unsubscribe",
        "session.replay",
        "history.request",
        "audio.request",
        "supervisor.list_sessions",
    }
)
_CHAT = _VIEW | {
    "session.execute",
    "session.cancel",
    "supervisor.command",
    "supervisor.cancel",
    "supervisor.clear_context",
    "supervisor.terminate_session",
    CREATE,
}
ALLOWED = {Scope.CHAT: _CHAT, Scope.VIEW: _VIEW}
READING = _VIEW
"""The types that change nothing at the workstation."""


class LimitedRules:
    """The acts of a client whose key has a limited scope, by type."""

    __slots__ = ("_allowed", "known")

    def __init__(self, scope: Scope) -> None:
        self._allowed = ALLOWED[scope]
        self.known: dict[str, Act] = {}

    def act(self, kind: str) -> Act:
        """Return the act for a message of type ``kind``."""
        act = RULES[Role.CLIENT].act(kind)
        if act is not Act.RELAY:
            return act
        return Act.RELAY_LIMITED if kind in self._allowed else Act.FORBID


LIMITED = {scope: LimitedRules(scope) for scope in ALLOWED}


def check(scope: str, found: Head, text: bytes, skim: Skim | None = None) -> None:
    """Raise Forbidden unless a key of this scope may send this message, which a client may send. ``skim``: as
    for ``check_form``."""
    check_type(scope, found.type)
    if scope not in UNLIMITED:
        check_form(found, text, skim)


def check_type(scope: str, kind: str) -> None:
    """Raise Forbidden unless a key of this scope may send messages of this type."""
    if scope in UNLIMITED:
        return
    allowed = ALLOWED.get(Scope(scope), frozenset()) if scope in tuple(Scope) else frozenset()
    if kind not in allowed:
        raise Forbidden


def check_form(found: Head, text: bytes, skim: Skim | None = None) -> None:
    """Raise Forbidden for a message of an allowed type that may be read in two ways, or makes a terminal.
    ``skim``: one that has read the message already."""
    if _member(skim or _skimmed(text, "type"), "type") is None:
        raise Forbidden
    if found.type == CREATE:
        _check_session_type(bytes(found.payload))


def _check_session_type(payload: bytes) -> None:
    kind = _member(_skimmed(payload, "session_type"), "session_type") if len(payload) <= MAX_SHORT else None
    if not kind or kind.strip().lower() == TERMINAL:
        raise Forbidden


def new_skim() -> Skim:
    """Return what reads a message's form while it arrives."""
    return Skim(frozenset({"type"}))


def _skimmed(text: bytes, wanted: str) -> Skim:
    skim = Skim(frozenset({wanted}))
    skim.feed(text)
    return skim


def _member(skim: Skim, wanted: str) -> str | None:
    """Return the wanted member of an object; None if the object cannot be skimmed, or a key is repeated."""
    return None if skim.lost or skim.repeated else skim.found.get(wanted, "")
