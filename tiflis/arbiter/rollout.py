"""The rolling restart: workers are replaced one at a time by workers that run the code now installed.

A successor is started beside the old worker. Only when it is ready does the old one end, and on its way out
it hands its sockets over. A successor that does not become ready is ended, and the old worker stays.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from typing import Any

from tiflis.arbiter.control import WorkerSession
from tiflis.arbiter.sanic_manager import ROLL, UNROLL, SteadyManager
from tiflis.arbiter.signals import notify
from tiflis.arbiter.slots import NotReady, WorkerSlot, WorkerSlots
from tiflis.clock import running_clock
from tiflis.config import Settings
from tiflis.ipc.control_client import Message
from tiflis.ipc.patience import reason_of
from tiflis.ipc.processes import is_alive

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.02


class Rollout:
    """Replaces all workers. One rollout runs at a time, and nothing else restarts a worker meanwhile."""

    def __init__(self, slots: WorkerSlots, manager: SteadyManager, settings: Settings) -> None:
        self._slots, self._manager = slots, manager
        self._ready_seconds = settings.ready_timeout
        # The longest that an old worker may take: hand over, drain what fell back, and finish HTTP.
        self._end_seconds = settings.handoff_timeout + settings.drain_window + settings.shutdown_timeout
        self.running = False
        self.last: dict[str, Any] | None = None  # how the last one went

    async def command(self, _: Message) -> Message:
        """Replace all workers for the control socket's ``reload``; return its answer."""
        if self.running:
            return {"complete": False, "reason": "a reload is under way already", "workers": []}
        workers = await self.roll()
        complete = all(worker["replaced"] and not worker["fell_back"] for worker in workers)
        return {"complete": complete, "workers": workers}

    async def asked(self) -> None:
        """Replace all workers because of a signal: nothing waits for the answer."""
        try:
            answer = await self.command({})
        except Exception:  # outermost frame of the task
            log.exception("reload failed")
        else:
            if not answer["complete"]:
                log.error("reload incomplete", extra={"reason": answer.get("reason", "see above")})

    async def roll(self) -> list[dict[str, Any]]:
        """Return one report per worker, in their order; stop at the first that cannot be replaced."""
        self.running = True
        began = time.monotonic()
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        reports: list[dict[str, Any]] = []
        try:
            async with self._slots.restarting:
                for name in self._slots.names():
                    if self._manager.stopping:
                        break
                    reports.append(await self._replace(name))
                    if not reports[-1]["replaced"]:
                        break
        finally:
            self.running = False
            if not self._manager.stopping:
                notify("READY=1")
        seconds = round(time.monotonic() - began, 2)
        self.last = {"ended_at": time.time(), "seconds": seconds, "workers": reports}
        log.info("reload ended", extra={"seconds": seconds, "workers": len(reports)})
        return reports

    async def _replace(self, name: str) -> dict[str, Any]:
        slot = self._slots[name]
        old, old_pid = slot.session, slot.process.pid
        slot.rolling = True
        report: dict[str, Any] = {
            "slot": name, "old_pid": old_pid, "new_pid": None, "replaced": False, "handed": 0, "fell_back": 0,
        }  # fmt: skip
        try:
            successor = await self._start(slot, old)
            report |= {"new_pid": successor.pid, "worker": successor.worker_id}
            await self._end_old(slot, old_pid)
            report |= {"replaced": True, **slot.handed}
        except Exception as problem:  # noqa: BLE001 - any reason why it did not start
            reason = reason_of(problem)
            log.error("worker not replaced, the old one stays", extra={"slot": name, "reason": reason})
            await self._undo(slot, old)
            report["reasons"] = [reason]
        finally:
            slot.rolling = False
            slot.handed = {}
        return report

    async def _start(self, slot: WorkerSlot, old: WorkerSession | None) -> WorkerSession:
        """Return the successor once it is ready. Raise NotReady, or OSError without a monitor."""
        self._manager.start_failure(slot.process.name)
        self._manager.monitor_publisher.send(f"{ROLL}:{slot.process.name}")
        try:
            async with running_clock().timeout(self._ready_seconds):
                while True:
                    session = slot.session
                    if session is not None and session is not old and session.ready:
                        return session
                    self._look_whether_dead(slot, old)
                    slot.changed.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(slot.changed.wait(), LOOK_SECONDS)
        except TimeoutError:
            raise NotReady(f"the new worker is not ready after {self._ready_seconds:g} s") from None

    def _look_whether_dead(self, slot: WorkerSlot, old: WorkerSession | None) -> None:
        if (failure := self._manager.start_failure(slot.process.name)) is not None:
            raise NotReady(f"no new worker can be started: {failure}")
        started = old is None or slot.process.pid != old.pid
        if started and slot.process.exitcode is not None:
            raise NotReady(f"the new worker ended at its start with code {slot.process.exitcode}")

    async def _end_old(self, slot: WorkerSlot, pid: int) -> None:
        """Have the old worker hand over and end; one that hangs is killed."""
        old = self._manager.old_process(slot.process.name)
        if old is None:
            return
        with contextlib.suppress(ProcessLookupError):
            old.terminate()
        end = running_clock().time() + self._end_seconds
        while old.is_alive() and is_alive(pid):
            if running_clock().time() > end:
                log.error("old worker does not end, killed", extra={"pid": pid})
                old.kill()
            await asyncio.sleep(LOOK_SECONDS)
        self._manager.forget_old(slot.process.name)

    async def retire(self, name: str, successor: str) -> None:
        """End a slot's worker for good; on its way out it hands its sockets to ``successor``."""
        slot = self._slots[name]
        slot.rolling, slot.successor = True, successor
        pid = slot.process.pid
        end = running_clock().time() + self._end_seconds
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        while slot.process.exitcode is None:
            if running_clock().time() > end:
                log.error("old worker does not end, killed", extra={"pid": pid})
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(LOOK_SECONDS)
        log.info("takeover: worker ended", extra={"slot": name, "heir": successor, **slot.handed})

    def reinstate(self) -> None:
        """Undo a retirement: each worker that has ended is replaced."""
        for name in self._slots.names():
            self._slots[name].rolling, self._slots[name].successor = False, ""

    async def _undo(self, slot: WorkerSlot, old: WorkerSession | None) -> None:
        """End the successor, if there is one, and give the slot back to the old worker."""
        if self._manager.old_process(slot.process.name) is None:
            return
        self._manager.monitor_publisher.send(f"{UNROLL}:{slot.process.name}")
        while self._manager.old_process(slot.process.name) is not None and not self._manager.stopping:
            await asyncio.sleep(LOOK_SECONDS)
        slot.session = old
