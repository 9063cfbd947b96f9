"""What a link is subscribed to, so that every new connection can be told again."""

from collections.abc import Iterator
from dataclasses import dataclass

from tiflis.bus.nats_protocol import Handler, WholeHandler


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subject, shared with the others of its queue group if it has one."""

    sid: bytes
    subject: str
    queue: str | None

    def line(self) -> bytes:
        queue = f" {self.queue}" if self.queue else ""
        return b"SUB %b%b %b\r\n" % (self.subject.encode(), queue.encode(), self.sid)


class Subscriptions:
    """Handlers by their number on the wire, the `sid`."""

    def __init__(self) -> None:
        self.plain: dict[bytes, Handler] = {}
        self.whole: dict[bytes, WholeHandler] = {}
        self._all: dict[bytes, Subscription] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._all.values()))

    def add(self, subject: str, queue: str | None, handler: Handler) -> Subscription:
        subscription = self._new(subject, queue)
        self.plain[subscription.sid] = handler
        return subscription

    def add_whole(self, subject: str, handler: WholeHandler) -> Subscription:
        subscription = self._new(subject, None)
        self.whole[subscription.sid] = handler
        return subscription

    def _new(self, subject: str, queue: str | None) -> Subscription:
        self._last += 1
        sid = b"%d" % self._last
        self._all[sid] = Subscription(sid, subject, queue)
        return self._all[sid]

    def remove(self, sid: bytes) -> bool:
        """False when it was not there."""
        self.plain.pop(sid, None)
        self.whole.pop(sid, None)
        return self._all.pop(sid, None) is not None
