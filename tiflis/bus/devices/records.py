"""The stored records of device keys: one per key, and one per tunnel for its settings."""

from sys import intern

import msgspec

ACCESS = "access"
"""In place of a key id: the record of a tunnel's settings. A key id has 8 characters."""
_PLACE = ("tunnel_id", "key_id", "revision")  # fields that follow from where a record is stored


class DeviceKey(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A device key. Times are seconds since the epoch; 0 for none."""

    digest: str  # HMAC of the key, in hex
    signer: str  # id of the registration key that the HMAC is made with
    scope: str
    created: float
    until: float  # end of the time in which its first device must come
    name: str = ""
    code: str = ""  # HMAC of the human code, as long as it may be used
    device_id: str = ""  # of the device that owns it; empty until the first one has come
    kind: str = ""  # client, watch or api: how it was used last
    seen: float = 0.0
    address: str = ""  # of its last use
    expires: float = 0.0
    maker: str = ""  # id of the device key that made it; empty for the workstation's own key
    # Known from where it is stored.
    tunnel_id: str = ""
    key_id: str = ""
    revision: int = 0

    def ended(self, now: float) -> bool:
        """Return whether the key is over: expired, or no device came in time."""
        return 0 < self.expires <= now or (not self.device_id and now >= self.until)


class Access(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A tunnel's settings."""

    owner_key: str = "any"  # known: closed to devices that are not known
    known: tuple[str, ...] = ()  # devices that may use the workstation's key then
    rekey_until: float = 0.0  # a workstation may register with another key until then
    tunnel_id: str = ""
    key_id: str = ACCESS
    revision: int = 0


Entry = DeviceKey | Access
_key, _access = msgspec.json.Decoder(DeviceKey), msgspec.json.Decoder(Access)


def encode(entry: Entry) -> bytes:
    """Return a record as it is stored, without the fields that follow from where it is stored."""
    # ``version``: a record always has a member, as its seal requires.
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__}
    kept = {
        name: value for name, value in fields.items() if name not in _PLACE and value not in ("", 0.0, ())
    }
    return msgspec.json.encode({"version": 1, **kept})


def decode(tunnel_id: str, key_id: str, value: bytes, revision: int) -> Entry:
    """Return the record. Raise ValueError for other bytes."""
    decoder: msgspec.json.Decoder[Entry] = _access if key_id == ACCESS else _key  # type: ignore[assignment]
    try:
        entry = decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise ValueError("not a record of a device key") from error
    return msgspec.structs.replace(entry, tunnel_id=intern(tunnel_id), key_id=key_id, revision=revision)
