"""Who may come in: keys are compared here, and wrong ones counted."""

from collections.abc import Sequence

from tiflis import metrics
from tiflis.protocol.errors import InvalidApiKey, InvalidAuthKey, RateLimited
from tiflis.relay.claims import Claims
from tiflis.relay.keys import Keyring
from tiflis.relay.limiter import Limiter


class Gate:
    """The same checks for sockets and for watch calls."""

    def __init__(self, claims: Claims, keyring: Keyring, limiter: Limiter) -> None:
        self._claims, self._keyring, self._limiter = claims, keyring, limiter

    def admit_workstation(self, api_key: str, address: str) -> None:
        """Raises RateLimited without looking at the key, or InvalidApiKey."""
        self._look(address, None)
        if not self._keyring.registers(api_key):
            self._limiter.wrong(address, None)
            metrics.count("auth_failures_total", "api_key")
            raise InvalidApiKey
        self._limiter.right(address, None)

    async def authorise(self, tunnel_id: str, auth_keys: Sequence[str], address: str) -> str:
        """The one of ``auth_keys`` that is the tunnel's (a watch may write one key in two ways).

        Raises TunnelNotFound, Starting, RateLimited without looking at the key, or InvalidAuthKey.
        """
        record = await self._claims.find(tunnel_id)
        self._look(address, tunnel_id)
        # All are compared: that an early one fits must not show.
        fitting = [key for key in auth_keys if self._claims.matches(record, key)]
        if not fitting:
            self._limiter.wrong(address, tunnel_id)
            metrics.count("auth_failures_total", "auth_key")
            raise InvalidAuthKey
        self._limiter.right(address, tunnel_id)
        return fitting[0]

    def _look(self, address: str, tunnel_id: str | None) -> None:
        wait = self._limiter.look(address, tunnel_id)
        if wait:
            metrics.count("auth_failures_total", "rate_limited")
            raise RateLimited(wait)
