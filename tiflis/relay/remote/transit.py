"""Clients between two workers: their places are kept, and what they are sent waits until they arrive.

When the channel between an edge and a home breaks, or the home moves, neither side knows how much of it the
other has consumed. Both keep their channel positions, and the next home compares them: what the edge has not
consumed is sent to its clients again, and what no home has consumed is forwarded again.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Protocol

from tiflis import metrics
from tiflis.protocol import messages
from tiflis.protocol.cursor import Cursor
from tiflis.protocol.errors import WorkstationOffline
from tiflis.relay.devices.registry import DeviceRegistry
from tiflis.relay.interfaces import Timer
from tiflis.relay.remote import envelope
from tiflis.relay.remote.envelope import ChannelPosition, Positions
from tiflis.relay.remote.snapshot import ClientSnapshot, EdgeSnapshot, client_snapshot
from tiflis.relay.sessions.client import Attached
from tiflis.relay.sessions.session import Place

MISSED_LIMIT = 64 * 1024 * 1024  # bytes that may wait for one client, as for any slow one
RETURN_SECONDS = 10.0  # how long a client may be in transit: the bus may be away meanwhile


class ClientInTransit:
    """Stands in for a client between two workers, and keeps what it is sent."""

    __slots__ = ("_missed", "_size", "connected", "device_id", "overflowed", "reconnect", "told_offline")
    connection = ""  # its socket is in neither worker's hands
    cursor: Cursor | None = None  # a client that is accepted on its way connects without its queue
    marked = False
    key_id = ""  # nothing is forwarded for it

    def __init__(self, client: Attached | ClientSnapshot) -> None:
        self.device_id, self.reconnect = client.device_id, client.reconnect
        self.connected, self.told_offline = client.connected, client.told_offline
        self.overflowed = False
        self._missed: list[tuple[int, bytes]] = []  # each message's kind in an envelope, and its text
        self._size = 0

    @property
    def size(self) -> int:
        """Return how many bytes wait."""
        return 0 if self.overflowed else self._size

    def _miss(self, kind: int, text: bytes) -> None:
        self._size += len(text)
        if self._size > MISSED_LIMIT:
            self.overflowed = True
            self._missed.clear()
        if not self.overflowed:
            self._missed.append((kind, text))

    def send(self, text: bytes) -> None:
        self._miss(envelope.SEND, text)

    def accept(self, text: bytes) -> None:
        self.connected, self.told_offline = True, False
        self._miss(envelope.ACCEPT, text)

    def refuse(self, text: bytes) -> None:
        self._miss(envelope.REFUSE, text)

    def notify(self, online: bool) -> None:
        self.told_offline = not online
        self._miss(envelope.TELL, bytes((online,)))

    def here(self) -> None:
        self.connected = True

    def repeat_to(self, client: Attached) -> None:
        """Send the client, which has arrived, all that it has missed, in order."""
        for kind, text in self._missed:
            envelope.apply(kind, client, text)

    def missed_before(self, unacked: list[bytes], number: int) -> None:
        """Insert envelopes for its edge before all that waits already; ``number``: the client's in them."""
        earlier = ClientInTransit(self)
        earlier.connected = self.connected and not any(
            envelope.starts_broadcasts(message, number) for message in unacked
        )
        for message in unacked:
            envelope.deliver(message, {number: earlier})
        self.prepend(earlier)

    def prepend(self, earlier: "ClientInTransit") -> None:
        """Insert what was kept elsewhere for the same client before all that waits already."""
        self._missed, self._size = earlier._missed + self._missed, earlier._size + self._size
        self.overflowed = self.overflowed or earlier.overflowed

    def pack(self, number: int) -> ClientSnapshot:
        """Return it as written down for another worker, where it may arrive instead."""
        return client_snapshot(self, number, self._missed, self.overflowed)

    @classmethod
    def unpack(cls, packed: ClientSnapshot) -> "ClientInTransit":
        client = cls(packed)
        client._missed, client.overflowed = list(packed.missed), packed.overflowed
        client._size = sum(len(text) for _, text in packed.missed)
        return client


class Host(Protocol):
    """What clients in transit need of their tunnel's home."""

    def from_edge(self, client: Attached, request: bytes, text: bytes) -> None:
        """Forward a message of a client behind an edge."""

    def arrived(self, worker: str, number: int) -> None:
        """Count the client at this place as arrived, or as gone."""

    def left_in_transit(self, place: Place, device_id: str) -> None:
        """Detach a client that will not arrive."""


class Transit:
    """The clients of one tunnel that are in transit to its home, and the edges that they come from."""

    def __init__(
        self, later: Callable[[float, Callable[[], None]], Timer], devices: DeviceRegistry, host: Host
    ) -> None:
        self._later, self._devices, self._host = later, devices, host
        self._places: dict[Place, ClientInTransit] = {}
        self._edges: dict[tuple[str, str, int], EdgeSnapshot] = {}  # by the channel of what they are unacked
        self._frozen = False
        self.awaited: set[Place] = set()  # until these have arrived the workstation is not read
        self.greeted = False  # clients that arrive are to receive that the workstation is back

    @property
    def size(self) -> int:
        """Return how many bytes wait."""
        return sum(client.size for client in self._places.values())

    def places(self) -> set[Place]:
        return set(self._places)

    def broadcast(self, text: bytes) -> None:
        for client in self._places.values():
            if client.connected:
                client.send(text)

    # Places

    def keep(self, place: Place, client: ClientInTransit) -> None:
        """Keep the place of the client that will arrive from ``place``."""
        self._places[place] = client
        self._later(RETURN_SECONDS, lambda: self._stayed_away(place, client))

    def _stayed_away(self, place: Place, client: ClientInTransit) -> None:
        if self._places.get(place) is client and not self._frozen:
            self._host.left_in_transit(place, client.device_id)

    def step_out(self, edge: EdgeSnapshot, clients: Mapping[int, Attached]) -> None:
        """Keep the places of an edge's clients: they will be back in a moment over another channel."""
        self.expect(edge)
        for number, client in clients.items():
            in_transit = ClientInTransit(client)
            self._devices.replace(client, in_transit)
            self.keep((edge.worker, number), in_transit)

    def take(self, edges: list[EdgeSnapshot]) -> list[ClientInTransit]:
        """Add all clients of a home's snapshot, and keep their places."""
        coming: list[ClientInTransit] = []
        for edge in edges:
            self.expect(edge)
            for one in edge.clients:
                client = ClientInTransit.unpack(one)
                self._add((edge.worker, one.number), client)
                coming.append(client)
        return coming

    def _add(self, place: Place, client: ClientInTransit) -> None:
        kept = self._places.get(place)
        if kept is None:
            self._devices.add(client)
        else:  # another worker took this home for dead, and gives the tunnel back
            client.prepend(kept)
            self._devices.replace(kept, client)
        self.keep(place, client)

    def reattach(self, attached: Attached, places: Iterable[Place]) -> ClientInTransit | None:
        """Put a socket in the place that was kept for it and send what it has missed.

        Return the client as it was in transit, or None if none of these places was kept.
        """
        kept = self.pop(places)
        if kept is not None:
            self._devices.replace(kept, attached)
            kept.repeat_to(attached)
        return kept

    def pop(self, places: Iterable[Place]) -> ClientInTransit | None:
        """Return the client whose place is one of these, no longer in transit; None if there is none."""
        return next(filter(None, (self._places.pop(place, None) for place in places)), None)

    def expect(self, edge: EdgeSnapshot) -> None:
        """Keep what an edge has not acknowledged until its clients arrive with its channel positions."""
        if edge.positions:
            self._edges[edge.positions[-1].key] = edge
        self._later(RETURN_SECONDS, lambda: self._forget(edge))

    def _forget(self, edge: EdgeSnapshot) -> None:
        for position in edge.positions[-1:]:
            if self._edges.get(position.key) is edge:
                del self._edges[position.key]

    # Reattachment: the clients of the last home

    def begin(self, greeted: bool) -> None:
        """Await all clients that are in transit."""
        self.awaited |= set(self._places)
        self.greeted = greeted

    def discard(self, place: Place) -> bool:
        """Await this client no longer; return whether none is awaited."""
        self.awaited.discard(place)
        return not self.awaited

    def end(self) -> None:
        """Await no client any more."""
        self.awaited.clear()
        self.greeted = False

    def reattach_edge(self, positions: list[ChannelPosition]) -> list[ChannelPosition]:
        """Queue for an edge's clients what the edge has not consumed of the channels to former homes.

        ``positions``: how much the edge has consumed of each. Return how much the homes had consumed.
        """
        known: list[ChannelPosition] = []
        for edge, consumed in self._pop_edges(positions):
            unacked = [message for number, message in edge.unacked if number > consumed]
            for one in edge.clients:
                client = self._places.get((edge.worker, one.number))
                if client is not None:
                    client.missed_before(unacked, one.number)
            known += edge.positions
        return known

    def _pop_edges(self, positions: list[ChannelPosition]) -> list[tuple[EdgeSnapshot, int]]:
        """Return the edges' snapshots, the latest first, and how much each edge has consumed."""
        left, found = positions[::-1], []
        while left:
            position = left.pop(0)
            edge = self._edges.pop(position.key, None)
            if edge is not None:
                found.append((edge, position.reached))
                left = [*reversed(edge.resumed), *left]
        return found

    # The home moves again

    def freeze(self) -> None:
        """Detach no client for staying away: the home is about to move."""
        self._frozen = True

    def thaw(self) -> None:
        """Go on after ``freeze``; each client has the full time to arrive again."""
        self._frozen = False
        for place, client in list(self._places.items()):
            self.keep(place, client)

    def clear(self) -> None:
        """Let go of all clients: another home awaits them."""
        self._places = {}

    def snapshots(self) -> list[EdgeSnapshot]:
        """Return the edges that have not come since the last move, as they were; then single clients."""
        left = dict(self._places)
        edges = []
        for edge in self._edges.values():
            places = {(edge.worker, one.number): one.number for one in edge.clients}
            still = [left.pop(place).pack(number) for place, number in places.items() if place in left]
            edges.append(EdgeSnapshot(edge.worker, edge.positions, edge.unacked, still))
        edges += [
            EdgeSnapshot(worker, [], [], [client.pack(number)]) for (worker, number), client in left.items()
        ]
        return edges


class DeliveryStatus(Enum):
    """What became of an edge's message that was unacknowledged when the channel to its home broke."""

    CONSUMED = "consumed"
    PENDING = "pending"
    UNKNOWN = "unknown"


def delivery_status(marks: Positions, known: list[ChannelPosition]) -> DeliveryStatus:
    """``marks``: where the message ends in each channel that it was given to; ``known``: how much was
    consumed there."""
    consumed = {position.key: position.reached for position in known}
    found = [mark.reached <= consumed[mark.key] for mark in marks if mark.key in consumed]
    if any(found):
        return DeliveryStatus.CONSUMED
    return DeliveryStatus.PENDING if found or not marks else DeliveryStatus.UNKNOWN


class Replay:
    """Takes what clients that came from another home had sent there without confirmation."""

    def __init__(self, home: Host, positions: list[ChannelPosition]) -> None:
        """``positions``: how much the homes at the end of the clients' former channels had consumed."""
        self._home, self.positions = home, positions

    def again(self, client: Attached, marks: Positions, request: bytes, text: bytes) -> None:
        """Forward a message unless a former home consumed it; where that is unknown, return an error."""
        status = delivery_status(marks, self.positions)
        if status is DeliveryStatus.PENDING:
            self._home.from_edge(client, request, text)
        elif status is DeliveryStatus.UNKNOWN:  # the home has died: rather reported lost than sent twice
            metrics.count("undelivered_total")
            client.send(messages.error(WorkstationOffline(), request))

    def left(self, marks: Positions, device_id: str, place: Place) -> None:
        """Detach a client that has gone, unless a former home has done so."""
        if delivery_status(marks, self.positions) is not DeliveryStatus.CONSUMED:
            self._home.left_in_transit(place, device_id)
        self._home.arrived(*place)
