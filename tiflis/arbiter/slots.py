"""The worker slots: which worker is in each, and how it is replaced."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sanic.worker.process import WorkerProcess

from tiflis.arbiter.control import WorkerSession
from tiflis.arbiter.sanic_manager import FILL, SteadyManager
from tiflis.clock import running_clock
from tiflis.ipc.patience import pause_after

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
SUSPECT_TICK_SECONDS = 0.005
# A worker that has announced its end and closed its control connection ends by itself; after SUSPECT_SECONDS
# it hangs and is killed. One that has not announced its end still serves and connects again: the main process
# may have closed the connection for lack of descriptors.
SUSPECT_SECONDS = 2.0
LOST_SECONDS = 30.0
# Waits before a replacement, by the number in a row that died before they were ready. A worker that had been
# ready is replaced at once, however often: its start works.
BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 4.0, 5.0)
# The manager acts on a message within 0.1 s and needs a few ms to start a process.
MESSAGE_SECONDS = 5.0


class NotReady(Exception):
    """A new worker did not become ready in time."""


def slot_of(worker_name: str) -> str:
    """Return the slot in Sanic's name for a worker: `3` for `Sanic-Server-3-0`, `0` for any other name."""
    parts = worker_name.split("-")
    return parts[2] if len(parts) == 4 else "0"


@dataclass(slots=True)
class WorkerSlot:
    """One worker slot and its worker."""

    process: WorkerProcess
    session: WorkerSession | None = None
    was_ready: bool = False
    fruitless: int = 0
    failures: int = 0  # tries in a row that made no process at all
    starts: int = 1
    dead_pid: int = 0
    replace_at: float = 0.0
    told_pid: int = 0
    told_at: float = 0.0
    successor: str = ""  # the worker of another main process that takes this one's sockets
    rolling: bool = False  # a successor is being started beside the worker
    handed: dict[str, Any] = field(default_factory=dict)  # how the old worker's handover went
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class WorkerSlots:
    """Keeps every slot filled, in the arbiter's thread; the control socket reports workers to it."""

    def __init__(self, manager: SteadyManager) -> None:
        self._manager = manager
        self._slots: dict[str, WorkerSlot] = {}
        self._suspects: dict[int, float] = {}
        self._wake = asyncio.Event()
        # Sanic's book-keeping breaks when two replacements of living workers overlap.
        self.restarting = asyncio.Lock()

    # --- called by the control socket ---

    def joined(self, session: WorkerSession) -> None:
        log.debug("worker joined", extra={"worker": session.worker_id, "pid": session.pid})
        self._suspects.pop(session.pid, None)
        if (slot := self._slots.get(session.slot)) is not None:
            slot.session = session
            slot.was_ready = False

    def ready(self, session: WorkerSession) -> None:
        self._manager.worker_ready(session.pid)
        log.debug("worker accepted", extra={"worker": session.worker_id, "pid": session.pid})
        slot = self._slots.get(session.slot)
        if slot is not None and slot.session is session:
            slot.was_ready = True
            slot.fruitless = 0
            slot.changed.set()

    def left(self, session: WorkerSession) -> None:
        slot = self._slots.get(session.slot)
        if slot is not None and slot.session is session:
            slot.session = None
        patience = SUSPECT_SECONDS if session.leaving else LOST_SECONDS
        self._suspects[session.pid] = running_clock().time() + patience
        self._wake.set()

    def leaving(self, session: WorkerSession) -> None:
        """Send a worker that leaves its successor, or None if none is ready."""
        session.leaving = True
        slot = self._slots.get(session.slot)
        newer = slot.session if slot is not None and slot.rolling else None
        ready = newer is not None and newer is not session and newer.ready
        successor = newer.worker_id if newer is not None and ready else None
        session.send({"do": "successor", "worker_id": (slot.successor if slot else "") or successor})

    def handed(self, session: WorkerSession, report: dict[str, Any]) -> None:
        slot = self._slots.get(session.slot)
        if slot is not None:
            slot.handed = report

    # --- replacement ---

    async def all_ready(self) -> list[str]:
        """Wait until every slot has a ready worker; return their ids."""
        while True:
            ready = [slot.session for slot in self._slots.values() if slot.session and slot.session.ready]
            if ready and len(ready) == len(self._slots):
                return [session.worker_id for session in ready]
            await asyncio.sleep(TICK_SECONDS)

    def __getitem__(self, name: str) -> WorkerSlot:
        return self._slots[name]

    async def keep(self) -> None:
        """Replace workers that die, until the server stops."""
        while not self._manager.stopping:
            self._look_around()
            tick = SUSPECT_TICK_SECONDS if self._suspects else TICK_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), tick)
            self._wake.clear()

    def sessions(self) -> list[WorkerSession]:
        """Return the workers that are ready and have a slot of their own."""
        return [slot.session for slot in self._slots.values() if slot.session and slot.session.ready]

    def names(self) -> list[str]:
        return sorted(self._slots)

    def describe(self) -> list[dict[str, Any]]:
        """Return every slot with its process, its worker id and whether it is ready, for the operator."""
        return [
            {
                "slot": name,
                "pid": slot.process.pid,
                "worker_id": slot.session.worker_id if slot.session else None,
                "ready": bool(slot.session and slot.session.ready),
                "starts": slot.starts,
            }
            for name, slot in sorted(self._slots.items())
        ]

    def _look_around(self) -> None:
        now = running_clock().time()
        for name, slot in self._present():
            pid, code = slot.process.pid or 0, slot.process.exitcode
            if slot.rolling:
                continue
            if pid and code is None:
                self._end_if_stuck(pid, now)
            else:
                self._replace(name, slot, pid, code, now)
        alive = {slot.process.pid for slot in self._slots.values() if slot.process.exitcode is None}
        self._suspects = {pid: until for pid, until in self._suspects.items() if pid in alive}

    def _present(self) -> Iterator[tuple[str, WorkerSlot]]:
        for process in self._manager.servers():
            name = slot_of(process.name)
            slot = self._slots.get(name)
            if slot is None or slot.process is not process:
                slot = self._slots[name] = WorkerSlot(process)
            yield name, slot

    def _end_if_stuck(self, pid: int, now: float) -> None:
        if now > self._suspects.get(pid, now):
            log.error("worker left but does not end, killed", extra={"pid": pid})
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _replace(self, name: str, slot: WorkerSlot, pid: int, code: int | None, now: float) -> None:
        """Fill a slot whose worker has died, or was never started (`pid` 0)."""
        if pid and slot.dead_pid != pid:
            self._note_death(name, slot, pid, code, now)
        if (failure := self._manager.start_failure(slot.process.name)) is not None:
            slot.failures += 1
            slot.starts -= bool(slot.told_at)
            slot.told_at, slot.replace_at = 0.0, now + pause_after(slot.failures)
            about = {"slot": name, "reason": failure, "wait": pause_after(slot.failures)}
            log.error("worker cannot be started, trying again", extra=about)
        waiting = slot.told_pid == pid and now - slot.told_at < MESSAGE_SECONDS
        if now >= slot.replace_at and not waiting:
            slot.told_pid, slot.told_at = pid, now
            slot.starts += 1
            self._tell(slot)

    def _note_death(self, name: str, slot: WorkerSlot, pid: int, code: int | None, now: float) -> None:
        slot.dead_pid, slot.failures = pid, 0
        slot.fruitless = 0 if slot.was_ready else slot.fruitless + 1
        slot.was_ready = False
        wait = BACKOFF_SECONDS[min(max(slot.fruitless - 1, 0), len(BACKOFF_SECONDS) - 1)]
        slot.replace_at = now + wait
        log.error("worker died, replacing", extra={"slot": name, "pid": pid, "code": code, "wait": wait})

    def _tell(self, slot: WorkerSlot) -> None:
        with contextlib.suppress(OSError):
            self._manager.monitor_publisher.send(f"{FILL}:{slot.process.name}")
