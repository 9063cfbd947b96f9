"""One connected watch, or device that stays: its queue, and the polls that wait for a message in it."""

import asyncio
import secrets
from collections.abc import Callable

from tiflis.clock import running_clock
from tiflis.relay.watch.queue import Bounds, Message, WatchQueue
from tiflis.relay.watch.readers import Readers
from tiflis.relay.watch.records import WatchRecord

POLLS_AT_ONCE = 8  # per watch; one more ends the one that has waited longest


class Watch:
    """A connected watch, or a device that stays. ``introduced``: the workstation has received its ``auth``
    since it registered."""

    def __init__(
        self,
        device_id: str,
        bounds: Bounds,
        released: Callable[[Message], None],
        now: float,
        mark: str = "",
        stay: float = 0.0,
        key_id: str = "",
    ) -> None:
        """``device_id``: its key in the registry. ``stay``: seconds that a client stays after its last
        socket; 0 for a watch. ``key_id``: of the device key that it came with last."""
        self.device_id = device_id
        self.stay = stay
        self.key_id = key_id
        self.registered = False  # the workstation has registered anew; the device does not know
        self.unmarked = 0  # messages since the last mark
        self.readers = Readers()  # of a device that stays
        self.mark = mark or secrets.token_urlsafe(6)  # distinguishes this connect's numbers from another's
        self.queue = WatchQueue(bounds, released)
        self.last_call = now
        self.recorded_at = now  # the age of its record in the store counts from here
        self.introduced = False
        self._polls: list[asyncio.Future[None]] = []

    @property
    def name(self) -> str:
        """Return the device's id as its peers know it."""
        return self.device_id.removeprefix("\0")

    def append(self, message: Message) -> None:
        """Put the message into the queue, and note its number there in the message."""
        message.numbers[self.mark] = self.queue.last + 1
        self.queue.append(message)

    @property
    def polled(self) -> bool:
        """Return whether a poll is waiting."""
        return bool(self._polls)

    async def wait(self, seconds: float) -> None:
        """Wait until new messages may be read, the watch has gone, or so many seconds have passed."""
        poll = asyncio.get_running_loop().create_future()
        self._polls.append(poll)
        if len(self._polls) > POLLS_AT_ONCE:
            self._end(self._polls[0])
        try:
            async with running_clock().timeout(seconds):
                await poll
        except TimeoutError:
            pass
        finally:
            if poll in self._polls:
                self._polls.remove(poll)

    def wake(self) -> None:
        """End the wait of all polls."""
        for poll in list(self._polls):
            self._end(poll)

    def _end(self, poll: asyncio.Future[None]) -> None:
        self._polls.remove(poll)
        if not poll.done():
            poll.set_result(None)

    def record(self, orderly: bool) -> WatchRecord:
        """Return the state to store. ``orderly``: the last record, with the numbers that are still held."""
        queue = self.queue
        held = queue.newest if orderly else None
        return WatchRecord(
            self.device_id,
            self.mark,
            queue.last,
            queue.acknowledged,
            queue.lost,
            self.introduced,
            held,
            stay=self.stay,
            registered=self.registered,
            key_id=self.key_id,
        )
