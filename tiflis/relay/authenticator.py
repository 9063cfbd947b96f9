"""Checks all keys, and counts the wrong ones."""

from collections.abc import Callable, Sequence

from tiflis import metrics
from tiflis.bus.devices.records import DeviceKey
from tiflis.bus.directory.directory import Record
from tiflis.protocol.device_keys import key_id_of
from tiflis.protocol.errors import InvalidApiKey, InvalidAuthKey, InvalidCode, InvalidToken, RateLimited
from tiflis.protocol.messages import Registration
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.auth.keys import Keyring, Trial, digests, key_id, plain
from tiflis.relay.auth.rate_limit import REGISTRATION, WORKSTATION, Caller, Limiter, Verdict
from tiflis.relay.claims import Claims

LIVE_TUNNELS = 10_000
CODES = "*code"  # the rate limit's name of the place where human codes are tried
OPERATOR = "*"  # begins the rate limit's name of an operator's page; no tunnel id contains it


class Authenticator:
    """The same checks for sockets, for calls of the watch API, and for operators' pages.

    Each method raises RateLimited, without looking at the key, if too many were wrong lately.
    """

    def __init__(
        self,
        claims: Claims,
        keyring: Keyring,
        limiter: Limiter,
        live_tunnels: int = LIVE_TUNNELS,
        devices: DeviceKeys | None = None,
    ) -> None:
        """``live_tunnels``: how many each registration key may have."""
        self._claims, self._keyring, self._limiter = claims, keyring, limiter
        self._live_tunnels, self.devices = live_tunnels, devices
        self.note_refusal: Callable[[str], None] = lambda address: None  # for the log; set before traffic

    def admit_workstation(self, api_key: str, address: str, previous: str | None = None) -> None:
        """Raise InvalidApiKey unless this is a registration key. ``previous``: the tunnel id asked for."""
        caller = Caller(address, previous, WORKSTATION) if previous else Caller(address)
        if not self._judge(REGISTRATION, caller, self._keyring.registration(api_key)).right:
            metrics.count("auth_failures_total", "api_key")
            raise InvalidApiKey

    def applicant(self, said: Registration, address: str) -> "Applicant":
        """Return an admitted workstation as an applicant for a tunnel."""
        return Applicant(self, said, address)

    def admit_new_tunnel(self, maker: str, address: str) -> None:
        """Count a new tunnel of a registration key; raise RateLimited if it is one too many."""
        if self._claims.made_by(maker) >= self._live_tunnels:
            metrics.count("tunnels_refused_total", "live")
            raise RateLimited(message="This registration key has as many tunnels as it may have")
        delay = self._limiter.new_tunnel(maker, address)
        if delay:
            metrics.count("tunnels_refused_total", "rate")
            raise RateLimited(delay, "Too many new tunnels with this registration key; wait a minute")

    def owns(self, record: Record, auth_key: str, address: str) -> bool:
        """Return whether a workstation gives the auth key of a tunnel that it asks for."""
        if self.devices is not None and self.devices.may_rekey(record.tunnel_id):
            return True
        caller = Caller(address, record.tunnel_id, WORKSTATION)
        right = self._judge(record.tunnel_id, caller, self._trial(record, [auth_key])).right
        if not right:
            metrics.count("auth_failures_total", "auth_key")
        return right

    def registered(self, tunnel_id: str, address: str) -> None:
        """Note that a workstation has its tunnel: from now on it has attempts of its own."""
        self._limiter.welcome(Caller(address, tunnel_id, WORKSTATION))

    async def authorise(
        self,
        tunnel_id: str,
        auth_keys: Sequence[str],
        address: str,
        device_id: str | None = None,
        kind: str = "client",
    ) -> str:
        """Return the one of ``auth_keys`` that is the tunnel's, or a device key of it (a watch may write
        one key in two ways). ``kind``: of the device, for its owner to see.

        Raises TunnelNotFound, Starting, InvalidAuthKey or SendFailed.
        """
        record, devices = await self._claims.find(tunnel_id), self.devices
        if devices is None or not key_id_of(auth_keys[0]):
            return self.admit_owner(record, auth_keys, address, device_id)
        caller = Caller(address, tunnel_id, device_id or None)
        trial = devices.trial(tunnel_id, auth_keys, device_id)
        right = auth_keys[self._right(tunnel_id, caller, trial)]
        await devices.used(tunnel_id, right, device_id or "", address, kind)
        self._limiter.welcome(caller)
        return right

    def admit_owner(
        self, record: Record, auth_keys: Sequence[str], address: str, device_id: str | None
    ) -> str:
        """Return the one of ``auth_keys`` that is the workstation's own. Raises InvalidAuthKey."""
        tunnel_id, devices = record.tunnel_id, self.devices
        caller, trial = Caller(address, tunnel_id, device_id or None), self._trial(record, auth_keys)
        if devices is None or devices.owner_key(tunnel_id) == "any":
            return auth_keys[self._right(tunnel_id, caller, trial, welcome=True)]
        right = auth_keys[self._right(tunnel_id, caller, trial)]
        devices.admit_owner(tunnel_id, device_id or "", lambda: self._limiter.knows(caller))
        self._limiter.welcome(caller)
        return right

    def _right(self, tunnel_id: str, caller: Caller, trial: Trial, welcome: bool = False) -> int:
        """Return which reading of a key is right. Raises InvalidAuthKey."""
        verdict = self._judge(tunnel_id, caller, trial, welcome)
        if not verdict.right:
            metrics.count("auth_failures_total", "auth_key")
            raise InvalidAuthKey
        return verdict.reading

    def admit_code(self, code: str, address: str) -> DeviceKey:
        """Return the device key behind a human code. Raises InvalidCode, Starting."""
        assert self.devices is not None
        given, entry = self.devices.behind_code(code)
        trial = digests(given, [entry.code] if entry else [])
        if not self._judge(CODES, Caller(address), trial).right or entry is None:
            metrics.count("auth_failures_total", "code")
            raise InvalidCode
        return entry

    def recognise(self, caller: Caller, given: str, own: str) -> bool:
        """Return whether a connected device gives its own key once more."""
        return self._judge(caller.tunnel_id, caller, plain(given, own)).right

    def admit_operator(self, page: str, given: str, token: str, address: str) -> None:
        """Raise InvalidToken unless ``given`` is the token of this page."""
        if not self._judge(OPERATOR + page, Caller(address), plain(given, token)).right:
            metrics.count("auth_failures_total", "operator")
            raise InvalidToken

    def _trial(self, record: Record, auth_keys: Sequence[str]) -> Trial:
        return self._keyring.auth(record.tunnel_id, auth_keys, record.key_id, record.key_digest)

    def _judge(self, place: str, caller: Caller, trial: Trial, welcome: bool = False) -> Verdict:
        verdict = self._limiter.judge(place, caller, trial, welcome)
        if not verdict.right:
            self.note_refusal(caller.address)
        if verdict.wait:
            metrics.count("auth_failures_total", "rate_limited")
            raise RateLimited(verdict.wait)
        return verdict


class Applicant:
    """A workstation whose registration key was right, as an applicant for a tunnel."""

    def __init__(self, gate: Authenticator, said: Registration, address: str) -> None:
        self._gate, self._said, self._address = gate, said, address
        self.maker = key_id(said.api_key)

    def owns(self, record: Record) -> bool:
        return self._gate.owns(record, self._said.auth_key, self._address)

    def creates(self) -> None:
        self._gate.admit_new_tunnel(self.maker, self._address)
