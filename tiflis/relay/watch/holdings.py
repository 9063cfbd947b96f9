"""The bytes that a tunnel's watch queues hold, as counted in the account of pinned bytes."""

from collections.abc import Collection

from tiflis.relay.pinned import Account, Kind, part_of
from tiflis.relay.watch.device import Watch
from tiflis.relay.watch.queue import Message


class Holdings:
    """Counts the messages in a tunnel's watch queues; one in several queues counts once."""

    def __init__(self, account: Account) -> None:
        self._hold = account.hold(Kind.QUEUES)
        self._early = account.hold(Kind.WAITING)
        self._limit = part_of(account, Kind.QUEUES)
        self._closed = False

    def enter(self, message: Message) -> None:
        """Count a message if a queue holds it."""
        if message.holders and not message.entered and not self._closed:
            message.entered = len(message.text)
            self._hold.count(message.entered)

    def leave(self, message: Message) -> None:
        """Count the message no longer: the last queue has dropped it."""
        size, message.entered = message.entered, 0
        if size and not self._closed:
            self._hold.count(-size)

    def trim(self, watches: Collection[Watch]) -> None:
        """Drop the oldest message of the largest queue until all queues together fit into the tunnel's
        part."""
        while self._hold.size > self._limit:
            largest = max(watches, key=lambda watch: watch.queue.size, default=None)
            if largest is None or not largest.queue.drop_oldest():
                return

    def wait(self, size: int) -> None:
        """Set the bytes of messages that wait until the tunnel's watches are known."""
        if not self._closed:
            self._early.count(size - self._early.size)

    def close(self) -> None:
        """Release all bytes: the queues belong to another home now."""
        self._closed = True
        self._hold.release()
        self._early.release()
