"""The main process's event loop, in a thread of its own: control socket, slots, rollouts and takeovers."""

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tiflis import environment, logs
from tiflis.arbiter.control import ControlServer, WorkerSession
from tiflis.arbiter.pulse import watch_pulse
from tiflis.arbiter.rollout import Rollout
from tiflis.arbiter.sanic_manager import SteadyManager
from tiflis.arbiter.signals import end_now, notify
from tiflis.arbiter.slots import WorkerSlots
from tiflis.arbiter.takeover import OutgoingServer, ServerResources, Successor
from tiflis.config import Settings
from tiflis.ipc.control_client import Message
from tiflis.ipc.patience import keep_trying, pause_after, reason_of
from tiflis.ipc.run_folder import RunFolder
from tiflis.metrics_store import MetricsStore

log = logging.getLogger(__name__)

THREAD_SECONDS = 10.0
LOG_SECONDS = 1.0
FOLDER_SECONDS = 1.0
EXTEND_SECONDS = 30.0  # by which a start may still take longer


class ArbiterThread:
    """The main process's only event loop, in a thread: main itself is busy in Sanic's manager."""

    def __init__(
        self,
        settings: Settings,
        resources: ServerResources,
        manager: SteadyManager,
        describe: Callable[[], Message],
        successor: Successor | None,
        on_ready: Callable[[], None],
    ) -> None:
        """``on_ready``: called once all workers of a first start serve."""
        self._settings, self._resources, self._successor = settings, resources, successor
        self._rollout: Rollout | None = None
        self._outgoing: OutgoingServer | None = None
        self._folder = resources.folder
        self._manager = manager
        self._describe = describe
        self._on_ready = on_ready
        self._listening = threading.Event()
        self._stopping = False
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="arbiter", daemon=True)

    def start(self) -> None:
        """Start, and wait until workers can connect."""
        self._thread.start()
        if not self._listening.wait(THREAD_SECONDS):
            refuse("the control socket cannot be opened: see the log")

    def stop(self) -> None:
        self._stopping = True
        with contextlib.suppress(RuntimeError):  # its loop has just ended
            if self._loop is not None and self._stop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(THREAD_SECONDS)

    @property
    def _gave(self) -> bool:
        return self._outgoing is not None and self._outgoing.gave

    @property
    def shares_listener(self) -> bool:
        """Return whether another server may have the listening socket too."""
        follows = self._successor is not None and not self._successor.succeeded.is_set()
        return follows or self._gave

    def hangup(self, number: int, frame: FrameType | None) -> None:
        """Replace the workers, because of SIGHUP."""
        if self._loop is not None and self._rollout is not None:
            asked = self._rollout.asked()
            try:
                asyncio.run_coroutine_threadsafe(asked, self._loop)
            except RuntimeError:  # the loop has failed and is about to be made again
                asked.close()
                log.error("reload not begun", extra={"reason": "the main process is about to recover"})

    def _run(self) -> None:
        """Run the event loop, and a new one if it fails: without it no dead worker is replaced."""
        failures = 0
        while not self._stopping:
            try:
                # Not uvloop, which Sanic has made the default: it needs the main thread's signals.
                with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                    runner.run(self._live())
                return
            except Exception as problem:  # the outermost frame of the thread
                failures += 1
                about = {"reason": reason_of(problem), "wait": pause_after(failures)}
                log.error("arbiter failed, beginning anew", exc_info=failures == 1, extra=about)
                time.sleep(pause_after(failures))

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        slots = WorkerSlots(self._manager)
        control = control_server(
            self._folder,
            slots,
            lambda: {
                **self._describe(),
                "workers": slots.describe(),
                "last_reload": self._rollout.last if self._rollout else None,
            },
        )
        self._rollout = rollout = Rollout(slots, self._manager, self._settings)
        control.commands["reload"] = rollout.command
        gave = self._gave
        self._outgoing = outgoing = OutgoingServer(self._resources, slots, rollout, control)
        outgoing.gave = gave
        control.commands["takeover"] = outgoing.command
        await control.start()
        self._listening.set()
        if self._successor is not None:
            await self._successor.follow(slots.all_ready, self._resources.start_bus)
        work = {
            "replace workers": slots.keep,
            "feel pulses": lambda: watch_pulse(slots),
            "tend the log": lambda: tend_log(self._folder.path),
            "keep the run folder": lambda: self._keep_folder(control, rollout),
        }
        if self._successor is None:  # a successor notifies by itself once the old server has gone
            work["announce"] = lambda: _announce(slots, self._on_ready)
        tasks = [asyncio.create_task(keep_trying(step, name)) for name, step in work.items()]
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        if self._successor is not None:
            await self._successor.close()
        await control.close()

    async def _keep_folder(self, control: ControlServer, rollout: Rollout) -> None:
        """Make the run folder and its files again when they were deleted, as cleaners of old files do."""
        missed = 0
        while True:
            await asyncio.sleep(FOLDER_SECONDS)
            missed = 0 if control.in_place() or rollout.running else missed + 1
            if missed > 1:  # a successor takes the name away for a moment
                log.error("run folder deleted, made again", extra={"path": str(self._folder.path)})
                self._resources.restore()
                await control.listen_again()


async def tend_log(run_dir: Path) -> None:
    """Write the main process's own summaries and count its lost lines, for ever."""
    store, counted = MetricsStore(run_dir, f"main-{os.getpid()}"), 0
    while True:
        await asyncio.sleep(LOG_SECONDS)
        logs.sum_up()
        if (lost := logs.lost()) != counted:
            counted = lost
            store.write({"log_lines_dropped_total": {"": [float(lost)]}})


async def _announce(slots: WorkerSlots, on_ready: Callable[[], None]) -> None:
    """Notify the service manager once the first start is complete; ask for more time until then, for the
    server waits for its bus without a limit."""
    ready = asyncio.ensure_future(slots.all_ready())
    while not ready.done():
        notify(f"EXTEND_TIMEOUT_USEC={int(EXTEND_SECONDS * 1e6)}")
        await asyncio.wait({ready}, timeout=EXTEND_SECONDS / 3)
    workers = ready.result()
    notify("READY=1", f"STATUS={len(workers)} workers serve")
    on_ready()


class Alone:
    """Ignores the comings and goings of workers: a server without a manager has one worker only."""

    def joined(self, session: WorkerSession) -> None: ...

    def ready(self, session: WorkerSession) -> None: ...

    def left(self, session: WorkerSession) -> None: ...

    def leaving(self, session: WorkerSession) -> None:
        session.send({"do": "successor", "worker_id": None})

    def handed(self, session: WorkerSession, report: Message) -> None: ...


def control_server(folder: RunFolder, observer: Any, describe: Callable[[], Message]) -> ControlServer:
    control = ControlServer(folder, observer)

    async def status(_: Message) -> Message:
        return {"status": await control.worker_status(), "arbiter": describe()}

    control.commands["status"] = status
    control.commands["end"] = control.end
    control.commands["devices"] = control.devices
    return control


def refuse(reason: str) -> NoReturn:
    """End the start with one clear line."""
    log.critical("cannot start", extra={"reason": reason})
    sys.exit(1)


def refuse_settings(line: str) -> NoReturn:
    """End the start because of a setting: one line on stderr, code 2, and no process left behind.

    Not by an exception: Sanic would add lines of its own, and wait for the process of its shared state.
    """
    with contextlib.suppress(SystemExit):
        environment.refuse([line])
    end_now(environment.EXIT_MISCONFIGURED)
