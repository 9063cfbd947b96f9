"""Logs refused keys: one line per minute and address over all workers of a host, with their number."""

import logging
from collections.abc import Callable

from tiflis.protocol.attempts import address_group
from tiflis.relay.auth.rate_limit import Limiter

log = logging.getLogger(__name__)

FIRST_SECONDS = 1.0  # after the first refusal: a burst is one line
EVERY_SECONDS = 60.0


class Refusals:
    """Counts refusals in the shared table; the worker with the first refusal of an address logs them."""

    def __init__(self, limiter: Limiter, later: Callable[[float, Callable[[], None]], object]) -> None:
        """``later``: as ``loop.call_later``."""
        self._limiter, self._later = limiter, later

    def note(self, address: str) -> None:
        """Count a key from this address that was wrong or was not compared."""
        group = address_group(address)
        if self._limiter.note_refusal(group):
            self._later(FIRST_SECONDS, lambda: self._write(group))

    def _write(self, group: str) -> None:
        number = self._limiter.take_refusals(group)
        if number:
            log.warning("keys refused", extra={"address": group, "count": number})
            self._later(EVERY_SECONDS, lambda: self._write(group))
