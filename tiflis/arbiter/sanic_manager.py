"""Sanic's worker manager with the traps taken out: how the main process starts, waits and stops.

What is wrong with the stock one (Sanic 25.12.1), and why each method below is here:

- `wait_for_ack`: SIGTERM while workers start ends them, and then main waits for ever: its own wake-up
  message is read, put back and read again, without counting as a miss. A worker that is killed at that
  time is waited for during 30 s, and then everything is.
- `kill`: sends SIGKILL to the *process group*, which is main's own and the shell's or test's above it.
- `shutdown_signal`: stops the workers inside the signal handler, which may have interrupted a restart
  between the making of a process and its start; that worker is then missed and joined for ever.
- `terminate`: sends SIGINT, which in a worker that is still importing prints a traceback.
- `join`, `cleanup`: after a signal the workers are not joined at all but looked at for 10 s each, and
  main's stop listeners then run under workers that still drain. An old worker whose successor is
  starting is in no list.

A subclass that the manager becomes in `main_process_ready`, since Sanic has no seam to pass one in.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, NoReturn

from sanic.exceptions import ServerKilled
from sanic.worker.constants import ProcessState
from sanic.worker.manager import MonitorCycle, WorkerManager
from sanic.worker.process import WorkerProcess

from tiflis.arbiter.notify import notify

log = logging.getLogger(__name__)

POLL_SECONDS = 0.02
# A signal that meets the moment in which Sanic swaps a worker's handlers is lost: it is sent again.
REPEAT_SECONDS = 1.0
KILLED_SECONDS = 2.0
KILL_SECONDS = 1.0  # between SIGTERM and SIGKILL when nothing is worth a drain
ROLL, UNROLL = "__TIFLIS_ROLL__", "__TIFLIS_UNROLL__"  # messages of ours to the monitor, with a name
_NEVER_STARTED = "__TERMINATE_EARLY__"


def sanic_children() -> list[BaseProcess]:
    """Living processes that Sanic started for us (workers, reloader), also those it has forgotten.

    Not among them: the process of its shared state. Reaps the dead on the way.
    """
    return [child for child in multiprocessing.active_children() if child.name.startswith("Sanic-")]


def end_children(patience: Callable[[], float]) -> None:
    """SIGTERM for all of them, SIGKILL for those that remain; `patience`: seconds, may change meanwhile."""
    began, again = time.monotonic(), 0.0
    while children := sanic_children():
        now = time.monotonic()
        if now - began >= patience():
            _kill(children)
            return
        if now > again:
            again = now + REPEAT_SECONDS
            for child in children:
                child.terminate()
        time.sleep(POLL_SECONDS)


def _kill(children: list[BaseProcess]) -> None:
    for child in children:
        log.warning("worker does not stop, killed", extra={"slot": child.name, "pid": child.pid})
        child.kill()
    for child in children:
        child.join(KILLED_SECONDS)


class SteadyManager(WorkerManager):
    """Replaces a stock manager in place: see `take_over`."""

    stop_seconds: float
    _stop_wanted: bool
    _old: dict[str, tuple[BaseProcess, dict[str, Any]]]

    @classmethod
    def take_over(cls, manager: WorkerManager, stop_seconds: float) -> "SteadyManager":
        """Make this manager a steady one. `stop_seconds`: how long workers may drain."""
        manager.__class__ = cls
        assert isinstance(manager, cls)
        manager.stop_seconds = stop_seconds
        manager._stop_wanted = False
        manager._old = {}
        # The stock methods were registered when it was made.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, manager.shutdown_signal)
        return manager

    @property
    def stopping(self) -> bool:
        return self._stop_wanted or self._shutting_down

    def shutdown_signal(self, signal: int, frame: FrameType | None) -> None:
        """Note the wish and wake the monitor, which acts between two steps. Asked twice, do not wait."""
        if self._stop_wanted:
            self.stop_seconds = 0.0
        self._stop_wanted = True
        with contextlib.suppress(OSError):
            self.monitor_publisher.send(None)

    def wait_for_ack(self) -> None:
        """Until all workers have started; left early to stop, or when one needs to be replaced."""
        postponed = []
        while not (self.stopping or self._all_started() or self._any_killed()):
            if self.monitor_subscriber.poll(0.1):
                message = self.monitor_subscriber.recv()
                if message == _NEVER_STARTED:
                    self._give_up()
                elif message is not None:
                    postponed.append(message)
        for message in postponed:
            self.monitor_publisher.send(message)

    def kill(self) -> NoReturn:
        """End the children soon, each by its id."""
        self._stop_wanted = True
        self.shutdown()  # for its books: Sanic waits 10 s for workers that it believes to be running
        end_children(lambda: KILL_SECONDS)
        raise ServerKilled

    def shutdown(self) -> None:
        """Ask the workers to end; `join` waits for them."""
        self._shutting_down = True
        for process in self.processes:
            with contextlib.suppress(OSError, EOFError, KeyError):
                process.set_state(ProcessState.TERMINATED, force=True)
            with contextlib.suppress(ProcessLookupError):
                if process.is_alive():
                    os.kill(process.pid, signal.SIGTERM)

    def join(self) -> None:
        """Wait for all children, whatever Sanic's books say of them, at most `stop_seconds`."""
        end_children(lambda: self.stop_seconds)

    def servers(self) -> list[WorkerProcess]:
        """The workers' entries that have been started."""
        return [process for process in self.transient_processes if process.pid]

    def _all_started(self) -> bool:
        return bool(self._all_workers_ack())  # type: ignore[no-untyped-call]  # Sanic's

    def _any_killed(self) -> bool:
        """Whether the arbiter has work; a worker that ended by itself will not do better next time."""
        codes = [process.exitcode for process in self.servers()]
        if any(code is not None and code >= 0 for code in codes):
            self._give_up()
        return any(code is not None for code in codes)

    def _give_up(self) -> NoReturn:
        log.critical("a worker failed at start, stopping: see its error above")
        self.kill()

    def _poll_monitor(self) -> MonitorCycle | None:
        cycle = super()._poll_monitor()
        if self._stop_wanted:
            log.info("stopping")
            notify("STOPPING=1")
            self.shutdown()
            return MonitorCycle.BREAK
        return cycle

    # The rolling restart, one slot at a time

    def old_process(self, name: str) -> BaseProcess | None:
        """The worker that a newcomer is about to replace."""
        return self._old.get(name, (None, {}))[0]

    def forget_old(self, name: str) -> None:
        """It has ended."""
        self._old.pop(name, None)

    def _roll(self, name: str) -> None:
        """Start a newcomer beside a slot's worker, which goes on serving."""
        process = self._named(name)
        state = dict(self.worker_state[name])
        self._old[name] = (process._current_process, state)
        process.set_state(ProcessState.RESTARTING, force=True)
        process.spawn()  # type: ignore[no-untyped-call]  # Sanic's
        process.start()  # type: ignore[no-untyped-call]  # Sanic's
        self.worker_state[name] = {
            **self.worker_state[name],
            "pid": process.pid,
            "starts": state.get("starts", 0) + 1,
        }

    def _unroll(self, name: str) -> None:
        """The newcomer is no good: the slot is the old worker's again."""
        process = self._named(name)
        old, state = self._old[name]
        newcomer, process._current_process = process._current_process, old
        newcomer.kill()
        newcomer.join(KILLED_SECONDS)
        process.set_state(ProcessState.ACKED, force=True)
        self.worker_state[name] = state
        del self._old[name]

    def _named(self, name: str) -> WorkerProcess:
        process: WorkerProcess
        process = next(process for process in self.transient_processes if process.name == name)
        return process

    def _handle_message(self, message: str) -> MonitorCycle | None:
        verb, _, name = message.partition(":")
        if verb in (ROLL, UNROLL):
            (self._roll if verb == ROLL else self._unroll)(name)
            return MonitorCycle.CONTINUE
        if message == _NEVER_STARTED:
            log.error("a new worker failed at start: see its error above")
            return MonitorCycle.CONTINUE
        return super()._handle_message(message)
