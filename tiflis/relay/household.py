"""Who belongs to a tunnel, and how they come and go: its workstation and its devices."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tiflis import __version__, metrics
from tiflis.bus.directory.directory import Record
from tiflis.protocol import messages
from tiflis.protocol.errors import WorkstationOffline
from tiflis.relay.interfaces import Surroundings, Workstation
from tiflis.relay.reattachment import Place
from tiflis.relay.remote.snapshot import EdgeSnapshot
from tiflis.relay.remote.transit import Absent
from tiflis.relay.sessions.client import Attached, ClientSession
from tiflis.relay.sessions.untold import Untold
from tiflis.relay.traffic import Traffic
from tiflis.relay.wire import Pause

GRACES = 2.5  # who shortens the grace shortens what follows it as well
RETURN_SECONDS = 10.0  # how long a client may be on its way to another worker: the bus may be away meanwhile


class _Carried:
    """In place of the grace's timer: a grace that does not end by itself."""

    def cancel(self) -> None: ...


class Household(Traffic):
    """The comings and goings at a home."""

    def __init__(self, host: Surroundings, record: Record) -> None:
        super().__init__(host, record)
        self._host = host
        limits = host.limits
        patience = min(limits.offline_patience, GRACES * limits.offline_grace)
        self._untold = Untold(host.now, host.later, patience)
        self.frozen = False  # it is being handed over: nothing may change, and nobody join
        self.retired = False  # it is nobody's home any more

    # The workstation comes and goes

    def register(self, workstation: Workstation, welcome: bytes) -> None:
        """The newest registration wins. ``welcome`` is the first thing that the workstation hears."""
        old, self.workstation = self.workstation, workstation
        if old is not None:
            old.superseded()
        self._end_grace()
        self.hold(False)
        workstation.wire.send(welcome)
        self.device_registry.introduced.clear()
        self.watches.workstation_registered(workstation.auth_key)
        # Who is connected first: another socket of its device may be about to send ``auth`` by itself.
        for attached in sorted(self.device_registry.everyone(), key=lambda one: not one.connected):
            self._greet(attached, again=old is not None or self.reattachment.greeted)
        self._flush_waiting()
        self._flush_departed()
        if self.reattachment.sockets:
            workstation.wire.pause(Pause.GATHERING)
        else:
            self.all_arrived()

    def expect_back(self, since: float) -> None:
        """The workstation was lost, or this worker began, at ``since``: it may be back in a moment."""
        self._untold.expect(since)

    def expect(self) -> None:
        """A workstation will be registered here in a moment, so nobody has to hear that there is none."""
        if not self.online:
            self._start_grace()

    def resume(self, workstation: Workstation) -> None:
        """The workstation's socket has come over from another process; nobody has noticed."""
        self.workstation = workstation
        self._end_grace()
        self._flush_waiting()
        self._flush_departed()
        if self.reattachment.sockets:
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
        if self.workstation is not None and device_id not in self.device_registry.introduced:
            self.device_registry.introduced.add(device_id)
            self.workstation.wire.send(messages.auth(self.workstation.auth_key, device_id))

    def _flush_departed(self) -> None:
        departed, self._departed = self._departed, set()
        self.device_registry.introduced -= departed
        for device_id in departed:
            self.device_left(device_id)

    def _flush_waiting(self) -> None:
        for device_id, request, text in self._waiting.leave():
            self._introduce(device_id)  # it may have left: its end is told after its last words
            self._to_workstation(device_id, request, text)

    def workstation_lost(self, workstation: Workstation) -> None:
        """Its socket has closed. A superseded one changes nothing."""
        if self.workstation is not workstation:
            return
        self.workstation = None
        self.hold(False)
        self.expect_back(self._host.now())
        self._start_grace()

    @contextmanager
    def carrying(self) -> Iterator[None]:
        """The workstation's socket is at hand, and soon in use: however long that takes, it is not away."""
        self._end_grace()
        self._grace = carried = _Carried()
        try:
            yield
        finally:
            if self._grace is carried:
                self._start_grace()

    def _start_grace(self) -> None:
        self._grace = self._host.later(self._host.limits.offline_grace, self._gone)

    def _gone(self) -> None:
        """The grace is over: what waited is returned, and everyone is told."""
        self._grace = None
        for device_id, request, _ in self._waiting.leave():
            self.to_device(device_id, messages.error(WorkstationOffline(), request))
            metrics.count("undelivered_total")
        for attached in self.device_registry.everyone():
            if attached.connected and not attached.told_offline:
                attached.tell(False)
        self.gone_offline()

    # Devices come and go

    def attach(self, client: ClientSession, request: bytes = b"", places: Sequence[Place] = ()) -> None:
        """A client in this worker."""
        if self._full:
            client.hold(True)
        self.arrive(client, request, places)
        if client.connected:
            self.here.add(client)

    def arrive(self, attached: Attached, request: bytes = b"", places: Sequence[Place] = ()) -> None:
        """A device's socket, new or on its way from another worker, where it was at one of the ``places``;
        ``request``: its ``connect``'s id."""
        absent = next(filter(None, (self._absent.pop(place, None) for place in places)), None)
        if absent is not None:
            self._came_back(absent, attached)
            return
        self.device_registry.add(attached)
        self.touch()
        self._departed.discard(attached.device_id)
        if attached.connected:
            self._rejoined(attached)
        elif self.online:
            self._accept(attached)
        elif self.device_registry.waiting() > self._host.limits.pending_limit:
            self.device_registry.remove(attached)
            attached.refuse(messages.error(WorkstationOffline(), request))
        else:
            self._untold.answer(attached, messages.error(WorkstationOffline(), request))

    def _accept(self, attached: Attached) -> None:
        self.device_registry.introduced.add(attached.device_id)  # by itself: ``auth`` is its next message
        restored = attached.reconnect and self.device_registry.known(attached)
        attached.accept(messages.connected(self.tunnel_id, __version__, restored))
        if isinstance(attached, ClientSession):
            self.here.add(attached)

    def _came_back(self, absent: Absent, attached: Attached) -> None:
        """A client has arrived whose place was kept."""
        self.device_registry.replace(absent, attached)
        absent.repeat_to(attached)
        if absent.overflowed:
            self._rejoined(attached)

    def _rejoined(self, attached: Attached) -> None:
        """A connected client whose place was not kept: it may have missed something, so it has to ask for
        everything, as it does when its workstation comes back."""
        if not attached.told_offline:
            attached.tell(False)
        if self.workstation is not None:
            self._greet(attached, again=True)

    def detach(self, client: ClientSession) -> None:
        """A client of this worker has gone."""
        self.here.discard(client)
        self.press(client, False)
        self.leave(client)

    def step_out(self, party: EdgeSnapshot, clients: Mapping[int, Attached]) -> None:
        """An edge's clients will be back in a moment, by another way; meanwhile nothing is lost."""
        self.await_party(party)
        for number, client in clients.items():
            absent = Absent(client)
            self.device_registry.replace(client, absent)
            self.keep_place((party.worker, number), absent)

    def await_party(self, party: EdgeSnapshot) -> None:
        """These clients will come, and say how much of what they were sent they have had."""
        self.reattachment.expect(party)
        self._host.later(RETURN_SECONDS, lambda: self.reattachment.forget(party))

    def keep_place(self, place: Place, absent: Absent) -> None:
        """What its device is sent waits for the client at ``place``, who will arrive from there."""
        self._absent[place] = absent
        self._host.later(RETURN_SECONDS, lambda: self._stayed_away(place, absent))

    def _stayed_away(self, place: Place, absent: Absent) -> None:
        if self._absent.get(place) is absent and not self.frozen:
            self.absent_left(place, absent.device_id)

    def absent_left(self, place: Place, device_id: str) -> None:
        """A client that was on its way will not come."""
        absent = self._absent.pop(place, None)
        if absent is not None:
            self.leave(absent)
        else:
            self.device_left(device_id)

    def leave(self, attached: Attached) -> None:
        """A device's socket has gone; with the last one the device is (protocol, section 3.1)."""
        device_id = attached.device_id
        self._untold.forget(attached)
        if not self.device_registry.remove(attached):
            return
        if device_id not in self.watches.devices():
            self._say_departed(device_id)

    def _say_departed(self, device_id: str) -> None:
        if self.workstation is not None and not self.frozen:
            self.workstation.wire.send(messages.client_disconnected(device_id, self.tunnel_id))
        else:
            self._departed.add(device_id)

    def device_left(self, device_id: str) -> None:
        """A device is gone unless it is connected in another way."""
        if device_id not in self.device_registry and device_id not in self.watches.devices():
            self._say_departed(device_id)

    def device_came(self, device_id: str) -> None:
        """The watch is there (again): that it had gone is not told any more."""
        self.touch()
        self._departed.discard(device_id)

    def touch(self) -> None:
        """The tunnel has a device."""

    def gone_offline(self) -> None:
        """Everyone here knows that the workstation is away."""

    def arrived(self, worker: str, number: int) -> None:
        """One of the expected sockets is here, or will not come."""
        self.reattachment.sockets.discard((worker, number))
        if not self.reattachment.sockets:
            self.all_arrived()

    def all_arrived(self) -> None:
        """Read the workstation: what it says waits for those who have not come yet."""
        self.reattachment.end()
        if self.workstation is not None:
            self._flush_waiting()
            self._flush_departed()
            self.workstation.wire.resume(Pause.GATHERING)
