"""Backpressure within one tunnel: the senders to a slow receiver are not read until it has caught up."""

from collections.abc import Iterable
from typing import Protocol

from tiflis.relay.interfaces import EdgeSession, Workstation
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.session import Pause


class Peers(Protocol):
    """The peers of one tunnel, as its home has them."""

    edge_sessions: set[EdgeSession]

    @property
    def workstation(self) -> Workstation | None: ...

    def clients(self) -> Iterable[ClientSession]:
        """Return the clients of this worker."""


class Backpressure:
    """Pauses and resumes reading, per tunnel, by how much its receivers have taken."""

    __slots__ = ("_peers", "_slow", "full", "held")

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self.held = False  # a device that sends to the workstation is not read any further
        self.full = False  # no device is read at all
        self._slow: set[EdgeSession | ClientSession] = set()  # receivers of the workstation's messages

    def hold(self, held: bool) -> None:
        """Record whether the workstation reads slowly: if so, a device is paused after its next message.

        Devices that send nothing are still read, so that their pings are answered: a phone gives up after
        5 s without a pong.
        """
        if held is self.held:
            return
        self.held = held
        for edge_session in self._peers.edge_sessions:
            edge_session.hold(held)
        if not held:
            self.full = False
            for client in self._peers.clients():
                client.hold(False)

    def crowd(self, full: bool) -> None:
        """Record whether so much waits for the workstation that no device is read at all."""
        self.full = full
        if full:
            for client in self._peers.clients():
                client.hold(True)

    def press(self, receiver: EdgeSession | ClientSession, slow: bool) -> None:
        """Record whether an edge or client is slow; the workstation is read while none is."""
        (self._slow.add if slow else self._slow.discard)(receiver)
        workstation = self._peers.workstation
        if workstation is not None:
            wire = workstation.wire
            (wire.pause if self._slow else wire.resume)(Pause.PRESSURE)
