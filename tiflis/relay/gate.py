"""Who may come in: keys are compared here, and wrong ones counted."""

from collections.abc import Callable, Sequence

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
        if not self._right(address, None, lambda: self._keyring.registers(api_key)):
            metrics.count("auth_failures_total", "api_key")
            raise InvalidApiKey

    async def authorise(self, tunnel_id: str, auth_keys: Sequence[str], address: str) -> str:
        """The one of ``auth_keys`` that is the tunnel's (a watch may write one key in two ways).

        Raises TunnelNotFound, Starting, RateLimited without looking at the key, or InvalidAuthKey.
        """
        record = await self._claims.find(tunnel_id)
        fitting: list[str] = []

        def fits() -> bool:
            # All are compared: that an early one fits must not show.
            fitting.extend([key for key in auth_keys if self._claims.matches(record, key)])
            return bool(fitting)

        if not self._right(address, tunnel_id, fits):
            metrics.count("auth_failures_total", "auth_key")
            raise InvalidAuthKey
        return fitting[0]

    def _right(self, address: str, tunnel_id: str | None, fits: Callable[[], bool]) -> bool:
        right, wait = self._limiter.judge(address, tunnel_id, fits)
        if wait:
            metrics.count("auth_failures_total", "rate_limited")
            raise RateLimited(wait)
        return right
