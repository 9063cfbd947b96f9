"""When a channel asks a peer that says nothing, and when it gives the peer up."""

OPEN_SECONDS = 5.0
"""With the bus up, how long a peer may leave an OPEN unanswered."""
OPEN_SECONDS_AT_MOST = 15.0
"""The same with or without the bus."""
LINGER_SECONDS = 60.0
"""How long a closed channel waits for the peer to consume the rest without any progress."""
RETRY_SECONDS = 0.2
"""Without progress for so long, the peer is asked what it has; doubled each time up to a second."""
RETRY_SECONDS_AT_MOST = 1.0


class Patience:
    """The clock of one channel; `now` comes in."""

    __slots__ = ("_opened_at", "_progress_at", "_retry", "_retry_at", "_up_seconds")

    def __init__(self, now: float) -> None:
        self._opened_at = now
        self._up_seconds = 0.0
        self.progressed(now)

    def progressed(self, now: float) -> None:
        """The peer has done something, or something new is expected of it."""
        self._progress_at = now
        self._retry = RETRY_SECONDS
        self._retry_at = now + RETRY_SECONDS

    def should_ask(self, now: float) -> bool:
        """It is time to ask; the next time comes later."""
        if now < self._retry_at:
            return False
        self._retry = min(self._retry * 2, RETRY_SECONDS_AT_MOST)
        self._retry_at = now + self._retry
        return True

    def open_expired(self, now: float, up_seconds: float) -> bool:
        """Nobody answers the OPEN; `up_seconds` is how long the bus was up since the last call."""
        self._up_seconds += up_seconds
        return self._up_seconds >= OPEN_SECONDS or now - self._opened_at >= OPEN_SECONDS_AT_MOST

    def linger_expired(self, now: float) -> bool:
        """The peer has not taken any of the rest for long."""
        return now - self._progress_at >= LINGER_SECONDS
