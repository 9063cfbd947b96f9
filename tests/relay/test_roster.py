"""Which device has which sockets, and who was here a moment ago."""

from dataclasses import dataclass

import pytest

from tiflis.relay.device_registry import Roster

MEMORY = 300.0


@dataclass(eq=False)
class Socket:
    device_id: str = "phone"
    connected: bool = True
    told_offline: bool = False
    reconnect: bool = False

    def send(self, text: bytes) -> None: ...
    def accept(self, text: bytes) -> None: ...
    def refuse(self, text: bytes) -> None: ...
    def tell(self, online: bool) -> None: ...
    def here(self) -> None: ...


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def roster(clock: Clock) -> Roster:
    return Roster(clock, MEMORY)


def test_a_device_may_have_several_sockets(roster: Roster) -> None:
    one, two, other = Socket(), Socket(), Socket("tablet")
    for socket in (one, two, other):
        roster.add(socket)
    assert roster.sockets("phone") == [one, two]
    assert list(roster.everyone()) == [one, two, other]
    assert (len(roster), "phone" in roster, "watch" in roster) == (2, True, False)


def test_the_last_socket_takes_its_device_along(roster: Roster) -> None:
    one, two = Socket(), Socket()
    roster.add(one)
    roster.add(two)
    assert [roster.remove(one), roster.remove(two), roster.remove(two)] == [False, True, False]
    assert "phone" not in roster


def test_a_socket_that_only_waited_was_no_device(roster: Roster) -> None:
    waiting = Socket(connected=False)
    roster.add(waiting)
    assert roster.waiting() == 1
    assert not roster.remove(waiting)
    assert not roster.known(Socket())


@pytest.mark.parametrize("last_is_pending", [False, True])
def test_one_connected_and_one_pending_socket(roster: Roster, last_is_pending: bool) -> None:
    sockets = [Socket(), Socket(connected=False)]
    for socket in sockets:
        roster.add(socket)
    first, last = sockets if last_is_pending else sockets[::-1]
    assert [roster.remove(first), roster.remove(last)] == [False, True]
    roster.add(again := Socket(connected=False))
    assert not roster.remove(again), "that it was here is over and done with"


def test_a_device_is_known_for_so_long(roster: Roster, clock: Clock) -> None:
    roster.add(one := Socket())
    roster.remove(one)
    clock.now += MEMORY
    assert roster.known(Socket())
    clock.now += 1
    assert not roster.known(Socket())


def test_a_device_is_known_beside_its_other_socket(roster: Roster) -> None:
    newcomer = Socket()
    roster.add(newcomer)
    assert not roster.known(newcomer), "it is not its own witness"
    roster.add(Socket())
    assert roster.known(newcomer)


def test_another_roster_goes_on(roster: Roster, clock: Clock) -> None:
    roster.add(gone := Socket("gone"))
    roster.add(Socket("here"))
    roster.add(Socket("pending", connected=False))
    roster.remove(gone)
    clock.now += 100
    ages = roster.export()
    assert ages == {"gone": 100.0, "here": 0.0}
    other = Roster(clock, MEMORY)
    other.remember(ages)
    clock.now += 250
    assert (other.known(Socket("here")), other.known(Socket("gone"))) == (True, False)


def test_the_forgotten_cost_nothing(roster: Roster, clock: Clock) -> None:
    for number in range(10):
        roster.add(socket := Socket(f"device {number}"))
        roster.remove(socket)
    clock.now += MEMORY + 1
    roster.tidy()
    assert roster.export() == {}


def test_a_socket_in_another_place(roster: Roster) -> None:
    roster.add(old := Socket())
    roster.replace(old, new := Socket())
    assert roster.sockets("phone") == [new]
