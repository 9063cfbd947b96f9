"""What moves with a tunnel from one home to the next, besides its sockets and its watches."""

from collections.abc import Iterable

import msgspec

from tiflis.relay.remote.envelope import ChannelPosition
from tiflis.relay.sessions.client import Attached, ClientSession

OWED_LIMIT = 32 * 1024 * 1024  # bytes that a home takes along for other workers' clients: far above a window


class ClientSnapshot(msgspec.Struct, array_like=True):
    """One client on its way to the new home."""

    number: int  # of its socket in its worker
    device_id: str
    connected: bool
    told_offline: bool
    reconnect: bool
    missed: list[tuple[int, bytes]] = []
    overflowed: bool = False


class EdgeSnapshot(msgspec.Struct, array_like=True):
    """Clients of one worker, and what is unacknowledged between it and the homes that they come from.

    The channel to the last home may break before all of it has arrived. So the next home gets the messages
    that the worker has not acknowledged, each with the chunk in which it ends, and how much the home had
    consumed of each channel; the worker then sends how much it has consumed itself.
    """

    worker: str
    positions: list[ChannelPosition] = []  # the last one is of the channel of ``unacked``
    unacked: list[tuple[int, bytes]] = []
    clients: list[ClientSnapshot] = []
    resumed: list[ChannelPosition] = []  # received from the worker in a RESUME, but not acted upon yet


class HomeState(msgspec.Struct):
    """A home as the next one takes it over. Times are ages in seconds: the workers' clocks may differ."""

    waiting: list[tuple[str, bytes, bytes]]  # the offline queue
    departed: list[str]
    seen: dict[str, float]
    introduced: list[str]
    requests: list[tuple[str, bytes, float]]
    online: bool
    grace: bool
    written_down: bool
    edges: list[EdgeSnapshot] = msgspec.field(name="parties", default_factory=list)
    looked_at: dict[str, float] = {}
    offline: float | None = None  # since then, if that is still to be reported


def client_snapshot(
    client: Attached, number: int, missed: list[tuple[int, bytes]] | None = None, overflowed: bool = False
) -> ClientSnapshot:
    """Return a client as it is written down for another worker."""
    return ClientSnapshot(
        number,
        client.device_id,
        client.connected,
        client.told_offline,
        client.reconnect,
        missed or [],
        overflowed,
    )


def local_snapshot(me: str, clients: Iterable[ClientSession]) -> EdgeSnapshot:
    """Return the clients of the home's own worker ``me``, which will be an edge."""
    packed = [client_snapshot(client, client.wire.number) for client in clients]
    return EdgeSnapshot(me, [ChannelPosition(me, me, 0, 0)], [], packed)


def bounded(edges: list[EdgeSnapshot]) -> list[EdgeSnapshot]:
    """Leave out what exceeds OWED_LIMIT: the clients it was for then ask for everything again."""
    room = OWED_LIMIT
    for edge in edges:
        room -= sum(len(message) for _, message in edge.unacked)
        room -= sum(len(text) for one in edge.clients for _, text in one.missed)
        if room < 0:
            edge.unacked = []
            for one in edge.clients:
                one.missed, one.overflowed = [], True
    return edges
