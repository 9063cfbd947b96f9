"""Confirms a change of a device key with all workers: only then is the change in effect everywhere."""

import logging
from collections.abc import Callable

from tiflis.bus.presence import Facts, Presence
from tiflis.clock import running_clock

log = logging.getLogger(__name__)

QUESTION = "device key"
FACT = "devices"
"""The fact by which a worker says that it knows device keys."""
TRY_SECONDS = 0.5
CONFIRM_SECONDS = 5.0
"""Longer than the lease of a worker that has died unnoticed."""

Apply = Callable[[str, bytes | None, int], None]


class Spread:
    """Sends changes to the other workers, and applies theirs."""

    def __init__(self, presence: Presence, me: str, apply: Apply) -> None:
        self._presence, self._me, self._apply = presence, me, apply
        presence.act(QUESTION, self._take)

    async def confirm(self, key: str, value: bytes | None, revision: int, everyone: bool = False) -> bool:
        """Return whether every worker that is present has applied the change. None: the key is deleted.
        ``everyone``: workers that are cut off, but not known to be dead, count as well."""
        about = {"key": key, "value": None if value is None else value.decode(), "revision": revision}
        answered: set[str] = {self._me}
        away = self._away()
        end = running_clock().time() + CONFIRM_SECONDS
        while True:
            missing = self._present() - answered
            answers = await self._presence.ask(QUESTION, TRY_SECONDS, missing.__contains__, about)
            answered |= {str(answer.get("worker")) for answer in answers}
            away |= {str(worker_id) for answer in answers for worker_id in answer.get("away", ())}
            missing = self._present() - answered
            if not missing:
                break
            if running_clock().time() >= end:
                log.warning("device key not confirmed", extra={"missing": sorted(missing)})
                return False
        away = (away | self._away()) - answered if everyone else set()
        if away:
            log.warning("device key not confirmed", extra={"missing": sorted(away)})
        return not away

    def knows(self, worker_id: str) -> bool:
        """Return whether this worker knows device keys: older code does not."""
        peer = self._presence.peers.get(worker_id)
        return worker_id == self._me or (peer is not None and bool(peer.facts.get(FACT)))

    def _present(self) -> set[str]:
        return {worker_id for worker_id in self._presence.peers if self.knows(worker_id)}

    def _away(self) -> set[str]:
        """Return the workers that may still serve sockets, but cannot be reached."""
        return {peer.worker_id for peer in self._presence.missing() if peer.facts.get(FACT)}

    def _take(self, about: Facts) -> Facts:
        value = about["value"]
        self._apply(str(about["key"]), None if value is None else str(value).encode(), int(about["revision"]))
        return {"worker": self._me, "away": sorted(self._away())}
