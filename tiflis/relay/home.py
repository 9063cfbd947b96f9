"""The home of one tunnel: its workstation, its devices, and every routing decision.

It lives in the worker that claimed the tunnel in the directory: where the workstation's socket is, or, while
there is none, wherever a device first asked for the tunnel.
"""

import logging
from collections.abc import Iterable
from typing import Protocol

import msgspec

from tiflis import __version__, metrics
from tiflis.bus.directory import Record
from tiflis.protocol import messages
from tiflis.protocol.errors import WorkstationOffline
from tiflis.relay.absent import Absent
from tiflis.relay.baggage import HomeState
from tiflis.relay.client import Attached, ClientSession
from tiflis.relay.roster import Roster
from tiflis.relay.surroundings import Surroundings, Workstation
from tiflis.relay.traffic import Traffic
from tiflis.relay.waiting import Waiting
from tiflis.relay.wire import Pause, Wire

log = logging.getLogger(__name__)

RETURN_SECONDS = 5.0  # how long a client may be on its way from one worker to another


class Host(Surroundings, Protocol):
    """What a home needs of its worker besides."""

    def lost_desk(self, home: "Home") -> None:
        """Another home has taken over this one's watches."""

    def went_offline(self, home: "Home") -> None:
        """The workstation has been away for longer than the grace: the directory should say so."""


class Home(Traffic):
    """One tunnel's home. All methods run in the worker's event loop; none waits."""

    def __init__(self, host: Host, record: Record) -> None:
        super().__init__(host, record)
        self._host = host

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
            self._greet(attached, again=old is not None or self.journey.greeted)
        self._flush_waiting()
        if self.journey.sockets:
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
        if self.journey.sockets:
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
        self.journey.seen(attached.device_id)
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
            self._greet(attached, again=self.journey.greeted)
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
        if not self.roster.remove(attached):
            return
        if self.workstation is None:
            self.journey.left(device_id)
        if device_id not in self.desk.devices():
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

    def device_came(self, device_id: str) -> None:
        """The watch is there (again): that it had gone is not told any more."""
        self._departed.discard(device_id)

    def desk_lost(self) -> None:
        self._host.lost_desk(self)

    # The tunnel moves to another home

    def export(self) -> bytes:
        """What a new home has to know besides the sockets and watches."""
        now = self._host.now()
        return msgspec.msgpack.encode(
            HomeState(
                waiting=[(m.device_id, m.request, m.text) for m in self._waiting.seen()],
                departed=list(self._departed),
                seen=self.roster.export() | dict.fromkeys(self.journey.devices, 0.0),
                present=[*self.roster.present(), *self.journey.devices],
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

    def retire(self) -> None:
        """From now on this is nobody's home; its owner moves the clients."""
        self._end_grace()
        self._waiting.leave()
        self.roster = Roster(self._host.now, self._host.limits.device_memory)  # nobody leaves: all move
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
        self.journey.begin(expected, greeted=greet and state.online)
        if greet:
            self.journey.expect(set(state.present) - self._departed - self.roster.present())
        else:
            self.roster.introduced.update(state.introduced)
        if (state.grace or (state.online and not greet)) and self.workstation is None:
            self._end_grace()
            self._start_grace()

    def arrived(self, worker: str, number: int) -> None:
        """One of the expected sockets is here, or will not come."""
        self.journey.sockets.discard((worker, number))
        if not self.journey.sockets:
            self.all_arrived()

    def all_arrived(self) -> None:
        """Read the workstation: nothing that it says can miss a client any more."""
        for device_id in self.journey.end():
            self.device_left(device_id)
        if self.workstation is not None:
            self.workstation.wire.resume(Pause.GATHERING)
