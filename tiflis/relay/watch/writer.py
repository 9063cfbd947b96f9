"""Run a tunnel's journal: at once after a quiet time, else at a pace, and again after a failure."""

import asyncio
import logging
from collections.abc import Callable
from functools import cached_property

from tiflis.relay.watch.device import Watch
from tiflis.relay.watch.journal import WatchJournal
from tiflis.relay.watch.store import Fenced, StoreUnavailable

PACE = 0.1  # seconds between two writes: of some 30 snapshots of an answer in that time one is written
RETRY = 0.1  # seconds after a failure, doubled up to the next
RETRY_LIMIT = 0.5

log = logging.getLogger(__name__)


class WatchWriter:
    """Runs ``journal.flush`` in a task that lives only while there is something to write."""

    def __init__(
        self,
        tunnel_id: str,
        journal: WatchJournal,
        shown: Callable[[list[Watch]], None],
        lost: Callable[[], None],
        pace: float = PACE,
    ) -> None:
        """``shown``: called with the watches whose messages were stored. ``lost``: called when another home
        has the tunnel."""
        self._tunnel_id = tunnel_id
        self._journal = journal
        self._shown = shown
        self._lost = lost
        self._pace = pace
        self._task: asyncio.Task[None] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._began = float("-inf")
        self._stopped = False

    @cached_property
    def _urgent(self) -> asyncio.Event:
        return asyncio.Event()

    def kick(self) -> None:
        """Start writing, if that is not under way."""
        if self._task is None and not self._stopped:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def settle(self) -> None:
        """Wait until all that is due now is stored. The caller sets the deadline. Raise StoreUnavailable
        after ``stop``."""
        done = asyncio.get_running_loop().create_future()
        self._waiters.append(done)
        self._urgent.set()
        self.kick()
        try:
            await done
        finally:
            if done in self._waiters:
                self._waiters.remove(done)

    async def stop(self) -> None:
        """Stop writing; waiting calls of ``settle`` fail."""
        self._stopped = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._fail()

    def _fail(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(StoreUnavailable("nothing is written any more"))

    async def _run(self) -> None:
        try:
            while not self._journal.idle or self._waiters:
                await self._step()
        except Fenced:
            log.warning("watches moved", extra={"tunnel": self._tunnel_id})
            self._fail()
            self._lost()
        except Exception:
            log.exception("watch writer failed", extra={"tunnel": self._tunnel_id})
            self._fail()
            self._lost()
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    async def _step(self) -> None:
        await self._rest()
        self._urgent.clear()
        waiters, self._waiters = self._waiters, []
        try:
            shown = await self._flush()
        except BaseException:
            self._waiters = waiters + self._waiters
            raise
        if self._journal.behind:
            self._waiters = waiters + self._waiters
            self._urgent.set()
            waiters = []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._shown(shown)

    async def _rest(self) -> None:
        now = asyncio.get_running_loop().time()
        left = self._began + self._pace - now
        if left > 0:
            try:
                async with asyncio.timeout(left):
                    await self._urgent.wait()
            except TimeoutError:
                pass
        self._began = asyncio.get_running_loop().time()

    async def _flush(self) -> list[Watch]:
        pause = RETRY
        while True:
            try:
                return await self._journal.flush()
            except StoreUnavailable as problem:
                if pause == RETRY:
                    reason = str(problem)
                    log.warning(
                        "watch store unavailable", extra={"tunnel": self._tunnel_id, "reason": reason}
                    )
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_LIMIT)
