"""Numbers of queues that have gone."""

from tiflis.relay.watch.numbers import HIGHEST, LIMIT, PastNumbers
from tiflis.relay.watch.queue import Bounds, WatchQueue


def resumed(numbers: PastNumbers, device_id: str, since: int = 0) -> tuple[int, bool]:
    queue = WatchQueue(Bounds())
    numbers.resume(device_id, queue, since)
    reading = queue.read(since)
    return reading.current, reading.missed


def test_a_device_goes_on_above_its_own_number() -> None:
    numbers = PastNumbers(300)
    numbers.keep("one", 7, 0)
    assert resumed(numbers, "one") == (8, True)
    assert resumed(numbers, "another") == (0, False)


def test_a_device_goes_on_above_the_number_that_it_reports() -> None:
    numbers = PastNumbers(300)
    assert resumed(numbers, "one", since=5) == (6, True)
    assert resumed(numbers, "one", since=HIGHEST) == (0, True)


def test_too_many_devices_forget_no_number() -> None:
    numbers = PastNumbers(300)
    for device in range(2 * LIMIT):
        numbers.keep(str(device), 1000 + device, 0)
    assert len(numbers) == LIMIT
    for device in range(2 * LIMIT):
        current, missed = resumed(numbers, str(device))
        assert current > 1000 + device
        assert missed


def test_numbers_are_forgotten_in_the_end() -> None:
    numbers = PastNumbers(300)
    numbers.keep("one", 7, 0)
    numbers.expire(300)
    assert resumed(numbers, "one") == (0, False)
