"""Parameters of the device API: bodies and credentials, all checked."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec

from tiflis.protocol.device_keys import KEY_ID, read_code
from tiflis.protocol.errors import DeviceNotFound, InvalidCode, InvalidPayload, MissingParameters
from tiflis.protocol.scopes import Scope
from tiflis.web.watch_parameters import Credentials, read_headers

NAME_LIMIT = 64  # characters
SHORTEST, LONGEST = 60.0, 366 * 86_400.0  # seconds that a key may last
LARGEST_SINCE = 2**63 - 1
# Control characters, line separators, lone surrogates, and characters that change the direction of text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

T = TypeVar("T")
Name = Annotated[str, msgspec.Meta(max_length=NAME_LIMIT)]
Lifetime = Annotated[float, msgspec.Meta(ge=SHORTEST, le=LONGEST)]


class Mint(msgspec.Struct):
    """A key to be made."""

    name: Name = ""
    scope: Scope = Scope.FULL
    expires_in: Lifetime | None = None


class Change(msgspec.Struct):
    """Changes of a key; None: not changed."""

    name: Name | None = None
    scope: Scope | None = None


class OwnerKey(msgspec.Struct):
    """Which devices may use the workstation's own key."""

    owner_key: str


class Code(msgspec.Struct):
    """A human code."""

    code: str


_mint, _change = msgspec.json.Decoder(Mint), msgspec.json.Decoder(Change)
_owner_key, _code = msgspec.json.Decoder(OwnerKey), msgspec.json.Decoder(Code)


def credentials(headers: Mapping[str, str]) -> Credentials:
    """Return the credentials of a call, which are in its headers. Raise MissingParameters, InvalidPayload."""
    found = read_headers(headers)
    if found is None:
        raise MissingParameters("Authorization: Bearer, X-Tunnel-Id and X-Device-Id are required")
    return found


def read_mint(body: bytes) -> Mint:
    """Read the body of a call that makes a key; an empty one is all defaults. Raise InvalidPayload."""
    made = _decode(_mint, body or b"{}")
    _check_name(made.name)
    return made


def read_change(body: bytes) -> dict[str, str]:
    """Return the changes of a key by field. Raise InvalidPayload."""
    change = _decode(_change, body)
    _check_name(change.name or "")
    fields = {"name": change.name, "scope": change.scope.value if change.scope else None}
    changes = {name: value for name, value in fields.items() if value is not None}
    if not changes:
        raise InvalidPayload("name or scope is required")
    return changes


def read_owner_key(body: bytes) -> str:
    """Return the setting: any or known. Raise InvalidPayload."""
    wanted = _decode(_owner_key, body).owner_key
    if wanted not in ("any", "known"):
        raise InvalidPayload("owner_key must be any or known")
    return wanted


def read_human_code(body: bytes) -> str:
    """Return a human code in its one form. Raise InvalidPayload, or InvalidCode for what cannot be one."""
    code = read_code(_decode(_code, body).code)
    if not code:
        raise InvalidCode
    return code


def read_key_id(text: str) -> str:
    """Return a key id of a path. Raise DeviceNotFound for what cannot be one."""
    if not KEY_ID.fullmatch(text):
        raise DeviceNotFound
    return text


def read_since(text: str) -> int:
    """Return the position after which to read. Raise InvalidPayload."""
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise InvalidPayload("since must be a whole number, 0 or more")
    return min(int(text), LARGEST_SINCE)


def _check_name(name: str) -> None:
    if _CONTROL.search(name):
        raise InvalidPayload("name may hold printable characters only")


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        kind = isinstance(problem, msgspec.ValidationError)
        raise InvalidPayload(str(problem) if kind else "The body must be a JSON object") from None
