"""The home of one tunnel: its workstation, its devices, every routing decision, and how it moves.

It lives in the worker that claimed the tunnel in the directory: where the workstation's socket is, or, while
there is none, wherever a device first asked for the tunnel.
"""

from typing import Any, Protocol

import msgspec

from tiflis import metrics
from tiflis.bus.directory.directory import Record
from tiflis.protocol import messages
from tiflis.protocol.errors import WorkstationOffline
from tiflis.relay.device_registry import DeviceRegistry
from tiflis.relay.household import Household
from tiflis.relay.interfaces import EdgeSession, Surroundings
from tiflis.relay.offline_queue import QueuedMessage
from tiflis.relay.reattachment import DeliveryStatus, Place, fate
from tiflis.relay.remote.envelope import ChannelPosition, Positions
from tiflis.relay.remote.snapshot import EdgeSnapshot, HomeState
from tiflis.relay.remote.transit import Absent, client_snapshot
from tiflis.relay.sessions.client import Attached
from tiflis.relay.watch.interfaces import WatchesMoved
from tiflis.relay.wire import Wire

__all__ = ["Home", "Replay"]

OWED_LIMIT = 32 * 1024 * 1024  # bytes that a home takes along for other workers' clients: far above a window


class Host(Surroundings, Protocol):
    """What a home needs of its worker besides."""

    def lost_watches(self, home: "Home") -> None:
        """Another home has taken over this one's watches."""

    def outdated(self, home: "Home") -> bool:
        """Whether another worker has claimed its tunnel since."""

    def touched(self, home: "Home") -> None:
        """It has its first device: the directory should say so."""

    def went_offline(self, home: "Home") -> None:
        """The workstation has been away for longer than the grace: the directory should say so."""


class Home(Household):
    """One tunnel's home. All methods run in the worker's event loop; none waits."""

    def __init__(self, host: Host, record: Record) -> None:
        super().__init__(host, record)
        self._worker = host
        self.without_watches = (
            False  # another home has its watches; once it is claimed again it gets a new desk
        )

    @property
    def generation(self) -> int:
        return self.record.generation

    async def call(self, operation: str, arguments: dict[str, Any], body: bytes) -> dict[str, Any]:
        """A watch's call. Raises WatchesMoved where the next home may give higher numbers already."""
        if self._worker.outdated(self):
            raise WatchesMoved
        return await self.watches.call(operation, arguments, body)

    def touch(self) -> None:
        if self.record.untouched:
            self._worker.touched(self)

    def gone_offline(self) -> None:
        self._worker.went_offline(self)

    def watches_lost(self, watches: object) -> None:
        if watches is self.watches:
            self._worker.lost_watches(self)

    def _say_departed(self, device_id: str) -> None:
        """The next home may know already that the device is back, so it has to tell that it left."""
        if self._worker.outdated(self):
            self._departed.add(device_id)
        else:
            super()._say_departed(device_id)

    # It moves

    def join(self, edge_session: EdgeSession) -> None:
        super().join(edge_session)
        if self.frozen:
            edge_session.hold(True)

    def export(self) -> bytes:
        """What a new home has to know besides the sockets and watches."""
        now = self._host.now()
        return msgspec.msgpack.encode(
            HomeState(
                waiting=[(m.device_id, m.request, m.text) for m in self._waiting.seen()],
                departed=list(self._departed),
                seen=self.device_registry.export(),
                introduced=list(self.device_registry.introduced),
                requests=[(device, request, now - at) for device, request, at in self._requests.export()],
                online=self.workstation is not None,
                grace=self._grace is not None or self._in_grace,
                written_down=self.written_down,
                parties=_bounded([*self._parties_here(), *self._parties_on_their_way()]),
            )
        )

    def _parties_here(self) -> list[EdgeSnapshot]:
        me = self._host.me
        here = [client_snapshot(client, client.wire.number) for client in self.clients()]
        return [
            EdgeSnapshot(me, [ChannelPosition(me, me, 0, 0)], [], here),
            *(edge_session.party(me) for edge_session in self.edge_sessions),
        ]

    def _parties_on_their_way(self) -> list[EdgeSnapshot]:
        """Those that have not come since the last move, as they were; and single clients."""
        left = dict(self._absent)
        parties = []
        for party in self.reattachment.parties.values():
            places = {(party.worker, one.number): one.number for one in party.clients}
            still = [left.pop(place).pack(number) for place, number in places.items() if place in left]
            parties.append(EdgeSnapshot(party.worker, party.stages, party.owed, still))
        parties += [
            EdgeSnapshot(worker, [], [], [absent.pack(number)]) for (worker, number), absent in left.items()
        ]
        return parties

    def places(self) -> list[Place]:
        """All clients, here, elsewhere, or on their way."""
        here = {(self._host.me, client.wire.number) for client in self.clients()}
        return sorted(here | self.remote_sockets() | set(self._absent))

    def freeze(self) -> list[Wire]:
        """Nothing moves from here on: the sockets of this tunnel in this worker, to be handed over."""
        self.frozen = True
        self._untold.tell()
        self._in_grace = self._grace is not None
        self._end_grace()
        for edge_session in self.edge_sessions:
            edge_session.hold(True)
        wires = [client.wire for client in self.clients()]
        return [*wires, self.workstation.wire] if self.workstation is not None else wires

    def thaw(self) -> None:
        """The sockets are back."""
        self.frozen = False
        for edge_session in self.edge_sessions:
            edge_session.hold(self._held)
        if self._in_grace:
            self._start_grace()
        if self.workstation is not None:
            self._flush_departed()
        for place, absent in list(self._absent.items()):
            self.keep_place(place, absent)

    def retire(self) -> None:
        """From now on this is nobody's home; its owner moves the clients."""
        self.retired = True
        self._end_grace()
        self._untold.tell()
        self._waiting.leave()
        self.device_registry = DeviceRegistry(
            self._host.now, self._host.limits.device_memory
        )  # nobody leaves: all move
        self._absent = {}
        if self.workstation is not None:
            self.workstation.superseded()
            self.workstation = None

    def take(self, encoded: bytes, greet: bool) -> None:
        """The old home's state.

        ``greet``: the workstation has registered anew, so those that arrive are to hear of it.
        """
        state = msgspec.msgpack.decode(encoded, type=HomeState)
        now = self._host.now()
        if not state.written_down:
            self.watches.expect_gap()
        self._waiting.before([QueuedMessage(*message) for message in state.waiting])
        self._departed |= set(state.departed)
        self.device_registry.remember(state.seen)
        for device_id, request, age in state.requests:
            self._requests.note(device_id, request, now - age)
        if not greet:
            self.device_registry.introduced.update(state.introduced)
        if (state.grace or (state.online and not greet)) and self.workstation is None:
            self._end_grace()
            self._start_grace()
        self._expect_all(state.parties, again=greet and state.online)

    def _expect_all(self, parties: list[EdgeSnapshot], again: bool) -> None:
        """Keep a place for everyone who is on the way here."""
        coming: list[Absent] = []
        for party in parties:
            self.await_party(party)
            for one in party.clients:
                absent = Absent.unpack(one)
                self.device_registry.add(absent)
                self._departed.discard(absent.device_id)
                self.keep_place((party.worker, one.number), absent)
                coming.append(absent)
        self.reattachment.begin(self._absent, greeted=again)
        for absent in coming:
            if self.workstation is not None:
                self._greet(absent, again)
            elif not self.online and absent.connected and not absent.told_offline:
                absent.tell(False)

    def land(self, stages: list[ChannelPosition]) -> "Replay":
        """An edge brings clients that it had on these channels before: what it has not consumed there is
        theirs now."""
        landed = self.reattachment.land(stages)
        for party, consumed in landed:
            self._repay(party, consumed)
        return Replay(self, [stage for party, _ in landed for stage in party.stages])

    def _repay(self, party: EdgeSnapshot, consumed: int) -> None:
        owed = [message for number, message in party.owed if number > consumed]
        for one in party.clients:
            absent = self._absent.get((party.worker, one.number))
            if absent is not None:
                absent.missed_before(owed, one.number)


class Replay:
    """Clients that have come from another home: what they said there may have been consumed, or not."""

    def __init__(self, home: Home, stages: list[ChannelPosition]) -> None:
        """``stages``: the channels that they came by, and how much the homes there had consumed."""
        self._home, self.stages = home, stages

    def again(self, client: Attached, marks: Positions, request: bytes, text: bytes) -> None:
        """A message that no home is known to have consumed."""
        what = fate(marks, self.stages)
        if what is DeliveryStatus.PENDING:
            self._home.forward(client, request, text)
        elif what is DeliveryStatus.UNKNOWN:  # the home has died: rather said to be lost than sent twice
            metrics.count("undelivered_total")
            client.send(messages.error(WorkstationOffline(), request))

    def left(self, marks: Positions, device_id: str, place: Place) -> None:
        """One of them has gone."""
        if fate(marks, self.stages) is not DeliveryStatus.CONSUMED:
            self._home.absent_left(place, device_id)
        self._home.arrived(*place)


def _bounded(parties: list[EdgeSnapshot]) -> list[EdgeSnapshot]:
    """What would be too much for one message is left out: who it was for asks for everything then."""
    room = OWED_LIMIT
    for party in parties:
        room -= sum(len(message) for _, message in party.owed)
        room -= sum(len(text) for one in party.clients for _, text in one.missed)
        if room < 0:
            party.owed = []
            for one in party.clients:
                one.missed, one.overflowed = [], True
    return parties
