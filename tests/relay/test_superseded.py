"""Superseded workstation sockets: of each tunnel a few are kept, across all workers."""

from typing import cast

import pytest

from tests.relay.fakes import FakeWire
from tiflis.limits import Limits
from tiflis.relay.sessions.session import Wire
from tiflis.relay.sessions.superseded import Superseded

TUNNEL = "tunnel-1"


class Workers:
    """The superseded sockets of several workers, which receive each other's News at once."""

    def __init__(self, *names: str) -> None:
        self.superseded_sockets = {name: Superseded(Limits(), name) for name in names}
        for superseded_sockets in self.superseded_sockets.values():
            superseded_sockets.publish = self._spread

    def _spread(self, news: bytes) -> None:
        for superseded_sockets in self.superseded_sockets.values():
            superseded_sockets.received(news)

    def supersede(self, worker: str, wire: FakeWire | None = None) -> FakeWire:
        wire = wire or FakeWire()
        self.superseded_sockets[worker].add(TUNNEL, cast(Wire, wire))
        return wire

    def crash(self, worker: str) -> None:
        del self.superseded_sockets[worker]
        for superseded_sockets in self.superseded_sockets.values():
            superseded_sockets.worker_gone(worker)


@pytest.fixture
def workers() -> Workers:
    return Workers("a", "b", "c")


def kept(wires: list[FakeWire]) -> list[bool]:
    return [wire.closed is None for wire in wires]


@pytest.mark.parametrize("order", ["abcabca", "aaabbbc", "abababa", "abbbbbb", "ccccabc"])
def test_the_newest_four_stay_wherever_they_are(workers: Workers, order: str) -> None:
    wires = [workers.supersede(worker) for worker in order]
    assert kept(wires) == [False] * 3 + [True] * 4


def test_one_that_left_makes_room_elsewhere(workers: Workers) -> None:
    wires = [workers.supersede(worker) for worker in "abca"]
    wires[2].end()
    wires.append(workers.supersede("b"))
    assert kept(wires) == [True, True, False, True, True]


def test_those_of_a_dead_worker_make_room(workers: Workers) -> None:
    wires = [workers.supersede(worker) for worker in "abba"]
    workers.crash("b")
    assert kept([*wires, workers.supersede("c"), workers.supersede("a")]) == [True] * 6


def test_those_handed_to_a_successor_are_counted_once_and_in_their_order(workers: Workers) -> None:
    wires = [workers.supersede(worker) for worker in "abab"]
    for wire in wires[::2]:
        workers.supersede("c", wire)
    workers.crash("a")
    wires.append(workers.supersede("b"))
    assert kept(wires) == [False, True, True, True, True]


def test_other_tunnels_have_their_own(workers: Workers) -> None:
    others = [FakeWire() for _ in range(4)]
    for wire in others:
        workers.superseded_sockets["a"].add("tunnel-2", cast(Wire, wire))
    wires = [workers.supersede("b") for _ in range(5)]
    assert (kept(others), kept(wires)) == ([True] * 4, [False, *[True] * 4])


def test_nonsense_changes_nothing(workers: Workers) -> None:
    wire = workers.supersede("a")
    for news in (b"", b"\xff", b"\x93\x01\x02\x03"):
        workers.superseded_sockets["a"].received(news)
    assert wire.closed is None
