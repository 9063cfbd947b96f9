"""Make a home's watches from the records that the last home left in the store."""

from collections.abc import Callable
from contextlib import ExitStack

from tiflis.relay.watch.device import Watch
from tiflis.relay.watch.journal import Recovered
from tiflis.relay.watch.queue import Bounds, Message, Released, WatchQueue
from tiflis.relay.watch.records import StoredMessage, StoredWatch, WatchRecord

STRIDE = 2**32  # more than a home can have given before it stored them; 2**53 is the highest
BoundsOf = Callable[[WatchRecord], Bounds]


def restore(recovered: Recovered, bounds: BoundsOf, released: Released, now: float) -> list[Watch]:
    """Return the watches with their queues. Unless the last home ended orderly, each skips one number as a
    gap: there may have been a message that was never stored. A device that stays skips STRIDE: it may have
    received numbers that were never stored."""
    messages = [_message(stored, now) for stored in recovered.messages]
    with ExitStack() as stack:
        for message in messages:
            stack.enter_context(message.held(released))
        watches = [_watch(stored, messages, bounds, released, now) for stored in recovered.watches]
    for watch in watches:
        watch.queue.expire(now)
        if not recovered.orderly:
            watch.queue.skip(STRIDE if watch.stay else 1)
    return watches


def _message(stored: StoredMessage, now: float) -> Message:
    record = stored.record
    message = Message(record.text, record.stamp, now - stored.age - record.age, record.key)
    message.numbers = record.numbers
    return message


def _watch(
    stored: StoredWatch, messages: list[Message], bounds: BoundsOf, released: Released, now: float
) -> Watch:
    record = stored.record
    about = (record.watch, record.stay, record.key_id)
    watch = Watch(record.device_id, bounds(record), released, now - stored.age, *about)
    watch.introduced, watch.registered = record.introduced, record.registered
    _fill(watch.queue, record, {m.numbers[watch.mark]: m for m in messages if watch.mark in m.numbers})
    return watch


def _fill(queue: WatchQueue, record: WatchRecord, known: dict[int, Message]) -> None:
    queue.last = queue.shown = max([record.last, *known])
    queue.acknowledged, queue.lost = record.acknowledged, record.lost
    for number in sorted(known):
        if number > record.acknowledged and (record.held is None or number in record.held):
            queue.put(number, known[number])
    queue.lost = max([queue.lost, *(number for number in record.held or () if number not in queue.held)])
