"""The messages that the server itself reads and writes (protocol, section 1.1), as bytes of JSON."""

from typing import Any, NamedTuple

import msgspec

from tiflis.protocol import cursor, head
from tiflis.protocol.cursor import Cursor
from tiflis.protocol.errors import InvalidPayload, TunnelError
from tiflis.protocol.ids import is_device_id, is_tunnel_id
from tiflis.protocol.scan import LARGE

PROTOCOL_VERSION = "1.0.0"
MIN_API_KEY = 32
MIN_AUTH_KEY = 16
MAX_NAME = 256  # bytes: every worker keeps the names of all tunnels


class Registration(NamedTuple):
    """A workstation's ``workstation.register``; ``previous_tunnel_id`` only where it asks to be restored."""

    api_key: str
    name: str
    auth_key: str
    previous_tunnel_id: str | None


class Connection(NamedTuple):
    """A client's ``connect``. ``resume``: how far it has read its device's queue, None if it does not ask."""

    tunnel_id: str
    auth_key: str
    device_id: str
    reconnect: bool
    resume: Cursor | None = None


_ABSENT = msgspec.Raw(b"")


class _Payload(msgspec.Struct, gc=False):
    """All that the server reads of a payload. Nothing else of it is built: it may be as big as any."""

    api_key: msgspec.Raw = _ABSENT
    name: msgspec.Raw = _ABSENT
    auth_key: msgspec.Raw = _ABSENT
    previous_tunnel_id: msgspec.Raw = _ABSENT
    tunnel_id: msgspec.Raw = _ABSENT
    device_id: msgspec.Raw = _ABSENT
    reconnect: msgspec.Raw = _ABSENT
    resume: msgspec.Raw = _ABSENT


_payload = msgspec.json.Decoder(_Payload)


def _read_payload(payload: msgspec.Raw) -> _Payload | None:
    """Return its fields as they came; None if it is no JSON object."""
    try:
        return head.fields(_payload, payload)
    except (ValueError, RecursionError):
        return None


class _Fields:
    """A payload's fields, read one by one; what is wrong with any of them is collected for one answer."""

    def __init__(self, payload: msgspec.Raw) -> None:
        if memoryview(payload).nbytes > head.MAX_SHORT:  # of a client that has a role already
            raise InvalidPayload("The payload is too long", {"payload": f"at most {head.MAX_SHORT} bytes"})
        values = _read_payload(payload)
        if values is None:
            raise InvalidPayload("The message needs a payload", {"payload": "an object is required"})
        self.values = values
        self.wrong: dict[str, str] = {}

    def text(self, name: str, least: int = 1, trim: bool = False) -> str:
        raw = getattr(self.values, name)
        value = head.short(raw)
        if value is None:
            self.wrong[f"payload.{name}"] = "a string is required"
            return ""
        value = value.strip() if trim else value
        if len(value) < least:
            self.wrong[f"payload.{name}"] = f"at least {least} character{'s' if least > 1 else ''}"
        elif "\ufffd" in value and not head.is_unicode(raw):
            self.wrong[f"payload.{name}"] = "must be valid Unicode"
        return value

    def short(self, name: str, most: int) -> str:
        """Return a text of at most so many bytes."""
        value = self.text(name)
        if f"payload.{name}" not in self.wrong and len(value.encode()) > most:
            self.wrong[f"payload.{name}"] = f"at most {most} bytes"
        return value

    def flag(self, name: str) -> bool:
        value = bytes(getattr(self.values, name))
        if value not in (b"", b"null", b"true", b"false"):
            self.wrong[f"payload.{name}"] = "must be true or false"
        return value == b"true"

    def check(self, what: str) -> None:
        if self.wrong:
            raise InvalidPayload(f"The {what} message is not valid", self.wrong)


FORWARD = b'{"type":"forward.to_device",'  # how all workstations begin one


class Forward(msgspec.Struct, gc=False):
    """A workstation's ``forward.to_device``, whole."""

    type: str
    device_id: str
    payload: str


_forward = msgspec.json.Decoder(Forward)


def read_forward(text: bytes) -> Forward | None:
    """Read one in a single look; None for what is not plainly one, and needs ``head.peek``."""
    try:
        found = _forward.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return found if found.type == "forward.to_device" and found.device_id else None


def read_registration(payload: msgspec.Raw) -> Registration:
    """Raises InvalidPayload with one detail per wrong field."""
    fields = _Fields(payload)
    api_key = fields.text("api_key", MIN_API_KEY)
    name = fields.short("name", MAX_NAME)
    auth_key = fields.text("auth_key", MIN_AUTH_KEY, trim=True)
    reconnect = fields.flag("reconnect")
    fields.check("workstation.register")
    previous = head.short(fields.values.previous_tunnel_id)
    return Registration(api_key, name, auth_key, previous if reconnect and is_tunnel_id(previous) else None)


def read_connection(payload: msgspec.Raw) -> Connection:
    """Raises InvalidPayload with one detail per wrong field."""
    fields = _Fields(payload)
    tunnel_id = fields.text("tunnel_id")
    auth_key = fields.text("auth_key", MIN_AUTH_KEY)
    device_id = fields.text("device_id")
    reconnect = fields.flag("reconnect")
    if tunnel_id and not is_tunnel_id(tunnel_id):
        fields.wrong["payload.tunnel_id"] = "up to 64 letters, digits, - or _"
    if device_id and not is_device_id(device_id):
        fields.wrong.setdefault("payload.device_id", "up to 512 printable characters")
    fields.check("connect")
    resume = cursor.read(bytes(fields.values.resume))
    return Connection(tunnel_id, auth_key, device_id, reconnect, resume)


def read_auth(payload: msgspec.Raw) -> tuple[str, str]:
    """Return the key and the device id of a client's ``auth``; empty where absent, too long or no string."""
    if memoryview(payload).nbytes > head.MAX_SHORT:
        return "", ""
    found = _read_payload(payload) or _Payload()
    return head.short(found.auth_key) or "", head.short(found.device_id) or ""


def addressee(payload: msgspec.Raw) -> str | None:
    """Return the ``device_id`` inside a payload, as ``auth.success`` has it; None if there is none, or in a
    payload that is too long for one."""
    if memoryview(payload).nbytes > LARGE:
        return None
    return head.short((_read_payload(payload) or _Payload()).device_id) or None


def _dumps(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message)


def error(problem: TunnelError, request: bytes = b"") -> bytes:
    """``request``: the raw JSON of the offending message's ``id``, echoed as it came."""
    payload: dict[str, Any] = {"code": problem.code, "message": str(problem)}
    if problem.details:
        payload["details"] = problem.details
    body = _dumps(payload)
    marked = b',"id":' + request if request and request != b"null" else b""
    return b'{"type":"error"' + marked + b',"payload":' + body + b"}"


def registered(tunnel_id: str, public_url: str, restored: bool) -> bytes:
    return _reply("workstation.registered", {"tunnel_id": tunnel_id, "public_url": public_url}, restored)


def connected(tunnel_id: str, version: str, restored: bool, resume: dict[str, Any] | None = None) -> bytes:
    """``resume``: the answer to the client's ``resume``."""
    fields: dict[str, Any] = {
        "tunnel_id": tunnel_id,
        "tunnel_version": version,
        "protocol_version": PROTOCOL_VERSION,
    }
    if resume:
        fields["resume"] = resume
    return _reply("connected", fields, restored)


def _reply(kind: str, payload: dict[str, Any], restored: bool) -> bytes:
    return _dumps({"type": kind, "payload": payload | ({"restored": True} if restored else {})})


def pong(timestamp: msgspec.Raw) -> bytes:
    return b'{"type":"pong","timestamp":' + bytes(timestamp) + b"}"


def auth_error(problem: TunnelError) -> bytes:
    return _dumps({"type": "auth.error", "payload": {"code": problem.code, "message": str(problem)}})


def auth(auth_key: str, device_id: str) -> bytes:
    return _dumps({"type": "auth", "payload": {"auth_key": auth_key, "device_id": device_id}})


def auth_of(auth_key: str, device_id: str, request: bytes) -> bytes:
    """Return a device's ``auth`` with the key that the workstation expects; ``request``: its raw id."""
    marked = b',"id":' + request if request else b""
    payload = _dumps({"auth_key": auth_key, "device_id": device_id})
    return b'{"type":"auth"' + marked + b',"payload":' + payload + head.device_suffix(device_id)


def client_disconnected(device_id: str, tunnel_id: str) -> bytes:
    return _dumps(
        {"type": "client.disconnected", "payload": {"device_id": device_id, "tunnel_id": tunnel_id}}
    )


def workstation_state(tunnel_id: str, online: bool) -> tuple[bytes, bytes]:
    """Return both spellings of a workstation's coming or going: the general one, and Android's."""
    kind = "connection.workstation_online" if online else "connection.workstation_offline"
    return (
        _dumps({"type": kind, "payload": {"tunnel_id": tunnel_id}}),
        _dumps({"type": "workstation.status", "payload": {"online": online}}),
    )
