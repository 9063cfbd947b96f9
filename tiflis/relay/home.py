"""The home of one tunnel: its workstation, its devices, and every routing decision.

It lives in the worker that claimed the tunnel in the directory: where the workstation's socket is, or, while
there is none, wherever a device first asked for the tunnel.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Protocol

import msgspec

from tiflis import __version__, metrics
from tiflis.bus.directory import Record
from tiflis.limits import Limits
from tiflis.protocol import head, messages
from tiflis.protocol.errors import SendFailed, WorkstationOffline
from tiflis.protocol.head import Head
from tiflis.protocol.routing import Requests
from tiflis.relay.absent import Absent
from tiflis.relay.client import Attached, ClientSession
from tiflis.relay.roster import Roster
from tiflis.relay.waiting import Waiting, WaitingRoom
from tiflis.relay.wire import Pause, Wire

log = logging.getLogger(__name__)

RETURN_SECONDS = 5.0  # how long a client may be on its way from one worker to another


class Timer(Protocol):
    def cancel(self) -> None: ...


class Workstation(Protocol):
    """The tunnel's workstation as its home sees it."""

    wire: Wire
    auth_key: str

    def superseded(self) -> None:
        """A newer registration has taken its place."""


class Desk(Protocol):
    """The tunnel's watches."""

    async def call(self, operation: str, arguments: dict[str, Any], body: bytes) -> dict[str, Any]: ...
    async def release(self) -> bool:
        """Write everything down for the next home; nothing more is queued here. Whether that was done."""

    def expect_gap(self) -> None:
        """The last home could not write everything down."""

    def deliver(self, text: bytes) -> None: ...
    def deliver_to(self, device_id: str, text: bytes) -> bool: ...
    def devices(self) -> list[str]: ...
    def workstation_registered(self, auth_key: str) -> None: ...


class Neighbour(Protocol):
    """Another worker with clients of this tunnel."""

    def broadcast(self, text: bytes) -> None: ...
    def hold(self, held: bool) -> None: ...
    def sockets(self) -> set[tuple[str, int]]: ...
    def close(self) -> None: ...


class Host(Protocol):
    """What a home needs of its worker."""

    limits: Limits

    def now(self) -> float: ...
    def later(self, delay: float, callback: Callable[[], None], /) -> Timer: ...
    def lost_desk(self, home: "Home") -> None:
        """Another home has taken over this one's watches."""

    def went_offline(self, home: "Home") -> None:
        """The workstation has been away for longer than the grace: the directory should say so."""


class HomeState(msgspec.Struct):
    """What moves with a tunnel besides its sockets and watches; times are ages in seconds."""

    waiting: list[tuple[str, bytes, bytes]]
    departed: list[str]
    seen: dict[str, float]
    introduced: list[str]
    requests: list[tuple[str, bytes, float]]
    online: bool
    grace: bool
    written_down: bool


class Home:
    """One tunnel's home. All methods run in the worker's event loop; none waits."""

    path: ClassVar[str] = "local"
    desk: Desk  # the watches; given right after the home is made, for each needs the other

    def __init__(self, host: Host, record: Record) -> None:
        self.tunnel_id = record.tunnel_id
        self.record = record  # as this home last wrote it
        self.written_down = True  # the watches, when the tunnel moves
        self.workstation: Workstation | None = None
        self.roster = Roster(host.now, host.limits.device_memory)
        self.here: set[ClientSession] = set()  # connected clients in this worker
        self.neighbours: set[Neighbour] = set()
        self._absent: dict[tuple[str, int], Absent] = {}  # clients on their way from worker and number
        self._host = host
        self._requests = Requests(host.limits.request_memory, host.limits.requests_remembered)
        self._grace: Timer | None = None
        self._in_grace = False  # when it was frozen
        self._waiting = WaitingRoom(host.limits.offline_grace_bytes)
        self._departed: set[str] = set()  # devices that left while the workstation was away
        self._held = False  # who sends to the workstation is not read any further
        self._full = False  # and nobody else is either
        self._pressing: set[Neighbour | ClientSession] = set()  # who takes too little
        self._expected: set[tuple[str, int]] = set()
        self._travelling: set[str] = set()  # devices that were connected where the tunnel was before
        self._greet_expected = False

    @property
    def workstation_online(self) -> bool:
        return self.online

    @property
    def workstation_name(self) -> str:
        return self.record.name

    @property
    def idle(self) -> bool:
        """Whether nobody needs this tunnel now."""
        return not (self.online or len(self.roster) or self.neighbours or self.desk.devices())

    @property
    def online(self) -> bool:
        """Whether the workstation is there, or has been until a moment ago."""
        return self.workstation is not None or self._grace is not None

    # The workstation comes and goes

    def register(self, workstation: Workstation, welcome: bytes) -> None:
        """The newest registration wins. ``welcome`` is the first thing that the workstation hears."""
        old, self.workstation = self.workstation, workstation
        if old is not None:
            old.superseded()
        self._end_grace()
        self.hold(False)
        workstation.wire.send(welcome)
        self.roster.introduced.clear()
        self.desk.workstation_registered(workstation.auth_key)
        self._flush_departed()
        for attached in self.roster.everyone():
            self._greet(attached, again=old is not None or self._greet_expected)
        self._flush_waiting()
        if self._expected:
            workstation.wire.pause(Pause.GATHERING)
        else:
            self.all_arrived()

    def expect(self) -> None:
        """A workstation will be registered here in a moment, so nobody has to hear that there is none."""
        if not self.online:
            self._start_grace()

    def resume(self, workstation: Workstation) -> None:
        """The workstation's socket has come over from another process; nobody has noticed."""
        self.workstation = workstation
        self._end_grace()
        self._flush_departed()
        self._flush_waiting()
        if self._expected:
            workstation.wire.pause(Pause.GATHERING)

    def _end_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def _greet(self, attached: Attached, again: bool) -> None:
        """Tell a client of its workstation, and the workstation of its device."""
        if not attached.connected:
            self._accept(attached)
            return
        self._introduce(attached.device_id)
        if attached.told_offline or again:
            attached.tell(True)

    def _introduce(self, device_id: str) -> None:
        """A workstation that has registered again has forgotten its devices (protocol, section 3.3)."""
        if self.workstation is not None and device_id not in self.roster.introduced:
            self.roster.introduced.add(device_id)
            self.workstation.wire.send(messages.auth(self.workstation.auth_key, device_id))

    def _flush_departed(self) -> None:
        departed, self._departed = self._departed, set()
        for device_id in departed:
            self.device_left(device_id)

    def _flush_waiting(self) -> None:
        for device_id, request, text in self._waiting.leave():
            self._to_workstation(device_id, request, text)

    def workstation_lost(self, workstation: Workstation) -> None:
        """Its socket has closed. A superseded one changes nothing."""
        if self.workstation is not workstation:
            return
        self.workstation = None
        self.hold(False)
        self._start_grace()

    def _start_grace(self) -> None:
        self._grace = self._host.later(self._host.limits.offline_grace, self._gone)

    def _gone(self) -> None:
        """The grace is over: what waited is returned, and everyone is told."""
        self._grace = None
        for device_id, request, _ in self._waiting.leave():
            self.to_device(device_id, messages.error(WorkstationOffline(), request))
            metrics.count("undelivered_total")
        for attached in self.roster.everyone():
            if attached.connected and not attached.told_offline:
                attached.tell(False)
        self._host.went_offline(self)

    # Devices come and go

    def clients(self) -> list[ClientSession]:
        """All clients of this worker, connected or waiting."""
        return [attached for attached in self.roster.everyone() if isinstance(attached, ClientSession)]

    def attach(
        self, client: ClientSession, request: bytes = b"", origin: tuple[str, int] | None = None
    ) -> None:
        """A client in this worker."""
        if self._full:
            client.hold(True)
        self.arrive(client, request, origin)
        if client.connected:
            self.here.add(client)

    def arrive(self, attached: Attached, request: bytes = b"", origin: tuple[str, int] | None = None) -> None:
        """A device's socket, new or on its way from another worker; ``request``: its ``connect``'s id."""
        absent = self._absent.pop(origin, None) if origin else None
        if absent is not None:
            self.roster.replace(absent, attached)
            absent.repeat_to(attached)
            return
        self.roster.add(attached)
        self._departed.discard(attached.device_id)
        if attached.connected:
            self._rejoined(attached)
        elif self.online:
            self._accept(attached)
        elif self.roster.waiting() > self._host.limits.pending_limit:
            self.roster.remove(attached)
            attached.refuse(messages.error(WorkstationOffline(), request))
        else:
            attached.send(messages.error(WorkstationOffline(), request))

    def _accept(self, attached: Attached) -> None:
        self.roster.introduced.add(attached.device_id)  # by itself: ``auth`` is its next message
        restored = attached.reconnect and self.roster.known(attached)
        attached.accept(messages.connected(self.tunnel_id, __version__, restored))
        if isinstance(attached, ClientSession):
            self.here.add(attached)

    def _rejoined(self, attached: Attached) -> None:
        """A connected client whose tunnel has moved here."""
        if self.workstation is not None:
            self._greet(attached, again=self._greet_expected)
        elif not self.online and not attached.told_offline:
            attached.tell(False)

    def detach(self, client: ClientSession) -> None:
        """A client of this worker has gone."""
        self.here.discard(client)
        self.press(client, False)
        self.leave(client)

    def step_out(self, origin: tuple[str, int], client: Attached) -> Absent:
        """The client goes to another worker and will be back in a moment; meanwhile nothing is lost."""
        absent = self._absent[origin] = Absent(client)
        self.roster.replace(client, absent)
        self._host.later(RETURN_SECONDS, lambda: self._stayed_away(origin, absent))
        return absent

    def _stayed_away(self, origin: tuple[str, int], absent: Absent) -> None:
        if self._absent.get(origin) is absent:
            del self._absent[origin]
            self.leave(absent)

    def leave(self, attached: Attached) -> None:
        """A device's socket has gone; with the last one the device is (protocol, section 3.1)."""
        device_id = attached.device_id
        if self.roster.remove(attached) and device_id not in self.desk.devices():
            self._say_departed(device_id)

    def _say_departed(self, device_id: str) -> None:
        if self.workstation is not None:
            self.workstation.wire.send(messages.client_disconnected(device_id, self.tunnel_id))
        else:
            self._departed.add(device_id)

    def device_left(self, device_id: str) -> None:
        """A device is gone unless it is connected in another way."""
        if device_id not in self.roster and device_id not in self.desk.devices():
            self._say_departed(device_id)

    def desk_lost(self) -> None:
        self._host.lost_desk(self)

    # From devices to the workstation

    def forward(self, client: Attached, request: bytes, text: bytes) -> None:
        """A message, spliced already, from a device; ``request``: its raw id, empty if it has none."""
        workstation = self.workstation
        if workstation is not None:
            known = head.request_id(request) if request else b""
            if known:
                self._requests.note(client.device_id, known, self._host.now())
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
            self._requests.note(device_id, known, self._host.now())
        self.workstation.wire.send(text)

    def _wait(self, device_id: str, request: bytes, text: bytes) -> bool:
        """Whether the message can wait for the workstation, which is only briefly away."""
        return self._grace is not None and self._waiting.enter(Waiting(device_id, request, text))

    def hold(self, held: bool) -> None:
        """The workstation reads slowly: a device that sends to it is not read again until it has caught up.

        The others are, so that their pings are answered: a phone gives up after 5 s without a pong.
        """
        if held is self._held:
            return
        self._held = held
        for neighbour in self.neighbours:
            neighbour.hold(held)
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

    def join(self, neighbour: Neighbour) -> None:
        self.neighbours.add(neighbour)
        if self._held:
            neighbour.hold(True)

    def part(self, neighbour: Neighbour) -> None:
        self.neighbours.discard(neighbour)
        self.press(neighbour, False)

    def press(self, who: Neighbour | ClientSession, high: bool) -> None:
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
        for neighbour in self.neighbours:
            neighbour.broadcast(text)
        for absent in self._absent.values():
            if absent.connected:
                absent.send(text)
        self.desk.deliver(text)

    def _addressee(self, found: Head) -> str | None:
        if found.type == "auth.success":
            return messages.addressee(found.payload)
        request = head.request_id(head.echoable(found.id))
        return self._requests.asker(request, self._host.now()) if request else None

    def to_device(self, device_id: str, text: bytes) -> None:
        """To all sockets of a device, or into its watch's queue; silence if there is no such device."""
        if not self._send_to(device_id, text):
            self.desk.deliver_to(device_id, text)

    def _send_to(self, device_id: str, text: bytes) -> bool:
        sockets = self.roster.sockets(device_id)
        for attached in sockets:
            if attached.connected:
                attached.send(text)
        return bool(sockets)

    # The tunnel moves to another home

    def export(self) -> bytes:
        """What a new home has to know besides the sockets and watches."""
        now = self._host.now()
        return msgspec.msgpack.encode(
            HomeState(
                waiting=[(m.device_id, m.request, m.text) for m in self._waiting.seen()],
                departed=list(self._departed),
                seen=self.roster.export(),
                introduced=list(self.roster.introduced),
                requests=[(device, request, now - at) for device, request, at in self._requests.export()],
                online=self.workstation is not None,
                grace=self._grace is not None or self._in_grace,
                written_down=self.written_down,
            )
        )

    def freeze(self) -> list[Wire]:
        """Nothing moves from here on: the sockets of this tunnel in this worker, to be handed over."""
        self._in_grace = self._grace is not None
        self._end_grace()
        for neighbour in self.neighbours:
            neighbour.hold(True)
        wires = [client.wire for client in self.clients()]
        return [*wires, self.workstation.wire] if self.workstation is not None else wires

    def thaw(self) -> None:
        """The sockets are back."""
        for neighbour in self.neighbours:
            neighbour.hold(self._held)
        if self._in_grace:
            self._start_grace()

    def neighbour_sockets(self) -> set[tuple[str, int]]:
        """Clients elsewhere, as (worker, socket number)."""
        return set().union(*(neighbour.sockets() for neighbour in self.neighbours))

    def retire(self) -> None:
        """From now on this is nobody's home; its owner moves the clients."""
        self._end_grace()
        self._waiting.leave()
        if self.workstation is not None:
            self.workstation.superseded()
            self.workstation = None

    def take(self, encoded: bytes, expected: Iterable[tuple[str, int]], greet: bool) -> None:
        """The old home's state, and the sockets (worker, number) that are on their way here.

        ``greet``: the workstation has registered anew, so those that arrive are to hear of it.
        """
        state = msgspec.msgpack.decode(encoded, type=HomeState)
        now = self._host.now()
        if not state.written_down:
            self.desk.expect_gap()
        self._waiting.before([Waiting(*message) for message in state.waiting])
        self._departed |= set(state.departed)
        self.roster.remember(state.seen)
        for device_id, request, age in state.requests:
            self._requests.note(device_id, request, now - age)
        self._expected = set(expected)
        self._greet_expected = greet and state.online
        if greet:
            self._travelling = {device for device, age in state.seen.items() if not age} - self._departed
        else:
            self.roster.introduced.update(state.introduced)
        if (state.grace or (state.online and not greet)) and self.workstation is None:
            self._end_grace()
            self._start_grace()

    def arrived(self, worker: str, number: int) -> None:
        """One of the expected sockets is here, or will not come."""
        self._expected.discard((worker, number))
        if not self._expected:
            self.all_arrived()

    def all_arrived(self) -> None:
        """Read the workstation: nothing that it says can miss a client any more."""
        self._expected.clear()
        self._greet_expected = False
        lost, self._travelling = self._travelling, set()
        for device_id in lost:
            self.device_left(device_id)
        if self.workstation is not None:
            self.workstation.wire.resume(Pause.GATHERING)

    def tidy(self, now: float) -> None:
        """Forget what is too old to matter."""
        self._requests.forget_older(now)
        self.roster.tidy()
