"""Who is on the way to a tunnel's new home, and what the last home knew of the ways they come by."""

from collections.abc import Iterable
from enum import Enum

from tiflis.relay.remote.envelope import ChannelPosition, Positions
from tiflis.relay.remote.snapshot import EdgeSnapshot

Place = tuple[str, int]  # a worker, and a socket's number there
Way = tuple[str, str, int]  # edge, home, channel


class Reattachment:
    """The sockets that a tunnel's last home has told of: until all are here its workstation is not read."""

    __slots__ = ("greeted", "parties", "sockets")

    def __init__(self) -> None:
        self.sockets: set[Place] = set()
        self.greeted = False  # those that arrive are to hear that the workstation is back
        self.parties: dict[Way, EdgeSnapshot] = {}

    def begin(self, sockets: Iterable[Place], greeted: bool) -> None:
        """These are on their way."""
        self.sockets |= set(sockets)
        self.greeted = greeted

    def end(self) -> None:
        """Nobody is waited for any more."""
        self.sockets.clear()
        self.greeted = False

    def expect(self, party: EdgeSnapshot) -> None:
        if party.stages:
            self.parties[party.stages[-1].way] = party

    def forget(self, party: EdgeSnapshot) -> None:
        """They have not come for too long."""
        for stage in party.stages[-1:]:
            if self.parties.get(stage.way) is party:
                del self.parties[stage.way]

    def land(self, stages: list[ChannelPosition]) -> list[tuple[EdgeSnapshot, int]]:
        """The parties that came by these ways, the latest first, and how much their edges have consumed."""
        ways, found = stages[::-1], []
        while ways:
            stage = ways.pop(0)
            party = self.parties.pop(stage.way, None)
            if party is not None:
                found.append((party, stage.reached))
                ways = [*reversed(party.resumed), *ways]
        return found


class DeliveryStatus(Enum):
    """What has become of an edge's message that was under way when the channel to its home broke."""

    CONSUMED = "consumed"
    PENDING = "pending"
    UNKNOWN = "unknown"


def fate(marks: Positions, known: list[ChannelPosition]) -> DeliveryStatus:
    """``marks``: where it ends in each channel that it was given to; ``known``: what was consumed there."""
    consumed = {stage.way: stage.reached for stage in known}
    told = [mark.reached <= consumed[mark.way] for mark in marks if mark.way in consumed]
    if any(told):
        return DeliveryStatus.CONSUMED
    return DeliveryStatus.PENDING if told or not marks else DeliveryStatus.UNKNOWN
