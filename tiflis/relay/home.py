"""One tunnel's home: its workstation, its devices and watches, and the route of every message between them.

It lives in the worker that claimed the tunnel in the directory: the one that has the workstation's socket or,
while there is none, the one where a device first asked for the tunnel.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from tiflis import metrics
from tiflis.bus.directory.directory import Record
from tiflis.protocol import head, messages
from tiflis.protocol.errors import SendFailed, WorkstationOffline
from tiflis.protocol.head import Head
from tiflis.protocol.spliced import SplicedText
from tiflis.relay import home_state
from tiflis.relay.backpressure import Backpressure
from tiflis.relay.devices.access import DeviceAccess
from tiflis.relay.devices.registry import DeviceRegistry
from tiflis.relay.held.keeper import HeldMessages
from tiflis.relay.interfaces import EdgeSession, Watches, Worker, Workstation
from tiflis.relay.offline_queue import QueuedMessage
from tiflis.relay.push.notifier import PushNotifier
from tiflis.relay.remote.envelope import ChannelPosition
from tiflis.relay.remote.transit import Replay, Transit
from tiflis.relay.sessions.client import Attached, ClientSession
from tiflis.relay.sessions.session import Pause, Place, Wire
from tiflis.relay.staying import Staying
from tiflis.relay.watch.calls import Call
from tiflis.relay.watch.interfaces import WatchesMoved
from tiflis.relay.workstation_presence import WorkstationPresence

log = logging.getLogger(__name__)


class Home:
    """Routes one tunnel's messages. All methods run in the worker's event loop; none waits but ``call``."""

    path: ClassVar[str] = "local"
    watches: Watches  # set right after the home is made, for each needs the other

    def __init__(self, worker: Worker[Home], record: Record) -> None:
        self.tunnel_id = record.tunnel_id
        self.record = record  # as this home last wrote it
        self.written_down = True  # the watches were stored when the tunnel moved
        self.without_watches = False  # another home has them; new ones are made with the next claim
        self.frozen = False  # it is being handed over: nothing may change, and no edge may join
        self.retired = False  # another home has the tunnel
        self.here: set[ClientSession] = set()  # connected clients in this worker
        self.edge_sessions: set[EdgeSession] = set()
        self.resumed: list[ChannelPosition] = []  # how much this worker consumed as an edge of the last home
        self.device_registry = DeviceRegistry(worker.now, worker.limits.device_memory)
        self.presence = WorkstationPresence(worker, self.device_registry, self)
        self.transit = Transit(worker.later, self.device_registry, self)
        self.backpressure = Backpressure(self)
        self.staying = Staying(self)
        self.held = HeldMessages(self, worker.held_store, worker.spawn, worker.held_limits)
        self.push = PushNotifier(self, worker.push, worker.spawn, worker.later, worker.now)
        self.mark, self.note, self.keep = self.staying.mark, self.staying.pinged, self.held.ask
        self.worker = worker
        self.access = DeviceAccess(self)
        self.from_edge, self.forward_auth = self.access.from_edge, self.access.forward_auth
        self._traced = log.isEnabledFor(logging.DEBUG)

    @property
    def workstation(self) -> Workstation | None:
        return self.presence.workstation

    @workstation.setter
    def workstation(self, workstation: Workstation | None) -> None:
        self.presence.workstation = workstation

    @property
    def workstation_online(self) -> bool:
        """Whether the workstation is here, or away for no longer than the grace."""
        return self.presence.online

    @property
    def workstation_name(self) -> str:
        return self.record.name

    @property
    def generation(self) -> int:
        return self.record.generation

    @property
    def idle(self) -> bool:
        """Whether the tunnel has no peer, and no message that waits for one."""
        peers = self.presence.online or len(self.device_registry) or self.edge_sessions
        return not (peers or self.watches.devices() or self.held.waiting)

    @property
    def waiting(self) -> int:
        """Bytes that wait for a workstation or clients that are away for a moment."""
        return self.presence.queue.size + self.transit.size + self.held.size

    def clients(self) -> list[ClientSession]:
        """Return all clients of this worker, connected or waiting."""
        return [
            attached for attached in self.device_registry.everyone() if isinstance(attached, ClientSession)
        ]

    def places(self) -> list[Place]:
        """Return the places of all clients: here, elsewhere and in transit."""
        here = {(self.worker.me, client.wire.number) for client in self.clients()}
        elsewhere = (edge_session.sockets() for edge_session in self.edge_sessions)
        return sorted(here.union(self.transit.places(), *elsewhere))

    def tidy(self, now: float) -> None:
        """Forget requests and devices that are too old to matter."""
        self.presence.requests.forget_older(now)
        self.device_registry.tidy()

    # From devices to the workstation

    def forward(self, client: Attached, request: bytes, text: bytes | SplicedText) -> None:
        """Send the workstation a device's spliced message; ``request``: its raw id, empty without one."""
        if self._traced:
            self._trace_forward(client.connection, text, client.device_id)
        if not self.presence.send(client.device_id, request, text):
            metrics.count("undelivered_total")
            client.send(messages.error(WorkstationOffline(), request))
            self.access.outcome(client.device_id, client.key_id, text, "undelivered")
        elif self.backpressure.held and isinstance(client, ClientSession):
            client.hold(True)

    def to_workstation(self, text: bytes | SplicedText, device_id: str, request_id: bytes) -> None:
        """Send the workstation a watch's message. Raises WorkstationOffline, or SendFailed when too much
        waits for it."""
        if self._traced:
            self._trace_forward("watch", text, device_id)
        if self.backpressure.full:
            raise SendFailed
        if not self.presence.send(device_id, request_id, text):
            raise WorkstationOffline

    # From the workstation to devices

    def from_workstation(self, found: Head, text: bytes) -> None:
        """Deliver an answer to the device that asked, anything else to all (protocol, section 3.3)."""
        if self.held.awaits:
            self.held.look(text)
        device_id = self._addressee(found)
        if device_id is not None:
            self.to_device(device_id, text)
            return
        if self.push.watching:
            self.push.look(None, text)
        if self._traced:
            self._trace(self._source(), text, to="everyone", devices=len(self.device_registry))
        for client in self.here:
            client.wire.send(text)
        for edge_session in self.edge_sessions:
            edge_session.broadcast(text)
        self.transit.broadcast(text)
        self.watches.deliver(text)

    def _addressee(self, found: Head) -> str | None:
        if found.type == "auth.success" and (device_id := messages.addressee(found.payload)):
            return device_id
        request = head.request_id(head.echoable(found.id))
        return self.presence.requests.asker(request, self.worker.now()) if request else None

    def to_device(self, device_id: str, text: bytes) -> None:
        """Deliver to all sockets of a device, or into its watch queue; do nothing without such a device."""
        if self.held.awaits:
            self.held.look(text)
        if self.push.watching:
            self.push.look(device_id, text)
        sockets = self.device_registry.sockets(device_id)
        if self._traced:
            to = [attached.connection for attached in sockets] or "watch"
            self._trace(self._source(), text, device=device_id, to=to)
        if not sockets:
            self.watches.deliver_to(device_id, text)
        for attached in sockets:
            if attached.connected:
                attached.send(text)
        self.watches.keep(device_id, text)

    async def call(self, call: Call) -> dict[str, Any]:
        """Run a watch's call. Raises WatchesMoved where the next home may give higher numbers already."""
        if self.worker.outdated(self):
            raise WatchesMoved
        return await self.access.call(call)

    # At LOG_LEVEL=debug: each message's route, by connection, never its contents

    def _source(self) -> str:
        return self.workstation.wire.connection_id if self.workstation is not None else ""

    def _trace_forward(self, source: str, text: bytes | SplicedText, device_id: str) -> None:
        self._trace(source, text, device=device_id, to=self._source() or "none")

    def _trace(self, connection: str, text: bytes | SplicedText, **more: object) -> None:
        extra = {"connection": connection, "tunnel": self.tunnel_id, "bytes": len(text), **more}
        log.debug("message routed", extra=extra)

    # The workstation comes and goes

    def register(self, workstation: Workstation, welcome: bytes) -> None:
        """Make this the tunnel's workstation; it receives ``welcome`` first."""
        superseding = self.presence.register(workstation)
        self.held.workstation_lost()
        self.backpressure.hold(False)
        workstation.wire.send(welcome)
        self.device_registry.introduced.clear()
        self.watches.workstation_registered(workstation.auth_key)
        if superseding:
            self.watches.stays.workstation_changed()
        # Connected clients first: another socket of the same device may be about to send ``auth`` itself.
        for attached in sorted(self.device_registry.everyone(), key=lambda one: not one.connected):
            self.greet(attached, again=superseding or self.transit.greeted)
        self._gather(workstation)

    def resume(self, workstation: Workstation) -> None:
        """Go on with a workstation whose socket came from another process, unnoticed by all peers."""
        self.presence.adopt(workstation)
        self._gather(workstation)

    def _gather(self, workstation: Workstation) -> None:
        """Read the workstation as soon as the clients that are on their way have arrived."""
        self.presence.flush()
        if self.transit.awaited:
            workstation.wire.pause(Pause.GATHERING)
        else:
            self.all_arrived()

    def expect_back(self, since: float) -> None:
        """Withhold "offline" for a while: the workstation was lost, or this worker began, at ``since``."""
        self.presence.expect_back(since)

    def expect(self) -> None:
        """Begin the grace where none runs: a workstation is about to be registered here."""
        self.presence.expect()

    def carrying(self) -> AbstractContextManager[None]:
        """Count the workstation as online, however long it takes: its socket is being adopted."""
        return self.presence.carrying()

    def workstation_lost(self, workstation: Workstation) -> None:
        """Begin the grace if this is the tunnel's workstation; a superseded one changes nothing."""
        if self.workstation is workstation:
            self.backpressure.hold(False)
            self.presence.lose()
            self.held.workstation_lost()

    def grace_ended(self, undelivered: list[QueuedMessage]) -> None:
        """Return the queued messages to their senders; notify all clients that the workstation is offline."""
        for device_id, request, text, kind in undelivered:
            self.to_device(device_id, messages.error(WorkstationOffline(), request))
            self.access.outcome(device_id, "", text, "undelivered", kind)
            metrics.count("undelivered_total")
        for attached in self.device_registry.everyone():
            if attached.connected and not attached.told_offline:
                attached.notify(False)
        self.watches.stays.workstation_changed()
        self.push.workstation_offline()
        self.worker.went_offline(self)

    def greet(self, attached: Attached, again: bool) -> None:
        """Accept a waiting client; introduce a connected one, and notify it of the workstation."""
        if not attached.connected:
            self.accept(attached)
            return
        self.presence.introduce(attached.device_id)
        if attached.told_offline or again:
            attached.notify(True)

    # Devices come and go

    def attach(self, client: ClientSession, request: bytes = b"", places: Sequence[Place] = ()) -> None:
        """Add a client of this worker; arguments as for ``arrive``."""
        if self.backpressure.full:
            client.hold(True)
        self.arrive(client, request, places)
        if client.connected:
            self.here.add(client)

    def arrive(self, attached: Attached, request: bytes = b"", places: Sequence[Place] = ()) -> None:
        """Add a device's socket, new or back from one of ``places``; ``request``: its ``connect`` id."""
        self._arrive(attached, request, places)
        if attached.marked:
            self.staying.arrived(attached)

    def _arrive(self, attached: Attached, request: bytes, places: Sequence[Place]) -> None:
        kept = self.transit.reattach(attached, places) if places else None
        if kept is not None:
            if kept.overflowed:
                self._rejoined(attached)
            elif not attached.connected and self.presence.online:
                self.accept(attached)  # it has waited for its queue at another place
            return
        self.device_registry.add(attached)
        self.touch()
        self.presence.departed.discard(attached.device_id)
        if attached.connected:
            self._rejoined(attached)
        elif self.presence.online:
            self.accept(attached)
        elif self.device_registry.waiting() > self.worker.limits.pending_limit:
            self.device_registry.remove(attached)
            attached.refuse(messages.error(WorkstationOffline(), request))
        else:
            self.presence.answer_offline(attached, messages.error(WorkstationOffline(), request))

    def accept(self, attached: Attached) -> None:
        """Send ``connected`` to a waiting client."""
        restored = attached.reconnect and self.device_registry.known(attached)
        if not self.staying.accept(attached, restored):
            return
        self.device_registry.introduced.add(attached.device_id)  # by itself: ``auth`` is its next message
        if isinstance(attached, ClientSession):
            self.here.add(attached)

    def _rejoined(self, attached: Attached) -> None:
        """Have a connected client ask for everything, as it does when its workstation comes back: its place
        was not kept, so it may have missed something."""
        if not attached.told_offline:
            attached.notify(False)
        if self.workstation is not None:
            self.greet(attached, again=True)

    def detach(self, client: ClientSession) -> None:
        """Remove a client of this worker."""
        self.here.discard(client)
        self.backpressure.press(client, False)
        self.leave(client)

    def leave(self, attached: Attached) -> None:
        """Remove a device's socket; with its last one the device is gone (protocol, section 3.1)."""
        device_id = attached.device_id
        self.presence.forget(attached)
        self.staying.left(attached)
        if self.device_registry.remove(attached) and not self.watches.stays.left(device_id):
            self.device_left(device_id)

    def device_left(self, device_id: str) -> None:
        """Report a device as gone unless it has a socket or a watch, or stays."""
        stays = self.staying.decides_later(device_id) or self.watches.stays.holds(device_id)
        if not (stays or device_id in self.device_registry or device_id in self.watches.devices()):
            self._send_departure(device_id)

    def has_device(self, device_id: str) -> bool:
        return device_id in self.device_registry

    def _send_departure(self, device_id: str) -> None:
        """Send ``client.disconnected`` or, where that is for the next home or for later, record it."""
        if self.workstation is None or self.frozen or self.worker.outdated(self):
            self.presence.note_departure(device_id)
        else:
            self.workstation.wire.send(messages.client_disconnected(device_id, self.tunnel_id))

    def device_came(self, device_id: str) -> None:
        """Cancel the ``client.disconnected`` that is pending for a watch: it is back."""
        self.touch()
        self.presence.departed.discard(device_id)

    def touch(self) -> None:
        """Have the directory record the tunnel's first device."""
        if self.record.untouched:
            self.worker.touched(self)

    def watches_lost(self, watches: object) -> None:
        if watches is self.watches:
            self.worker.lost_watches(self)

    # Edges

    def press(self, client: ClientSession, high: bool) -> None:
        self.backpressure.press(client, high)

    def join(self, edge_session: EdgeSession) -> None:
        """Add another worker with clients of this tunnel."""
        self.edge_sessions.add(edge_session)
        if self.backpressure.held or self.frozen:
            edge_session.hold(True)

    def part(self, edge_session: EdgeSession) -> None:
        self.edge_sessions.discard(edge_session)
        self.backpressure.press(edge_session, False)

    def left_in_transit(self, place: Place, device_id: str) -> None:
        """Detach a client that will not arrive."""
        client = self.transit.pop([place])
        if client is not None:
            self.leave(client)
        else:
            self.device_left(device_id)

    def arrived(self, worker: str, number: int) -> None:
        """Count the client at this place as arrived, or as gone."""
        if self.transit.discard((worker, number)):
            self.all_arrived()

    def all_arrived(self) -> None:
        """Read the workstation; what it sends to clients that have not arrived waits for them."""
        if self.workstation is not None and not self.record.untouched:
            self.held.workstation_registered()
            self.push.begin()
        self.transit.end()
        if self.workstation is not None:
            self.presence.flush()
            self.workstation.wire.resume(Pause.GATHERING)

    def reattach_edge(self, positions: list[ChannelPosition]) -> Replay:
        """Return the replay for clients whose edge has consumed so much of their former channels."""
        return Replay(self, self.transit.reattach_edge(positions))

    # The home moves

    def freeze(self) -> list[Wire]:
        """Change nothing any more; return the sockets of this worker, which are to be handed over."""
        self.frozen = True
        self.presence.freeze()
        self.transit.freeze()
        for edge_session in self.edge_sessions:
            edge_session.hold(True)
        wires = [client.wire for client in self.clients()]
        return [*wires, self.workstation.wire] if self.workstation is not None else wires

    def thaw(self) -> None:
        """Go on after ``freeze``: the sockets are back."""
        self.frozen = False
        for edge_session in self.edge_sessions:
            edge_session.hold(self.backpressure.held)
        self.presence.thaw()
        self.transit.thaw()
        self.held.thaw()

    def retire(self) -> None:
        """Let go of everything: another home has the tunnel, and the caller moves the clients."""
        self.retired = True
        self.held.close()
        self.device_registry.clear()  # none of them leaves: all move
        self.transit.clear()
        self.presence.retire()

    def export(self) -> bytes:
        """Return all that the next home needs besides sockets and watches."""
        return home_state.export(self)

    def take(self, encoded: bytes, greet: bool) -> None:
        """Take over what the last home exported; ``greet``: send clients that arrive that the workstation has
        registered anew."""
        home_state.take(self, encoded, greet)
