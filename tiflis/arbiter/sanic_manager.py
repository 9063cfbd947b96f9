"""Sanic's worker manager with the traps taken out: how the main process starts, waits and stops.

What is wrong with the stock one (Sanic 25.12.1), and why each method below is here:

- `wait_for_ack`: SIGTERM while workers start ends them, and then main waits for ever: its own wake-up
  message is read, put back and read again, without counting as a miss. If a worker is killed at that
  time, the manager waits 30 s for it and then kills all processes.
- `kill`: sends SIGKILL to the *process group*, which is main's own and the shell's or test's above it.
- `shutdown_signal`: stops the workers inside the signal handler, which may have interrupted a restart
  between the making of a process and its start; that worker is then missed and joined for ever.
- `terminate`: sends SIGINT, which in a worker that is still importing prints a traceback.
- `join`, `cleanup`: after a signal the workers are not joined at all but polled for 10 s each, and
  main's stop listeners then run under workers that still drain. An old worker whose successor is
  starting is in no list.
- `start`, `monitor`: any exception, such as a process that cannot be started for lack of memory, ends all
  workers and main. Here it costs that one step, which is tried again.

The manager's class is replaced by this subclass in `main_process_ready`: Sanic has no way to pass one in.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.process import ORIGINAL_DIR, BaseProcess  # type: ignore[attr-defined]  # not in its stubs
from types import FrameType
from typing import Any, NoReturn

from sanic.exceptions import ServerKilled
from sanic.worker.constants import ProcessState
from sanic.worker.manager import MonitorCycle, WorkerManager
from sanic.worker.process import WorkerProcess

from tiflis.arbiter.signals import STOPS, notify
from tiflis.ipc.patience import pause_after, reason_of

log = logging.getLogger(__name__)

POLL_SECONDS = 0.02
# A signal that arrives while Sanic swaps a worker's handlers is lost: it is sent again.
REPEAT_SECONDS = 1.0
KILLED_SECONDS = 2.0
KILL_SECONDS = 1.0  # between SIGTERM and SIGKILL when nothing is worth a drain
# Messages of ours to the monitor, with a name: start a worker in an empty slot, beside the present one; undo.
FILL, ROLL, UNROLL = "__TIFLIS_FILL__", "__TIFLIS_ROLL__", "__TIFLIS_UNROLL__"
_NEVER_STARTED = "__TERMINATE_EARLY__"


def sanic_children() -> list[BaseProcess]:
    """Return living processes that Sanic started for us (workers, reloader), also those it has forgotten.

    Reaps the dead on the way.
    """
    return [child for child in multiprocessing.active_children() if child.name.startswith("Sanic-")]


def end_children(patience: Callable[[], float]) -> None:
    """Send all of them SIGTERM, and SIGKILL those that remain; `patience`: seconds, may change meanwhile."""
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


def _return_to_sanic(code: int) -> None:
    """Do nothing: Sanic shuts the listening socket down, and has the stop listeners called."""


def _leave_deleted_folder() -> None:
    """Change to another folder if the working directory was deleted: no process could begin in it."""
    try:
        os.getcwd()
    except FileNotFoundError:
        log.warning("working directory deleted")
        try:
            os.chdir(ORIGINAL_DIR)  # it is there again
        except OSError:
            os.chdir("/")


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
    _begun: bool
    _ready: set[int]  # process ids of the workers that serve
    _failures: dict[str, str]  # why a slot's worker could not be started
    on_end: Callable[[int], None]  # called with the exit code when all children have ended

    @classmethod
    def take_over(cls, manager: WorkerManager, stop_seconds: float) -> "SteadyManager":
        """Replace this manager's methods. `stop_seconds`: how long workers may drain."""
        manager.__class__ = cls
        assert isinstance(manager, cls)
        manager.stop_seconds = stop_seconds
        manager._stop_wanted = False
        manager._old = {}
        manager._begun = False
        manager._ready = set()
        manager._failures = {}
        manager.on_end = _return_to_sanic
        # The stock methods were registered when it was made.
        for number in STOPS:
            signal.signal(number, manager.shutdown_signal)
        return manager

    @property
    def stopping(self) -> bool:
        return self._stop_wanted or self._shutting_down

    def shutdown_signal(self, signal: int, frame: FrameType | None) -> None:
        """Note the request to stop and wake the monitor, which acts between two steps. The second time, do
        not wait."""
        if self._stop_wanted:
            self.stop_seconds = 0.0
        self._stop_wanted = True
        with contextlib.suppress(OSError):
            self.monitor_publisher.send(None)

    def start(self) -> None:
        """Start the workers; the arbiter tries again to start those that cannot be."""
        for worker in self.workers:
            for process in worker.processes:
                if not worker.auto_start:
                    process.set_state(ProcessState.NONE, True)
                    continue
                try:
                    self._launch(process)
                except Exception as problem:  # noqa: BLE001 - the other workers can serve
                    self._failures[process.name] = reason_of(problem)
                    process.set_state(ProcessState.NONE, force=True)
        self._begun = True

    def monitor(self) -> None:
        """Act on messages until the stop; a step that fails is logged and affects no other."""
        self.wait_for_ack()
        failures = 0
        while True:
            try:
                if self._poll_monitor() is MonitorCycle.BREAK:
                    return
                self._note_ready()
                self._sync_states()  # type: ignore[no-untyped-call]  # Sanic's
                self._cleanup_non_tracked_workers()
                failures = 0
            except ServerKilled:
                raise
            except Exception as problem:
                failures += 1
                log.error(
                    "step of the main process failed",
                    exc_info=failures == 1,
                    extra={"reason": reason_of(problem)},
                )
                time.sleep(pause_after(failures))

    def wait_for_ack(self) -> None:
        """Wait until all workers have started, until the stop, or until one has to be replaced."""
        postponed = []
        while not (self.stopping or self._all_started() or self._any_missing()):
            if self.monitor_subscriber.poll(0.1):
                message = self.monitor_subscriber.recv()
                if message == _NEVER_STARTED and not self._ready:
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
        self.on_end(1)
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
        """Wait for all children, also those that Sanic has no entry for, at most `stop_seconds`."""
        end_children(lambda: self.stop_seconds)
        self.on_end(0)

    def servers(self) -> list[WorkerProcess]:
        """Return the workers' entries once all should have been started; one that could not be has no pid."""
        return [process for process in self.transient_processes if process.pid or self._begun]

    def worker_ready(self, pid: int) -> None:
        """Record that this worker serves. From any thread."""
        self._ready.add(pid)

    def start_failure(self, name: str) -> str | None:
        """Return why the last try to start this slot's worker failed, once; None when it did not."""
        return self._failures.pop(name, None)

    def _all_started(self) -> bool:
        return all(process.pid in self._ready for process in self.servers())

    def _any_missing(self) -> bool:
        """Return whether a worker has to be replaced. Until one serves, the end of any ends the whole
        start."""
        codes = [process.exitcode for process in self.servers()]
        if any(code is not None and code >= 0 for code in codes) and not self._ready:
            self._give_up()
        return any(code is not None for code in codes) or not all(process.pid for process in self.servers())

    def _note_ready(self) -> None:
        """Write into Sanic's table the states that workers have sent to the arbiter."""
        for process in self.servers():
            if process.state is ProcessState.STARTED and process.pid in self._ready:
                process.set_state(ProcessState.ACKED)

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
        """Return the worker that a successor is about to replace."""
        return self._old.get(name, (None, {}))[0]

    def forget_old(self, name: str) -> None:
        """Note that it has ended."""
        self._old.pop(name, None)

    def _launch(self, process: WorkerProcess) -> None:
        """Start its process. Sanic hands the name on in the environment, and leaves it there on a failure."""
        resource_tracker.ensure_running()  # before: else it is started on the way, under the worker's name
        _leave_deleted_folder()
        try:
            process.start()  # type: ignore[no-untyped-call]  # Sanic's
        finally:
            for variable in ("SANIC_WORKER_NAME", "SANIC_WORKER_IDENTIFIER"):
                os.environ.pop(variable, None)

    def _fill(self, name: str) -> None:
        """Start a worker in a slot whose worker has ended, or was never started."""
        if not self._named(name)._current_process.is_alive():  # the arbiter may have asked twice
            self._renew(name)

    def _roll(self, name: str) -> None:
        """Start a successor beside a slot's worker, which goes on serving."""
        old = (self._named(name)._current_process, dict(self.worker_state[name]))
        if self._renew(name):
            self._old[name] = old

    def _renew(self, name: str) -> bool:
        """Return whether the slot has a new process; if not, `start_failure` has the reason."""
        process = self._named(name)
        before, book, state = process._current_process, process.state, dict(self.worker_state[name])
        try:
            process.set_state(ProcessState.RESTARTING, force=True)
            process.spawn()  # type: ignore[no-untyped-call]  # Sanic's
            self._launch(process)
        except Exception as problem:  # noqa: BLE001 - no process, no descriptor, no memory
            process._current_process = before
            process.state, self.worker_state[name] = book, state
            self._failures[name] = reason_of(problem)
            return False
        starts = state.get("starts", 0) + 1
        self.worker_state[name] = {**self.worker_state[name], "pid": process.pid, "starts": starts}
        return True

    def _unroll(self, name: str) -> None:
        """Give the slot back to the old worker: its successor did not become ready."""
        process = self._named(name)
        old, state = self._old[name]
        successor, process._current_process = process._current_process, old
        if successor.pid is not None:
            successor.kill()
            successor.join(KILLED_SECONDS)
        process.set_state(ProcessState.ACKED, force=True)
        self.worker_state[name] = state
        del self._old[name]

    def _named(self, name: str) -> WorkerProcess:
        process: WorkerProcess
        process = next(process for process in self.transient_processes if process.name == name)
        return process

    def _handle_message(self, message: str) -> MonitorCycle | None:
        verb, _, name = message.partition(":")
        act = {FILL: self._fill, ROLL: self._roll, UNROLL: self._unroll}.get(verb)
        if act is not None:
            act(name)
            return MonitorCycle.CONTINUE
        if message == _NEVER_STARTED:
            log.error("a new worker failed at start: see its error above")
            return MonitorCycle.CONTINUE
        return super()._handle_message(message)
