"""Any messages of a workstation and its clients reach whom the rules name, unchanged, or are refused."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.relay.fakes import AUTH_KEY
from tests.relay.stage import Stage
from tiflis.protocol import head, messages
from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.ids import is_device_id, is_tunnel_id
from tools.fuzz.heads import Number, expected, loads, nested, whole
from tools.fuzz.script import Script

REMEMBERED = 3  # requests a device
DEVICES = ("a", "a", "b")  # of the three clients
CONTROL = ("workstation.", "client.", "connection.")
WORDS = (
    '{"type":"auth","payload":{"auth_key":"' + AUTH_KEY + '","device_id":"a"}}',
    '{"type":"auth.success","payload":{"device_id":"b"}}',
    '{"type":"forward.to_device","device_id":"a","payload":"x"}',
    '{"type":"ping","timestamp":1.50}',
    '{"type":"connect","payload":{"tunnel_id":"a","auth_key":"0123456789abcdef","device_id":"a"}}',
    '{"type":"x","id":"1"}',
    '{"type":"x","id":"\\u0031"}',
    '"type":"error"',
    '"type":"pong"',
    '"type":"connected"',
    '"type":"workstation.register"',
    '"type":"client.x"',
    '"reconnect":true',
    '"previous_tunnel_id":"a"',
    '"api_key":"0123456789abcdef0123456789abcdef"',
    '"name":"n"',
    '"\\ud800"',
)


def said(*lines: tuple[int, bytes]) -> bytes:
    """Return an input in which these peers say this; number 5 lets a minute pass."""
    return b"".join(bytes((number, len(text))) + text if number != 5 else b"\5" for number, text in lines)


SEEDS = (
    said(
        (1, b'{"type":"x","id":"q"}'),
        (0, b'{"type":"y","id":"\\u0071"}'),
        (5, b""),
        (0, b'{"type":"y","id":"q"}'),
    ),
    said((1, b'{"type":"x","id":"q"}'), (3, b'{"type":"x","id":"q"}'), (0, b'{"type":"y","id":"q"}')),
    said(*((number, word.encode()) for word in WORDS[:7] for number in (0, 1, 3))),
    said((1, b'{"type":"x","device_id":"b","device_id":"\\u0062"} '), (0, b'{"type":"forward.to_device"}')),
)


class Refusal(NamedTuple):
    """An error to the sender; `request` is the id that it must name, if any."""

    kind: str
    request: list[Any]

    def is_said_by(self, text: bytes) -> bool:
        message = json.loads(text)
        return message["type"] == self.kind and (self.kind != "error" or _id_in(message) == self.request)


Due = dict[int, list[bytes | Refusal]]


def conversations(data: bytes) -> None:
    """The target."""
    script, room = Script(data), Room()
    while script.more:
        number = script.byte() % 6
        if number == 5:
            room.minute_passes()
            continue
        text = script.piece().decode("utf-8", "replace").encode()
        if nested(text):
            continue
        if number == 4:
            _newcomer(text)
        else:
            room.says(number, text)


class Room:
    """A workstation (number 0) and three sockets of two devices, and what the rules say of each message."""

    def __init__(self) -> None:
        self.stage = Stage(requests_remembered=REMEMBERED)
        self.wires = [self.stage.workstation(), *(self.stage.client(device) for device in DEVICES)]
        for wire in self.wires:
            wire.take()
        self.asked = {device: deque[bytes](maxlen=REMEMBERED) for device in DEVICES}

    def minute_passes(self) -> None:
        self.stage.host.pass_time(self.stage.host.limits.request_memory + 1)
        for asked in self.asked.values():
            asked.clear()

    def says(self, number: int, text: bytes) -> None:
        """Peer `number` says `text`, and everybody hears what they must."""
        self.stage.watches.broadcasts.clear()
        due, pongs = self._due(number, text)
        self.wires[number].say(text)
        for other, wire in enumerate(self.wires):
            assert _heard(due.get(other, []), wire.texts), (number, text, other)
            assert (pongs if other == number else []) == wire.pongs
            assert wire.closed is None
            wire.texts.clear()
            wire.pongs.clear()
        everyone = [text] if number == 0 and len(due) == len(DEVICES) else []
        assert self.stage.watches.broadcasts == everyone

    def _due(self, number: int, text: bytes) -> tuple[Due, list[bytes]]:
        """Return the messages that each peer must receive, and the pongs of the speaker."""
        document = expected(text.decode())
        if document is None:
            return {number: [Refusal("error", _named(text))]}, []
        if document["type"] == "ping":
            stamp = document.get("timestamp")
            digits = stamp.encode() if isinstance(stamp, Number) else b""
            return {}, [b'{"type":"pong","timestamp":' + digits + b"}"] if digits else []
        if number:
            return self._from_client(number, document, text), []
        return self._from_workstation(document, text), []

    def _from_client(self, number: int, document: dict[str, Any], text: bytes) -> Due:
        kind, device = document["type"], DEVICES[number - 1]
        if kind == "auth" and not _right(document.get("payload"), device):
            return {number: [Refusal("auth.error", [])]}
        if kind in ("connect", "connected", "error", "pong") or kind.startswith((*CONTROL, "forward.")):
            return {number: [Refusal("error", _named(text))]}
        if request := _request(text):
            self.asked[device].append(request)
        return {0: [head.splice_device_id(text, device)]}

    def _from_workstation(self, document: dict[str, Any], text: bytes) -> Due:
        kind, payload = document["type"], document.get("payload")
        if kind in ("connect", "connected") or kind.startswith(CONTROL):
            return {0: [Refusal("error", _named(text))]}
        if kind == "forward.to_device":
            device = document.get("device_id")
            if type(device) is not str or not device or type(payload) is not str:
                return {0: [Refusal("error", _named(text))]}
            return self._sockets([device], whole(payload).encode())
        if kind == "auth.success" and isinstance(payload, dict):
            device = payload.get("device_id")
            if type(device) is str and device:
                return self._sockets([device], text)
        askers = [device for device, asked in self.asked.items() if _request(text) in asked]
        if len(askers) == 1:
            return self._sockets(askers, text)
        return self._sockets(DEVICES, text)

    @staticmethod
    def _sockets(devices: Iterable[str], text: bytes) -> Due:
        return {number: [text] for number, device in enumerate(DEVICES, 1) if device in devices}


def _right(payload: Any, device: str) -> bool:
    given = payload if isinstance(payload, dict) else {}
    key = given.get("auth_key")
    return type(key) is str and key.strip() == AUTH_KEY and given.get("device_id") == device


def _request(text: bytes) -> bytes:
    return head.request_id(head.echoable(head.peek(text).id))


def _heard(due: list[bytes | Refusal], texts: list[bytes]) -> bool:
    return len(due) == len(texts) and all(
        one.is_said_by(text) if isinstance(one, Refusal) else one == text
        for one, text in zip(due, texts, strict=True)
    )


def _named(text: bytes) -> list[Any]:
    """Return the id that an error must name: that of every text that is an object."""
    try:
        loads(text.decode())
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return _id_in(found) if isinstance(found, dict) else []


def _id_in(message: dict[str, Any]) -> list[Any]:
    found = message.get("id")
    return [] if found is None else [whole(found)]


def _newcomer(text: bytes) -> None:
    """Whatever a socket without a role says has all that it needs, or is refused field by field."""
    for read in (messages.read_registration, messages.read_connection):
        try:
            found = head.peek(text)
            said = read(found.payload)
        except InvalidPayload as refused:
            details = json.loads(messages.error(refused))["payload"].get("details", {})
            assert all(type(item) is str for item in (*details, *details.values()))
            continue
        if isinstance(said, messages.Registration):
            assert len(said.api_key) >= 32
            assert said.name
            assert len(said.auth_key.strip()) >= 16
            assert said.previous_tunnel_id is None or is_tunnel_id(said.previous_tunnel_id)
        else:
            assert is_tunnel_id(said.tunnel_id)
            assert is_device_id(said.device_id)
            assert len(said.auth_key) >= 16
        for part in said:
            assert not isinstance(part, str) or part.encode()
