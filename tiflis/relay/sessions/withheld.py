"""The answer "offline", withheld from clients whose workstation may be back in a moment."""

from collections.abc import Callable
from typing import Protocol

from tiflis.relay.interfaces import Timer


class Client(Protocol):
    connected: bool

    def send(self, text: bytes) -> None: ...


class WithheldAnswers:
    """Withholds the answer "offline" to ``connect`` (protocol, section 3.1) until a moment in time.

    After a restart clients come back before their workstation; one that reads "offline" then waits for
    seconds before it tries again.
    """

    def __init__(
        self, now: Callable[[], float], later: Callable[[float, Callable[[], None]], Timer], limit: float
    ) -> None:
        """``limit``: seconds that an answer is withheld at most."""
        self._now, self._later, self._limit = now, later, limit
        self._until = float("-inf")
        self._answers: dict[int, tuple[Client, bytes]] = {}
        self._timer: Timer | None = None

    def expect(self, since: float) -> None:
        """Withhold answers until ``limit`` after ``since``, when the workstation was lost or we began."""
        self._until = max(self._until, since + self._limit)

    @property
    def expected(self) -> bool:
        """Return whether the workstation may be back in a moment."""
        return self._until > self._now()

    def answer(self, client: Client, text: bytes) -> None:
        """Send ``text`` as soon as the workstation is not expected any more."""
        left = self._until - self._now()
        if left <= 0:
            client.send(text)
            return
        self._answers[id(client)] = (client, text)
        if self._timer is None:
            self._timer = self._later(left, self.release)

    def forget(self, client: Client) -> None:
        """Drop the answer to a client that has gone."""
        self._answers.pop(id(client), None)

    def replace(self, old: Client, new: Client) -> None:
        """Send the answer to ``new``, the same client in another place, instead of ``old``."""
        if id(old) in self._answers:
            self._answers[id(new)] = (new, self._answers.pop(id(old))[1])

    def release(self) -> None:
        """Answer the clients that are still not connected, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        answers, self._answers = self._answers, {}
        for client, text in answers.values():
            if not client.connected:
                client.send(text)
