"""The bytes that a tunnel's watch queues keep, in the ledger; a message in several queues counts once."""

from collections.abc import Collection

from tiflis.relay.pinned import Account, Kind, part_of
from tiflis.relay.watch.device import Watch
from tiflis.relay.watch.queue import Message


class Holdings:
    """Enters messages as they come into queues, and takes them out when the last queue drops them."""

    def __init__(self, account: Account) -> None:
        self._hold = account.hold(Kind.QUEUES)
        self._early = account.hold(Kind.WAITING)
        self._limit = part_of(account, Kind.QUEUES)
        self._closed = False

    def enter(self, message: Message) -> None:
        """Count a message that a queue holds."""
        if message.holders and not message.entered and not self._closed:
            message.entered = len(message.text)
            self._hold.count(message.entered)

    def leave(self, message: Message) -> None:
        """No queue holds the message any more."""
        size, message.entered = message.entered, 0
        if size and not self._closed:
            self._hold.count(-size)

    def trim(self, watches: Collection[Watch]) -> None:
        """Drop the oldest message of the largest queue until all together are within the tunnel's part."""
        while self._hold.size > self._limit:
            largest = max(watches, key=lambda watch: watch.queue.size, default=None)
            if largest is None or not largest.queue.drop_oldest():
                return

    def wait(self, size: int) -> None:
        """So many bytes wait until it is known which watches there are."""
        if not self._closed:
            self._early.count(size - self._early.size)

    def close(self) -> None:
        """The queues are another home's."""
        self._closed = True
        self._hold.release()
        self._early.release()
