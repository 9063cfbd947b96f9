"""How many events of one tunnel are reported: a workstation may ring, fail and finish without end."""

from tiflis.relay.push.events import BELL, Event

EVENTS, EVENTS_SECONDS = 240, 60.0  # that are reported in so many seconds: each costs writes and POSTs
BELL_SECONDS = 10.0  # between two bells of one session that are reported
SESSIONS = 256  # whose last bell is remembered


class EventPace:
    """The events of one tunnel. Callers pass the time."""

    def __init__(self) -> None:
        self._count, self._end = 0, 0.0
        self._rang: dict[str, float] = {}

    def admit(self, event: Event, now: float) -> bool:
        """Count an event; return whether it is to be reported."""
        if event.kind == BELL and not self._rings(event.session, now):
            return False
        if now >= self._end:
            self._count, self._end = 0, now + EVENTS_SECONDS
        self._count += 1
        return self._count <= EVENTS

    def _rings(self, session: str, now: float) -> bool:
        if now < self._rang.get(session, float("-inf")) + BELL_SECONDS:
            return False
        self._rang.pop(session, None)
        self._rang[session] = now
        if len(self._rang) > SESSIONS:
            del self._rang[next(iter(self._rang))]
        return True
