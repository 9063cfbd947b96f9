"""Messages of a device that may only read or chat: none that another reader takes for more is forwarded."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.relay.fakes import FakeWire
from tiflis.limits import Limits
from tiflis.protocol import head, scopes, utf8
from tiflis.protocol.errors import TunnelError
from tiflis.protocol.messages import Connection
from tiflis.protocol.scopes import Scope
from tiflis.relay.sessions.client import ClientSession
from tools.fuzz.script import Script

DEVICE = "device-1"
LIMITS = Limits()
KINDS = (
    "sync",
    "session.subscribe",
    "history.request",
    "supervisor.list_sessions",
    "session.input",
    "session.resize",
    "session.execute",
    "supervisor.command",
    "supervisor.create_session",
    "workstation.register",
    "made.up",
    "Sync",
    "sync ",
    "",
)
NAMES = ("type", "payload", "id", "session_id", "device_id", "Type", "other", "session_type")
VALUES = (
    "1",
    "null",
    "[]",
    '{"type":"session.input"}',
    '{"session_type":"terminal"}',
    '"\\"type\\":\\"sync\\""',
)
SPACES = ("", "", " ", "\n\t")
WORDS = ('"type"', '"\\u0074ype"', '"session.input"', '"sync"', '"session_type"', '"terminal"')
SEEDS = tuple(random.Random(seed).randbytes(24) for seed in range(40))


class Taken:
    """A route that keeps what is forwarded, and an entrance that knows no key."""

    tunnel_id, path = "tunnel-1", "local"

    def __init__(self) -> None:
        self.texts: list[bytes] = []

    def forward(self, client: Any, request: bytes, text: bytes) -> None:
        self.texts.append(text)

    def keep(self, client: Any, request: Any) -> None:
        if text := getattr(request, "text", b""):
            self.texts.append(text)

    def recognise(self, client: Any, auth_key: str) -> bool:
        return False


def scopes_hold(data: bytes) -> None:
    """Check a message's scope; an input is decisions for a message, or the message itself."""
    script = Script(data)
    scope = script.choice((Scope.VIEW, Scope.CHAT))
    text = message(script) if script.byte() % 4 else script.rest()
    for forwarded in (*_by_session(scope, text), *_by_home(scope, text)):
        check_allowed(scope, forwarded)


def message(script: Script) -> bytes:
    """Write an object with members in any spelling, order and number."""
    members = [_member(script) for _ in range(1 + script.byte() % 5)]
    text = "{" + ",".join(members) + script.choice(SPACES) + "}"
    return text.encode()


def _member(script: Script) -> str:
    name = script.choice(NAMES[:2]) if script.byte() % 2 else script.choice(NAMES)
    value = _spelt(script, script.choice(KINDS)) if script.byte() % 3 else script.choice(VALUES)
    if name == "payload" and script.byte() % 2:
        kind = script.choice(("terminal", "claude", "Terminal "))
        value = f"{{{_spelt(script, 'session_type')}:{_spelt(script, kind)}}}"
    return f"{script.choice(SPACES)}{_spelt(script, name)}{script.choice(SPACES)}:{value}"


def _spelt(script: Script, text: str) -> str:
    """Write a string, some of its characters as escapes."""
    escaped = script.byte() % 4 == 0
    return (
        '"'
        + "".join(f"\\u{ord(one):04x}" if escaped and script.byte() % 3 == 0 else one for one in text)
        + '"'
    )


def _by_session(scope: Scope, text: bytes) -> list[bytes]:
    taken: Any = Taken()
    client = ClientSession(FakeWire(), LIMITS, Connection("tunnel-1", "k" * 16, DEVICE, False), taken, taken)
    client.limit("12345678", scope)
    client.received(text if utf8.is_valid(text) else b"")
    return list(taken.texts)


def _by_home(scope: Scope, text: bytes) -> list[bytes]:
    """Decide as a home does for what came over the bus: a session elsewhere, of another scope, let it
    pass."""
    if not utf8.is_valid(text):
        return []
    try:
        found = head.peek(text)
        scopes.check(scope, found, text)
    except TunnelError:
        return []
    return [text] if found.type not in ("ping", "auth") else []


def check_allowed(scope: Scope, text: bytes) -> None:
    """Check that any reading of the text, the first or the last of repeated keys, is of an allowed type."""
    pairs: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    kinds = [value for name, value in pairs if name == "type"]
    assert kinds, text
    assert set(map(str, kinds)) <= scopes.ALLOWED[scope], text
    for name, value in pairs:
        if "supervisor.create_session" in kinds and name == "payload":
            wanted = [kind for inner, kind in value if inner == "session_type"]
            assert wanted, text
            assert not any(str(kind).strip().lower() == "terminal" for kind in wanted), text
