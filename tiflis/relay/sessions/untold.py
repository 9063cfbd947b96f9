"""Clients that wait for a workstation which may be back in a moment, not told yet that it is away."""

from collections.abc import Callable
from typing import Protocol

from tiflis.relay.interfaces import Timer


class Client(Protocol):
    connected: bool

    def send(self, text: bytes) -> None: ...


class Untold:
    """Holds back the answer "offline" to ``connect`` (protocol, section 3.1) until a moment in time.

    After a restart clients come back before their workstation; one that reads "offline" then waits for
    seconds before it tries again.
    """

    def __init__(
        self, now: Callable[[], float], later: Callable[[float, Callable[[], None]], Timer], limit: float
    ) -> None:
        """``limit``: seconds that an answer waits at most."""
        self._now, self._later, self._limit = now, later, limit
        self._until = float("-inf")
        self._answers: dict[int, tuple[Client, bytes]] = {}
        self._timer: Timer | None = None

    def expect(self, since: float) -> None:
        """The workstation was lost, or this worker began, at ``since``: it may come back until the limit."""
        self._until = max(self._until, since + self._limit)

    def answer(self, client: Client, text: bytes) -> None:
        """Send ``text`` as soon as the workstation is not expected any more."""
        left = self._until - self._now()
        if left <= 0:
            client.send(text)
            return
        self._answers[id(client)] = (client, text)
        if self._timer is None:
            self._timer = self._later(left, self.tell)

    def forget(self, client: Client) -> None:
        """It has gone."""
        self._answers.pop(id(client), None)

    def tell(self) -> None:
        """Answer those that are still not connected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        answers, self._answers = self._answers, {}
        for client, text in answers.values():
            if not client.connected:
                client.send(text)
