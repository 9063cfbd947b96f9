"""What a tunnel's home writes down for the next one, and how the next one takes it over."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from tiflis.relay.devices.access import DeviceAccess
from tiflis.relay.devices.registry import DeviceRegistry
from tiflis.relay.interfaces import EdgeSession, Watches, Worker, Workstation
from tiflis.relay.offline_queue import QueuedMessage
from tiflis.relay.push.notifier import PushNotifier
from tiflis.relay.remote.snapshot import EdgeSnapshot, HomeState, bounded, local_snapshot
from tiflis.relay.remote.transit import Transit
from tiflis.relay.sessions.client import Attached, ClientSession
from tiflis.relay.workstation_presence import WorkstationPresence


class Host(Protocol):
    """The home that is written down, or takes over."""

    worker: Worker[Any]
    watches: Watches
    presence: WorkstationPresence
    device_registry: DeviceRegistry
    transit: Transit
    edge_sessions: set[EdgeSession]
    written_down: bool
    access: DeviceAccess
    push: PushNotifier

    @property
    def workstation(self) -> Workstation | None: ...
    def clients(self) -> list[ClientSession]: ...
    def greet(self, attached: Attached, again: bool) -> None: ...


def export(home: Host) -> bytes:
    """Return all that the next home needs besides sockets and watches: an encoded HomeState."""
    now, me = home.worker.now(), home.worker.me
    here = local_snapshot(me, home.clients())
    elsewhere = [edge_session.snapshot(me) for edge_session in home.edge_sessions]
    looked_at, offline = home.push.export()
    state = HomeState(
        waiting=[(m.device_id, m.request, m.text) for m in home.presence.queue.seen()],
        departed=list(home.presence.departed),
        seen=home.device_registry.export(),
        introduced=list(home.device_registry.introduced),
        requests=[(device, request, now - at) for device, request, at in home.presence.requests.export()],
        online=home.workstation is not None,
        grace=home.presence.in_grace,
        written_down=home.written_down,
        edges=bounded([here, *elsewhere, *home.transit.snapshots()]),
        looked_at=looked_at,
        offline=offline,
    )
    return msgspec.msgpack.encode(state)


def take(home: Host, encoded: bytes, greet: bool) -> None:
    """Take over the last home's HomeState.

    ``greet``: the workstation has registered anew, so clients that arrive are to receive that.
    """
    state = msgspec.msgpack.decode(encoded, type=HomeState)
    now = home.worker.now()
    if not state.written_down:
        home.watches.expect_gap()
    queued = home.access.unrevoked([QueuedMessage(*message) for message in state.waiting])
    home.presence.take(queued, state.departed, state.grace or (state.online and not greet))
    home.push.take(state.looked_at, state.offline)
    home.device_registry.remember(state.seen)
    for device_id, request, age in state.requests:
        home.presence.requests.note(device_id, request, now - age)
    if not greet:
        home.device_registry.introduced.update(state.introduced)
    _expect_all(home, state.edges, again=greet and state.online)


def _expect_all(home: Host, edges: list[EdgeSnapshot], again: bool) -> None:
    """Keep a place for each client that is in transit to this home."""
    coming = home.transit.take(edges)
    home.presence.departed.difference_update(client.device_id for client in coming)
    home.transit.begin(greeted=again)
    for client in coming:
        if home.workstation is not None:
            home.greet(client, again)
        elif not home.presence.online and client.connected and not client.told_offline:
            client.notify(False)
