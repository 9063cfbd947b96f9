"""The sockets of each device, and the devices that left a moment ago."""

from dataclasses import dataclass

import pytest

from tiflis.protocol.cursor import Cursor
from tiflis.relay.devices.registry import LEFT_LIMIT, DeviceRegistry

MEMORY = 300.0


@dataclass(eq=False)
class Socket:
    device_id: str = "phone"
    connected: bool = True
    told_offline: bool = False
    reconnect: bool = False
    connection: str = ""
    cursor: Cursor | None = None
    marked: bool = False
    key_id: str = ""

    def send(self, text: bytes) -> None: ...
    def accept(self, text: bytes) -> None: ...
    def refuse(self, text: bytes) -> None: ...
    def notify(self, online: bool) -> None: ...
    def here(self) -> None: ...


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def device_registry(clock: Clock) -> DeviceRegistry:
    return DeviceRegistry(clock, MEMORY)


def test_a_device_may_have_several_sockets(device_registry: DeviceRegistry) -> None:
    one, two, other = Socket(), Socket(), Socket("tablet")
    for socket in (one, two, other):
        device_registry.add(socket)
    assert device_registry.sockets("phone") == [one, two]
    assert list(device_registry.everyone()) == [one, two, other]
    assert (len(device_registry), "phone" in device_registry, "watch" in device_registry) == (2, True, False)


def test_the_last_socket_takes_its_device_along(device_registry: DeviceRegistry) -> None:
    one, two = Socket(), Socket()
    device_registry.add(one)
    device_registry.add(two)
    assert [device_registry.remove(one), device_registry.remove(two), device_registry.remove(two)] == [
        False,
        True,
        False,
    ]
    assert "phone" not in device_registry


def test_a_socket_that_only_waited_was_no_device(device_registry: DeviceRegistry) -> None:
    waiting = Socket(connected=False)
    device_registry.add(waiting)
    assert device_registry.waiting() == 1
    assert not device_registry.remove(waiting)
    assert not device_registry.known(Socket())


@pytest.mark.parametrize("last_is_pending", [False, True])
def test_one_connected_and_one_pending_socket(device_registry: DeviceRegistry, last_is_pending: bool) -> None:
    sockets = [Socket(), Socket(connected=False)]
    for socket in sockets:
        device_registry.add(socket)
    first, last = sockets if last_is_pending else sockets[::-1]
    assert [device_registry.remove(first), device_registry.remove(last)] == [False, True]
    device_registry.add(again := Socket(connected=False))
    assert not device_registry.remove(again), "that it was here is over and done with"


def test_a_device_is_known_for_so_long(device_registry: DeviceRegistry, clock: Clock) -> None:
    device_registry.add(one := Socket())
    device_registry.remove(one)
    clock.now += MEMORY
    assert device_registry.known(Socket())
    clock.now += 1
    assert not device_registry.known(Socket())


def test_a_device_is_known_beside_its_other_socket(device_registry: DeviceRegistry) -> None:
    newcomer = Socket()
    device_registry.add(newcomer)
    assert not device_registry.known(newcomer), "it is not its own witness"
    device_registry.add(Socket())
    assert device_registry.known(newcomer)


def test_another_roster_goes_on(device_registry: DeviceRegistry, clock: Clock) -> None:
    device_registry.add(gone := Socket("gone"))
    device_registry.add(Socket("here"))
    device_registry.add(Socket("pending", connected=False))
    device_registry.remove(gone)
    clock.now += 100
    ages = device_registry.export()
    assert ages == {"gone": 100.0, "here": 0.0}
    other = DeviceRegistry(clock, MEMORY)
    other.remember(ages)
    clock.now += 250
    assert (other.known(Socket("here")), other.known(Socket("gone"))) == (True, False)


def test_forgotten_devices_take_no_memory(device_registry: DeviceRegistry, clock: Clock) -> None:
    for number in range(10):
        device_registry.add(socket := Socket(f"device {number}"))
        device_registry.remove(socket)
    clock.now += MEMORY + 1
    device_registry.tidy()
    assert device_registry.export() == {}


def test_a_socket_in_another_place(device_registry: DeviceRegistry) -> None:
    device_registry.add(old := Socket())
    device_registry.replace(old, new := Socket())
    assert device_registry.sockets("phone") == [new]


def test_devices_that_come_and_go_are_remembered_up_to_a_bound() -> None:
    registry = DeviceRegistry(lambda: 1000.0, 300.0)
    for number in range(LEFT_LIMIT + 10):
        one = Socket(f"d{number}", connected=True)
        registry.add(one)
        registry.remove(one)
    assert len(registry.export()) == LEFT_LIMIT
    assert f"d{LEFT_LIMIT + 9}" in registry.export()
