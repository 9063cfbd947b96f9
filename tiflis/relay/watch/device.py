"""One connected watch: its queue, and the polls that wait for something to come into it."""

import asyncio
import secrets
from collections.abc import Callable

from tiflis.clock import running_clock
from tiflis.relay.watch.queue import Bounds, Message, WatchQueue
from tiflis.relay.watch.records import WatchRecord

POLLS_AT_ONCE = 8  # of one watch; one more ends the one that has waited longest


class Watch:
    """``introduced``: the workstation has had its ``auth`` since it registered."""

    def __init__(
        self, device_id: str, bounds: Bounds, released: Callable[[Message], None], now: float, mark: str = ""
    ) -> None:
        self.device_id = device_id
        self.mark = mark or secrets.token_urlsafe(6)  # tells this connect's numbers from another's
        self.queue = WatchQueue(bounds, released)
        self.last_call = now
        self.recorded_at = now  # the age of its record in the store counts from here
        self.introduced = False
        self._polls: list[asyncio.Future[None]] = []

    def append(self, message: Message) -> None:
        message.numbers[self.mark] = self.queue.last + 1
        self.queue.append(message)

    @property
    def polled(self) -> bool:
        """Whether a poll waits here."""
        return bool(self._polls)

    async def wait(self, seconds: float) -> None:
        """Until something was shown, the watch has gone, or the time is up."""
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
        for poll in list(self._polls):
            self._end(poll)

    def _end(self, poll: asyncio.Future[None]) -> None:
        self._polls.remove(poll)
        if not poll.done():
            poll.set_result(None)

    def record(self, orderly: bool) -> WatchRecord:
        queue = self.queue
        held = queue.newest if orderly else None
        return WatchRecord(
            self.device_id, self.mark, queue.last, queue.acknowledged, queue.lost, self.introduced, held
        )
