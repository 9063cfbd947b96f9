"""The messages of one tunnel: from devices to workstation and back, and who is slowed down by whom."""

from typing import ClassVar

from tiflis import metrics
from tiflis.bus.directory.directory import Record
from tiflis.protocol import head, messages
from tiflis.protocol.errors import SendFailed, WorkstationOffline
from tiflis.protocol.head import Head
from tiflis.protocol.routing import Requests
from tiflis.relay.device_registry import DeviceRegistry
from tiflis.relay.interfaces import EdgeSession, Surroundings, Timer, Watches, Workstation
from tiflis.relay.offline_queue import OfflineQueue, QueuedMessage
from tiflis.relay.reattachment import Reattachment
from tiflis.relay.remote.transit import Absent
from tiflis.relay.sessions.client import Attached, ClientSession
from tiflis.relay.wire import Pause


class Traffic:
    """Who of one tunnel is here and elsewhere, and the way of every message between them."""

    path: ClassVar[str] = "local"
    watches: Watches  # the watches; given right after the home is made, for each needs the other

    def __init__(self, host: Surroundings, record: Record) -> None:
        self.tunnel_id = record.tunnel_id
        self.record = record  # as this home last wrote it
        self.written_down = True  # the watches, when the tunnel moves
        self.workstation: Workstation | None = None
        self.device_registry = DeviceRegistry(host.now, host.limits.device_memory)
        self.here: set[ClientSession] = set()  # connected clients in this worker
        self.edge_sessions: set[EdgeSession] = set()
        self._absent: dict[tuple[str, int], Absent] = {}  # clients on their way from worker and number
        self._limits, self._now = host.limits, host.now
        self._requests = Requests(host.limits.request_memory, host.limits.requests_remembered)
        self._grace: Timer | None = None
        self._in_grace = False  # when it was frozen
        self._waiting = OfflineQueue(host.limits.offline_grace_bytes)
        self._departed: set[str] = set()  # devices that left while the workstation was away
        self._held = False  # who sends to the workstation is not read any further
        self._full = False  # and nobody else is either
        self._pressing: set[EdgeSession | ClientSession] = set()  # who takes too little
        self.reattachment = Reattachment()  # of those who come from the tunnel's last home

    @property
    def workstation_online(self) -> bool:
        return self.online

    @property
    def workstation_name(self) -> str:
        return self.record.name

    @property
    def idle(self) -> bool:
        """Whether nobody needs this tunnel now."""
        return not (self.online or len(self.device_registry) or self.edge_sessions or self.watches.devices())

    @property
    def online(self) -> bool:
        """Whether the workstation is there, or has been until a moment ago."""
        return self.workstation is not None or self._grace is not None

    @property
    def waiting(self) -> int:
        """Bytes that wait for a workstation or clients that are away for a moment."""
        return self._waiting.size + sum(absent.size for absent in self._absent.values())

    def clients(self) -> list[ClientSession]:
        """All clients of this worker, connected or waiting."""
        return [
            attached for attached in self.device_registry.everyone() if isinstance(attached, ClientSession)
        ]

    def remote_sockets(self) -> set[tuple[str, int]]:
        """Clients elsewhere, as (worker, socket number)."""
        return set().union(*(edge_session.sockets() for edge_session in self.edge_sessions))

    # From devices to the workstation

    def forward(self, client: Attached, request: bytes, text: bytes) -> None:
        """A message, spliced already, from a device; ``request``: its raw id, empty if it has none."""
        workstation = self.workstation
        if workstation is not None:
            known = head.request_id(request) if request else b""
            if known:
                self._requests.note(client.device_id, known, self._now())
            workstation.wire.send(text)
            if self._held and isinstance(client, ClientSession):
                client.hold(True)
        elif not self._wait(client.device_id, request, text):
            metrics.count("undelivered_total")
            client.send(messages.error(WorkstationOffline(), request))

    def to_workstation(self, text: bytes, device_id: str, request_id: bytes) -> None:
        """Like ``forward``, for a watch. Raises WorkstationOffline, or SendFailed when too much waits."""
        if self._full:
            raise SendFailed
        if self.workstation is not None:
            self._to_workstation(device_id, request_id, text)
        elif not self._wait(device_id, request_id, text):
            raise WorkstationOffline

    def _to_workstation(self, device_id: str, request: bytes, text: bytes) -> None:
        assert self.workstation is not None
        if known := head.request_id(request):
            self._requests.note(device_id, known, self._now())
        self.workstation.wire.send(text)

    def _wait(self, device_id: str, request: bytes, text: bytes) -> bool:
        """Whether the message can wait for the workstation, which is only briefly away."""
        return self._grace is not None and self._waiting.enter(QueuedMessage(device_id, request, text))

    def hold(self, held: bool) -> None:
        """The workstation reads slowly: a device that sends to it is not read again until it has caught up.

        The others are, so that their pings are answered: a phone gives up after 5 s without a pong.
        """
        if held is self._held:
            return
        self._held = held
        for edge_session in self.edge_sessions:
            edge_session.hold(held)
        if not held:
            self._full = False
            for client in self.clients():
                client.hold(False)

    def crowd(self, high: bool) -> None:
        """So much waits for the workstation that no device at all is read, or less again."""
        self._full = high
        if high:
            for client in self.clients():
                client.hold(True)

    # Other workers with clients of this tunnel

    def join(self, edge_session: EdgeSession) -> None:
        self.edge_sessions.add(edge_session)
        if self._held:
            edge_session.hold(True)

    def part(self, edge_session: EdgeSession) -> None:
        self.edge_sessions.discard(edge_session)
        self.press(edge_session, False)

    def press(self, who: EdgeSession | ClientSession, high: bool) -> None:
        """The way to a neighbour or client is full, or free again: read the workstation accordingly."""
        (self._pressing.add if high else self._pressing.discard)(who)
        if self.workstation is not None:
            wire = self.workstation.wire
            (wire.pause if self._pressing else wire.resume)(Pause.PRESSURE)

    # From the workstation to devices

    def from_workstation(self, found: Head, text: bytes) -> None:
        """An answer goes to the device that asked, everything else to everyone (protocol, section 3.3)."""
        device_id = self._addressee(found)
        if device_id is not None:
            self.to_device(device_id, text)
            return
        for client in self.here:
            client.wire.send(text)
        for edge_session in self.edge_sessions:
            edge_session.broadcast(text)
        for absent in self._absent.values():
            if absent.connected:
                absent.send(text)
        self.watches.deliver(text)

    def _addressee(self, found: Head) -> str | None:
        if found.type == "auth.success" and (device_id := messages.addressee(found.payload)):
            return device_id
        request = head.request_id(head.echoable(found.id))
        return self._requests.asker(request, self._now()) if request else None

    def to_device(self, device_id: str, text: bytes) -> None:
        """To all sockets of a device, or into its watch's queue; silence if there is no such device."""
        sockets = self.device_registry.sockets(device_id)
        if not sockets:
            self.watches.deliver_to(device_id, text)
        for attached in sockets:
            if attached.connected:
                attached.send(text)

    def tidy(self, now: float) -> None:
        """Forget what is too old to matter."""
        self._requests.forget_older(now)
        self.device_registry.tidy()
