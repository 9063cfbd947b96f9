"""When a store refuses records without a seal: once no worker is there whose code writes them."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from tiflis.bus.errors import BusError

log = logging.getLogger(__name__)

SEAL_SECONDS = 60.0  # without a worker that writes unsealed records, until such records count no more


class Store(Protocol):
    """A store whose records are sealed."""

    @property
    def sealed(self) -> bool: ...
    async def seal(self) -> None:
        """Refuse unsealed records from now on. Raise BusError."""


class Sealing:
    """Has one store refuse unsealed records."""

    def __init__(
        self,
        store: Store,
        fact: str,
        complaint: str,
        peers: Callable[[], Iterable[Mapping[str, Any]]],
        at_once: bool,
    ) -> None:
        """``fact``: by which a worker says that it seals such records; ``complaint``: for the log. ``peers``
        returns the facts of the other workers. ``at_once``: nothing that older code wrote can be stored."""
        self._store, self._fact, self._complaint, self._peers = store, fact, complaint, peers
        self._unsealing_seen = float("-inf") if at_once else asyncio.get_running_loop().time()

    async def look(self) -> None:
        """Seal the store if no worker of older code has been present for SEAL_SECONDS."""
        now = asyncio.get_running_loop().time()
        if not all(facts.get(self._fact) for facts in self._peers()):
            self._unsealing_seen = now
        if self._store.sealed or now - self._unsealing_seen < SEAL_SECONDS:
            return
        try:
            await self._store.seal()
        except BusError as problem:
            log.warning(self._complaint, extra={"reason": str(problem)})
