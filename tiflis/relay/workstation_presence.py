"""A tunnel's workstation as it comes and goes: its registration, the offline grace and the offline queue."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tiflis.protocol import head, messages
from tiflis.protocol.routing import Requests
from tiflis.protocol.spliced import SplicedText
from tiflis.relay.devices.registry import DeviceRegistry
from tiflis.relay.interfaces import Timer, Worker, Workstation
from tiflis.relay.offline_queue import OfflineQueue, QueuedMessage
from tiflis.relay.sessions.client import Attached
from tiflis.relay.sessions.withheld import WithheldAnswers

# An operator who shortens the offline grace shortens the wait for a workstation after a restart with it.
PATIENCE_GRACES = 2.5
DEPARTED_LIMIT = 16_384  # devices that left while the workstation was away; of more it is sent nothing


class Host(Protocol):
    """What the presence needs of the tunnel's home."""

    def device_left(self, device_id: str) -> None:
        """Report a device as gone unless it has a socket or a watch."""

    def grace_ended(self, undelivered: list[QueuedMessage]) -> None:
        """Return the messages to their senders and notify the devices that the workstation is offline."""


class _Endless:
    """Stands in for the grace's timer while the grace must not end by itself."""

    def cancel(self) -> None: ...


class WorkstationPresence:
    """Whether the workstation is here, away for a moment, or offline; and what is kept while it is away."""

    def __init__(self, worker: Worker[Any], devices: DeviceRegistry, host: Host) -> None:
        limits = worker.limits
        self._worker, self._devices, self._host = worker, devices, host
        self.requests = Requests(limits.request_memory, limits.requests_remembered)
        self.workstation: Workstation | None = None
        self.queue = OfflineQueue(limits.offline_grace_bytes)
        self.departed: set[str] = set()  # devices that left while the workstation was away
        patience = min(limits.offline_patience, PATIENCE_GRACES * limits.offline_grace)
        self._withheld = WithheldAnswers(worker.now, worker.later, patience)
        devices.on_replace = self._withheld.replace
        self._grace: Timer | None = None
        self._frozen_in_grace = False  # the grace was running when the home was frozen

    @property
    def online(self) -> bool:
        """Whether the workstation is here, or away for no longer than the grace."""
        return self.workstation is not None or self._grace is not None

    @property
    def expected(self) -> bool:
        """Whether the workstation is offline, but may be back in a moment."""
        return not self.online and self._withheld.expected

    @property
    def in_grace(self) -> bool:
        """Whether the grace is running, or was when the home was frozen."""
        return self._grace is not None or self._frozen_in_grace

    # The workstation comes and goes

    def register(self, workstation: Workstation) -> bool:
        """Make this the tunnel's workstation; return whether it has superseded another."""
        old, self.workstation = self.workstation, workstation
        if old is not None:
            old.superseded()
        self._end_grace()
        return old is not None

    def adopt(self, workstation: Workstation) -> None:
        """Go on with a workstation whose socket came from another process."""
        self.workstation = workstation
        self._end_grace()

    def lose(self) -> None:
        """Begin the grace: the workstation's socket has closed."""
        self.workstation = None
        self.expect_back(self._worker.now())
        self._start_grace()

    def expect_back(self, since: float) -> None:
        """Withhold "offline" for a while: the workstation was lost, or this worker began, at ``since``."""
        self._withheld.expect(since)

    def expect(self) -> None:
        """Begin the grace where none runs: a workstation is about to be registered here."""
        if not self.online:
            self._start_grace()

    @contextmanager
    def carrying(self) -> Iterator[None]:
        """Count the workstation as online, however long it takes: its socket is being adopted."""
        self._end_grace()
        self._grace = endless = _Endless()
        try:
            yield
        finally:
            if self._grace is endless:
                self._start_grace()

    def _start_grace(self) -> None:
        self._grace = self._worker.later(self._worker.limits.offline_grace, self.grace_over)

    def _end_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def grace_over(self) -> None:
        """Count the workstation as offline."""
        self._grace = None
        self._host.grace_ended(self.queue.leave())

    # What it is sent, and what is kept while it is away

    def send(self, device_id: str, request: bytes, text: bytes | SplicedText) -> bool:
        """Send a device's message, or queue it during the grace; return False if neither is possible.

        ``request``: the message's raw id, empty without one.
        """
        workstation = self.workstation
        if workstation is None:
            kind = text.kind if isinstance(text, SplicedText) else ""
            return self._grace is not None and self.queue.enter(
                QueuedMessage(device_id, request, bytes(text), kind)
            )
        known = head.request_id(request) if request else b""
        if known:
            self.requests.note(device_id, known, self._worker.now())
        if isinstance(text, SplicedText):
            workstation.wire.send_large(text)
        else:
            workstation.wire.send(text)
        return True

    def introduce(self, device_id: str, again: bool = False) -> None:
        """Send a device's ``auth``: a workstation that registered has no devices (protocol, section 3.3).
        ``again``: also for a device that may be about to send its own."""
        if self.workstation is not None and (again or device_id not in self._devices.introduced):
            self._devices.introduced.add(device_id)
            self.workstation.wire.send(messages.auth(self.workstation.auth_key, device_id))

    def flush(self) -> None:
        """Send the workstation the queue, then the departures: a device's messages come before its end."""
        for message in self.queue.leave():
            self.introduce(message.device_id)  # the device may have left since
            self.send(*message[:3])
        self.report_departures()

    def note_departure(self, device_id: str) -> None:
        """Record that a device left while the workstation was away."""
        if len(self.departed) < DEPARTED_LIMIT:
            self.departed.add(device_id)

    def report_departures(self) -> None:
        """Report the devices that left while the workstation was away."""
        departed, self.departed = self.departed, set()
        self._devices.introduced -= departed
        for device_id in departed:
            self._host.device_left(device_id)

    def answer_offline(self, attached: Attached, text: bytes) -> None:
        """Send ``text``, the answer "offline" to a ``connect``, once the workstation is not expected back."""
        self._withheld.answer(attached, text)

    def forget(self, attached: Attached) -> None:
        """Drop the withheld answer to a socket that has closed."""
        self._withheld.forget(attached)

    # The home moves

    def answer_waiting(self) -> None:
        """Send the withheld answers now: the next home does not know of them."""
        self._withheld.release()

    def freeze(self) -> None:
        """Stop the grace, and send the withheld answers: the sockets are about to leave."""
        self.answer_waiting()
        self._frozen_in_grace = self._grace is not None
        self._end_grace()

    def thaw(self) -> None:
        """Go on after ``freeze``, here."""
        if self._frozen_in_grace:
            self._start_grace()
        if self.workstation is not None:
            self.report_departures()

    def retire(self) -> None:
        """Let go of everything: another home has the tunnel."""
        self._end_grace()
        self.answer_waiting()
        self.queue.leave()
        if self.workstation is not None:
            self.workstation.superseded()
            self.workstation = None

    def take(self, queued: list[QueuedMessage], departed: list[str], in_grace: bool) -> None:
        """Take over what the last home kept; ``in_grace``: begin a grace unless the workstation is here."""
        self.queue.before(queued)
        self.departed |= set(departed)
        if in_grace and self.workstation is None:
            self._end_grace()
            self._start_grace()
