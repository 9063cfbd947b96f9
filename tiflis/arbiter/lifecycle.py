"""The order of a server's life: what the main process does before, beside and after its workers.

main_process_start   lock the run folder, free port, environment, embedded bus
main_process_ready   steady manager, arbiter thread (control socket)
before_server_start  in each worker: tie it to main, or be main (--single-process)
after_server_start   in each worker: signals that may come twice
main_process_stop    workers gone, control socket closed, and the bus last
"""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import string
import threading
from pathlib import Path
from typing import Any

from sanic import Sanic
from sanic.worker.constants import ProcessState

from tiflis import logs
from tiflis.arbiter import unix_listener, welcome
from tiflis.arbiter.control import ControlServer
from tiflis.arbiter.ground import (
    TAKE_OVER_SECONDS,
    address_mistake,
    bus_mistake,
    folder_mistake,
    metrics_mistakes,
)
from tiflis.arbiter.nats_server import NatsFailed, NatsServer
from tiflis.arbiter.sanic_manager import SteadyManager, end_children
from tiflis.arbiter.signals import end_now, note_hangup, stop_early, take_signals
from tiflis.arbiter.takeover import (
    CannotTakeOver,
    NothingRuns,
    ServerResources,
    Successor,
    Takeover,
    listener_of,
)
from tiflis.arbiter.thread import Alone, ArbiterThread, control_server, refuse, refuse_settings
from tiflis.arbiter.worker_state import keep_in_main
from tiflis.config import Settings
from tiflis.descriptors import raise_limit
from tiflis.ipc.control_client import Message
from tiflis.ipc.processes import end_with_parent, network_namespace
from tiflis.ipc.run_folder import PLACE_NAME, LockHeld, Place, RunFolder, described
from tiflis.ipc.safe_place import Unsafe
from tiflis.values import path

log = logging.getLogger(__name__)

# Beyond the workers' own time to shut down, before main kills them. Sum and the bus's end stay below the
# 10 s after which docker stop sends SIGKILL.
STOP_MARGIN_SECONDS = 1.0
FIRST = 1000  # listener priority: first at start, and thereby last at the end
INSTANCE_LENGTH = 6
# Messages of 128 KiB to 8 MiB are otherwise mapped and unmapped each time: a voice message of 5 MB costs
# twice as much, one of 1 MiB many times. Larger ones, which are rare, go back to the system at once: with
# 16 MiB here, a message of 50 MiB that grew in the heap left 24 MiB there. Either variable alone switches the
# adaptive behaviour off.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(8 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20)}


class Arbiter:
    """Our part of the main process. `attach` it to the app before anything else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop_seconds = settings.shutdown_timeout + STOP_MARGIN_SECONDS
        self._place: Place = settings.port
        self._host = settings.host
        self._folder: RunFolder | None = None
        self._nats: NatsServer | None = None
        self._thread: ArbiterThread | None = None
        self._control: ControlServer | None = None
        self._successor: Successor | None = None
        self._inheritance: Takeover | None = None

    def attach(self, app: Sanic[Any, Any]) -> None:
        """Register the listeners."""
        keep_in_main()
        app.main_process_start(self._main_start)
        app.main_process_ready(self._main_ready)
        app.main_process_stop(self._main_stop)
        app.reload_process_start(self._reloader_start)
        app.before_server_start(self._worker_start, priority=FIRST)
        app.after_server_start(self._worker_started, priority=FIRST)
        app.after_server_stop(self._worker_stopped, priority=FIRST)

    # --- main process ---

    def _main_start(self, app: Sanic[Any, Any]) -> None:
        signal.signal(signal.SIGHUP, note_hangup)
        stop_early(self.kill_bus)
        self._take_folder()
        if self._inheritance is None:
            self._listen(app)
        os.environ["TIFLIS_WORKERS"] = str(app.state.workers)
        for name, value in ALLOCATOR.items():
            os.environ.setdefault(name, value)

    def _listen(self, app: Sanic[Any, Any]) -> None:
        """Make sure that Sanic can listen; a Unix socket is opened here, for each of its workers would."""
        self._look_at_addresses(app.state.host or self._settings.host)
        if isinstance(self._place, int):
            return
        server = app.state.server_info[0].settings
        mode, backlog = self._settings.unix_mode, server["backlog"]
        try:
            server["sock"] = unix_listener.listen(self._place, int(mode, 8), backlog, TAKE_OVER_SECONDS)
        except unix_listener.CannotListen as problem:
            refuse_settings(f"--unix {problem}")

    def _main_ready(self, app: Sanic[Any, Any]) -> None:
        logs.take_streams()  # not before: errors in the settings are printed as plain lines
        if app.manager._shutting_down:  # its own handler took a signal
            end_now(0)
        stop_early(self.kill_bus)  # as long as nothing serves: a bus may take long, and longer
        self._start_bus()
        manager = SteadyManager.take_over(app.manager, self._stop_seconds)
        assert self._folder is not None
        resources = ServerResources(self._folder, self._nats, lambda: listener_of(app))
        self._thread = ArbiterThread(
            self._settings, resources, manager, self._describe, self._successor, self._welcome
        )
        manager.on_end = self._end_beside_another
        try:
            self._thread.start()
        except SystemExit:
            if self._inheritance is not None:
                end_now(1)  # not by way of Sanic: see `_end_beside_another`
            raise
        signal.signal(signal.SIGHUP, self._thread.hangup)

    def _end_beside_another(self, code: int) -> None:
        """End this process at once if another server has its listening socket too: Sanic would shut it down
        for both."""
        if self._thread is not None and self._thread.shares_listener:
            self._thread.stop()
            self._stop_bus(keep_files=True)
            log.info("ended beside the server that has the listening socket too")
            logs.flush()
            os._exit(code)

    def _main_stop(self, app: Sanic[Any, Any]) -> None:
        end_children(lambda: self._stop_seconds)  # none is left unless main failed
        if self._thread is not None:
            self._thread.stop()
        if isinstance(self._place, Path):
            unix_listener.remove(self._place)
        self._stop_bus()
        if self._thread is not None:  # there were workers
            _settle_states(app.manager)

    def _reloader_start(self, app: Sanic[Any, Any]) -> None:
        end_with_parent(0)

    # --- workers ---

    async def _worker_start(self, app: Sanic[Any, Any]) -> None:
        logs.take_streams()
        if _is_worker():
            # A terminal's hangup reaches the whole group, and main takes it for the wish to reload.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            end_with_parent()
        else:
            await self._single_start(app)

    async def _worker_started(self, app: Sanic[Any, Any]) -> None:
        take_signals(app)

    async def _worker_stopped(self, app: Sanic[Any, Any]) -> None:
        if not _is_worker():
            if self._control is not None:
                await self._control.close()
            await asyncio.to_thread(self._stop_bus)

    async def _single_start(self, app: Sanic[Any, Any]) -> None:
        """Run the main process's listeners in the worker: --single-process has no main process."""
        signal.signal(signal.SIGHUP, note_hangup)
        os.environ["TIFLIS_WORKERS"] = "1"
        self._take_folder()
        await asyncio.to_thread(self._start_bus)
        assert self._folder is not None
        self._control = control_server(self._folder, Alone(), self._describe)
        await self._control.start()

    # --- both ---

    def prepare(self, host: str, port: int, options: dict[str, Any]) -> None:
        """Refuse what cannot work before anything is opened, or take over from the server that runs.

        ``options``: Sanic's, which are changed.
        """
        os.environ["SANIC_IGNORE_PRODUCTION_WARNING"] = "1"  # on a terminal Sanic advises --dev
        single = options.get("single_process")
        self._place = path(str(options["unix"])).absolute() if options.get("unix") else port
        self._host = host
        if not single:
            options["unix"] = None  # opened here, see `_listen`
        if _is_worker():
            return
        raise_limit()
        if wrong := bus_mistake(self._settings) or folder_mistake(self._settings.data_dir, self._place):
            refuse_settings(wrong)
        if single:
            self._look_at_addresses(host)
        if not self._settings.takeover:
            return
        network = network_namespace() if isinstance(self._place, int) else None
        successor = Successor(RunFolder(self._settings.data_dir, self._place), network)
        try:
            self._inheritance = successor.inherit()
        except CannotTakeOver as problem:
            if self._settings.takeover == "auto" and isinstance(problem, NothingRuns):
                return
            refuse(f"cannot take over: {problem}")
        self._successor, options["sock"] = successor, self._inheritance.listener

    def _look_at_addresses(self, host: str) -> None:
        """Refuse a start on addresses that cannot be bound."""
        port = self._place if isinstance(self._place, int) else 0
        if wrong := isinstance(self._place, int) and address_mistake(host, port):
            refuse_settings(wrong)
        for wrong in metrics_mistakes(self._settings, host, port):
            refuse_settings(wrong)

    def _take_folder(self) -> None:
        self._folder = RunFolder(self._settings.data_dir, self._place)
        if self._inheritance is not None:
            self._folder.lock.adopt(self._inheritance.lock)
            self._folder.lock.say(main=os.getpid())
            self._name_instance()
            return
        try:
            self._folder.take(TAKE_OVER_SECONDS)
        except Unsafe as problem:
            refuse_settings(f"DATA_DIR {self._settings.data_dir} cannot be used: {problem}")
        except LockHeld as held:
            which, place = "PORT" if isinstance(self._place, int) else "--unix", described(self._place)
            refuse_settings(
                f"{which}: process {held.holder.get('main')} already serves {place} from this DATA_DIR"
            )
        except OSError as problem:
            refuse_settings(f"DATA_DIR {self._settings.data_dir} is not writable: {problem.strerror}")
        self._name_instance()

    def _name_instance(self) -> None:
        assert self._folder is not None
        self._folder.write(PLACE_NAME, described(self._place))
        os.environ["TIFLIS_RUN_DIR"] = str(self._folder.path)
        os.environ["TIFLIS_INSTANCE"] = _new_instance()

    def _start_bus(self) -> None:
        if self._inheritance is not None:
            if self._inheritance.bus is not None and self._folder is not None:
                self._nats = NatsServer(
                    self._folder, self._settings.bus_store_limit, *self._inheritance.bus
                )  # started when the old one lets go
            return
        if self._settings.nats_url is None and self._folder is not None:
            self._nats = NatsServer(self._folder, self._settings.bus_store_limit)
            try:
                self._nats.start()
            except NatsFailed as problem:
                refuse(str(problem))

    def kill_bus(self) -> None:
        """End the start and the bus because of a signal."""
        if self._nats is not None:
            self._nats.kill()

    def _stop_bus(self, keep_files: bool = False) -> None:
        if self._nats is not None:
            self._nats.stop(keep_files)
        if self._folder is not None:
            self._folder.lock.release()

    def _welcome(self) -> None:
        """Write the welcome in a thread: a terminal may be stopped (Ctrl-S)."""
        about = (self._settings, self._place, self._host)
        with contextlib.suppress(RuntimeError):  # no thread to be had
            threading.Thread(target=welcome.say, args=about, name="welcome", daemon=True).start()

    def _describe(self) -> Message:
        bus = {"pid": self._nats.pid, "restarts": self._nats.restarts} if self._nats is not None else None
        return {"pid": os.getpid(), "instance": os.environ.get("TIFLIS_INSTANCE"), "bus": bus}


def _is_worker() -> bool:
    """Return whether Sanic's manager has started this process."""
    return bool(os.environ.get("SANIC_WORKER_NAME"))


def _settle_states(manager: Any) -> None:
    """Record in Sanic's table that all workers have ended; else Sanic waits 10 s for one that was
    starting."""
    with contextlib.suppress(OSError, EOFError, KeyError, AttributeError):
        for name, state in list(manager.worker_state.items()):
            manager.worker_state[name] = {**state, "state": ProcessState.TERMINATED.name}


def _new_instance() -> str:
    """Return a new instance id: part of every subject, so letters and digits only."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(INSTANCE_LENGTH))
