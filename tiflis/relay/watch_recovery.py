"""How a home makes its watches out of what the last one left in the store."""

from collections.abc import Callable

from tiflis.relay.watch_device import Watch
from tiflis.relay.watch_journal import Recovered
from tiflis.relay.watch_queue import Bounds, Message
from tiflis.relay.watch_records import StoredMessage, StoredWatch


def restore(
    recovered: Recovered, bounds: Bounds, released: Callable[[Message], None], now: float
) -> list[Watch]:
    """The watches with their queues. Unless the last home ended orderly, each skips one number as a gap:
    there may have been a message that was never stored."""
    found = [(stored, _message(stored, now)) for stored in recovered.messages]
    restored = []
    for stored in recovered.watches:
        watch = _watch(stored, bounds, released, now)
        _fill(watch, stored, [(old.record.numbers, message) for old, message in found])
        watch.queue.expire(now)
        if not recovered.orderly:
            watch.queue.skip()
        restored.append(watch)
    return restored


def _message(stored: StoredMessage, now: float) -> Message:
    record = stored.record
    message = Message(record.text, record.stamp, now - stored.age - record.age, record.key)
    message.numbers = record.numbers
    return message


def _watch(stored: StoredWatch, bounds: Bounds, released: Callable[[Message], None], now: float) -> Watch:
    record = stored.record
    watch = Watch(record.device_id, bounds, released, now - stored.age, record.watch)
    watch.introduced = record.introduced
    return watch


def _fill(watch: Watch, stored: StoredWatch, messages: list[tuple[dict[str, int], Message]]) -> None:
    record, queue = stored.record, watch.queue
    known = {numbers[watch.mark]: message for numbers, message in messages if watch.mark in numbers}
    queue.last = queue.shown = max([record.last, *known])
    queue.acknowledged, queue.lost = record.acknowledged, record.lost
    for number in sorted(known):
        if number > record.acknowledged and (record.held is None or number in record.held):
            queue.put(number, known[number])
    queue.lost = max([queue.lost, *(number for number in record.held or () if number not in queue.held)])
