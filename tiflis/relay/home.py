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
from tiflis.relay.device_registry import Roster
from tiflis.relay.household import Household
from tiflis.relay.interfaces import Neighbour, Surroundings
from tiflis.relay.offline_queue import Waiting
from tiflis.relay.reattachment import Fate, Place, fate
from tiflis.relay.remote.envelope import Marks, Stage
from tiflis.relay.remote.snapshot import HomeState, Party
from tiflis.relay.remote.transit import Absent, traveller
from tiflis.relay.sessions.client import Attached
from tiflis.relay.watch.interfaces import DeskClosed
from tiflis.relay.wire import Wire

__all__ = ["Home", "Landing"]

OWED_LIMIT = 32 * 1024 * 1024  # bytes that a home takes along for other workers' clients: far above a window


class Host(Surroundings, Protocol):
    """What a home needs of its worker besides."""

    def lost_desk(self, home: "Home") -> None:
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
        self.deskless = False  # another home has its watches; once it is claimed again it gets a new desk

    @property
    def generation(self) -> int:
        return self.record.generation

    async def call(self, operation: str, arguments: dict[str, Any], body: bytes) -> dict[str, Any]:
        """A watch's call. Raises DeskClosed where the next home may give higher numbers already."""
        if self._worker.outdated(self):
            raise DeskClosed
        return await self.desk.call(operation, arguments, body)

    def touch(self) -> None:
        if self.record.untouched:
            self._worker.touched(self)

    def gone_offline(self) -> None:
        self._worker.went_offline(self)

    def desk_lost(self, desk: object) -> None:
        if desk is self.desk:
            self._worker.lost_desk(self)

    def _say_departed(self, device_id: str) -> None:
        """The next home may know already that the device is back, so it has to tell that it left."""
        if self._worker.outdated(self):
            self._departed.add(device_id)
        else:
            super()._say_departed(device_id)

    # It moves

    def join(self, neighbour: Neighbour) -> None:
        super().join(neighbour)
        if self.frozen:
            neighbour.hold(True)

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
                parties=_bounded([*self._parties_here(), *self._parties_on_their_way()]),
            )
        )

    def _parties_here(self) -> list[Party]:
        me = self._host.me
        here = [traveller(client, client.wire.number) for client in self.clients()]
        return [
            Party(me, [Stage(me, me, 0, 0)], [], here),
            *(neighbour.party(me) for neighbour in self.neighbours),
        ]

    def _parties_on_their_way(self) -> list[Party]:
        """Those that have not come since the last move, as they were; and single clients."""
        left = dict(self._absent)
        parties = []
        for party in self.journey.parties.values():
            places = {(party.worker, one.number): one.number for one in party.travellers}
            still = [left.pop(place).pack(number) for place, number in places.items() if place in left]
            parties.append(Party(party.worker, party.stages, party.owed, still))
        parties += [Party(worker, [], [], [absent.pack(number)]) for (worker, number), absent in left.items()]
        return parties

    def places(self) -> list[Place]:
        """All clients, here, elsewhere, or on their way."""
        here = {(self._host.me, client.wire.number) for client in self.clients()}
        return sorted(here | self.neighbour_sockets() | set(self._absent))

    def freeze(self) -> list[Wire]:
        """Nothing moves from here on: the sockets of this tunnel in this worker, to be handed over."""
        self.frozen = True
        self._untold.tell()
        self._in_grace = self._grace is not None
        self._end_grace()
        for neighbour in self.neighbours:
            neighbour.hold(True)
        wires = [client.wire for client in self.clients()]
        return [*wires, self.workstation.wire] if self.workstation is not None else wires

    def thaw(self) -> None:
        """The sockets are back."""
        self.frozen = False
        for neighbour in self.neighbours:
            neighbour.hold(self._held)
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
        self.roster = Roster(self._host.now, self._host.limits.device_memory)  # nobody leaves: all move
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
            self.desk.expect_gap()
        self._waiting.before([Waiting(*message) for message in state.waiting])
        self._departed |= set(state.departed)
        self.roster.remember(state.seen)
        for device_id, request, age in state.requests:
            self._requests.note(device_id, request, now - age)
        if not greet:
            self.roster.introduced.update(state.introduced)
        if (state.grace or (state.online and not greet)) and self.workstation is None:
            self._end_grace()
            self._start_grace()
        self._expect_all(state.parties, again=greet and state.online)

    def _expect_all(self, parties: list[Party], again: bool) -> None:
        """Keep a place for everyone who is on the way here."""
        coming: list[Absent] = []
        for party in parties:
            self.await_party(party)
            for one in party.travellers:
                absent = Absent.unpack(one)
                self.roster.add(absent)
                self._departed.discard(absent.device_id)
                self.keep_place((party.worker, one.number), absent)
                coming.append(absent)
        self.journey.begin(self._absent, greeted=again)
        for absent in coming:
            if self.workstation is not None:
                self._greet(absent, again)
            elif not self.online and absent.connected and not absent.told_offline:
                absent.tell(False)

    def land(self, stages: list[Stage]) -> "Landing":
        """An edge brings clients that it had on these channels before: what it has not consumed there is
        theirs now."""
        landed = self.journey.land(stages)
        for party, consumed in landed:
            self._repay(party, consumed)
        return Landing(self, [stage for party, _ in landed for stage in party.stages])

    def _repay(self, party: Party, consumed: int) -> None:
        owed = [message for number, message in party.owed if number > consumed]
        for one in party.travellers:
            absent = self._absent.get((party.worker, one.number))
            if absent is not None:
                absent.missed_before(owed, one.number)


class Landing:
    """Clients that have come from another home: what they said there may have been consumed, or not."""

    def __init__(self, home: Home, stages: list[Stage]) -> None:
        """``stages``: the channels that they came by, and how much the homes there had consumed."""
        self._home, self.stages = home, stages

    def again(self, client: Attached, marks: Marks, request: bytes, text: bytes) -> None:
        """A message that no home is known to have consumed."""
        what = fate(marks, self.stages)
        if what is Fate.PENDING:
            self._home.forward(client, request, text)
        elif what is Fate.UNKNOWN:  # the home has died: rather said to be lost than sent twice
            metrics.count("undelivered_total")
            client.send(messages.error(WorkstationOffline(), request))

    def left(self, marks: Marks, device_id: str, place: Place) -> None:
        """One of them has gone."""
        if fate(marks, self.stages) is not Fate.CONSUMED:
            self._home.absent_left(place, device_id)
        self._home.arrived(*place)


def _bounded(parties: list[Party]) -> list[Party]:
    """What would be too much for one message is left out: who it was for asks for everything then."""
    room = OWED_LIMIT
    for party in parties:
        room -= sum(len(message) for _, message in party.owed)
        room -= sum(len(text) for one in party.travellers for _, text in one.missed)
        if room < 0:
            party.owed = []
            for one in party.travellers:
                one.missed, one.overflowed = [], True
    return parties
