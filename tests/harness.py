"""A real server in processes of its own, for tests; the other end is in `tests.peers`."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from tests.patience import PATIENCE, eventually, now, wait_until
from tests.peers import AUTH_KEY, REGISTRATION_KEY, Crowd, Peer, connect, crowd, register
from tiflis.ipc.control_client import NoServer, request
from tiflis.ipc.run_folder import RunFolder

__all__ = [
    "AUTH_KEY",
    "REGISTRATION_KEY",
    "Crowd",
    "Peer",
    "Server",
    "connect",
    "crowd",
    "eventually",
    "free_port",
    "register",
    "wait_until",
]


ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 15.0
# The second is coverage's: with it the processes of a server are measured too (`make coverage`).
INHERITED = ("PATH", "COVERAGE_PROCESS_CONFIG", "HOME", "LANG", "TMPDIR")
# Every process a server starts inherits this variable, so that orphans are found by it.
MARK = "TIFLIS_TEST_MARK"


def free_port() -> int:
    """Return a TCP port on loopback on which nothing listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_of(pid: int, name: str) -> bytes:
    """Return a process's file in /proc; empty when it is gone (a zombie counts as gone)."""
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            return file.readall()
    except OSError:
        return b""


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment a process was started with."""
    pairs = (item.partition(b"=") for item in read_of(pid, "environ").split(b"\0") if item)
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, _, value in pairs}


def command_of(pid: int) -> str:
    return read_of(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")


class Server:
    """One running server: main process, bus and workers, on a port and in folders of its own.

    `output` is a descriptor that it writes to in the log file's place.
    `target` and `arguments` are what the `sanic` command gets; `env` is added to a minimal environment.
    The working directory is a temporary folder, so that no developer's `.env` is read.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        single: bool = False,
        dev: bool = False,
        env: dict[str, str] | None = None,
        target: str = "tiflis.server:app",
        arguments: tuple[str, ...] = (),
        port: int | None = None,
        folder: Path | None = None,
        unix: Path | None = None,
        output: int | None = None,
    ) -> None:
        self.workers = 1 if single else workers
        self.single = single
        self.dev = dev
        self.target = target
        self.unix = unix
        self.arguments = (*arguments, "--unix", str(unix)) if unix else arguments
        self.port = port or free_port()
        self._own_folder = None if folder else tempfile.TemporaryDirectory(prefix="tiflis-test-")
        self.folder = folder or Path(self._own_folder.name)  # type: ignore[union-attr]  # one of both is set
        self.data_dir = self.folder / "data"
        self.log_path = self.folder / f"server-{uuid4().hex[:6]}.log"
        self.mark = uuid4().hex
        self.extra_env = env or {}
        self.output = output
        self.process: subprocess.Popen[bytes] | None = None

    # --- life ---

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop()
        if self._own_folder is not None:
            self._own_folder.cleanup()

    def start(self, *, wait: bool = True, deadline: float = START_SECONDS) -> Self:
        """Start and wait until `/readyz` says so; on failure nothing is left running."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                env=self._environment(),
                cwd=self.folder,
                stdout=log if self.output is None else self.output,
                stderr=subprocess.STDOUT,
                # Sanic kills whole process groups when a worker fails at start: not the tests' one.
                start_new_session=True,
            )
        if wait:
            try:
                self.wait_ready(deadline)
            except BaseException:
                self.kill_everything()
                raise
        return self

    def wait_ready(self, deadline: float = START_SECONDS) -> None:
        """Wait until `/readyz` answers 200 and every worker has told main that it serves."""

        def ready() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"exited with {self.process.returncode} at start\n{self.tail()}")
            return self.status("/readyz") == 200 and len(self.ready_workers()) == self.workers

        try:
            wait_until(ready, deadline, "/readyz answers 200 and all workers are ready")
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.tail()}") from None

    def stop(self, deadline: float = STOP_SECONDS, *, expect: int = 0) -> float:
        """SIGTERM, and check that it ends in time, with this code and without a process left behind.

        Returns the seconds it took.
        """
        process = self._running()
        began = now()
        process.terminate()
        try:
            wait_until(lambda: process.poll() is not None, deadline, "ends after SIGTERM")
        except AssertionError as failure:
            tail = self.tail()
            self.kill_everything()
            raise AssertionError(f"{failure}\n{tail}") from None
        took, code = now() - began, process.returncode
        self.process = None
        # Python's own resource tracker ends when it sees the end of main's pipe.
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self.processes(), PATIENCE, "all gone")
        left = {pid: command_of(pid) for pid in self.processes()}
        self._kill_marked()
        assert not left, f"left behind: {left}\n{self.tail()}"
        assert code == expect, f"exit code {code}\n{self.tail()}"
        return took

    def kill_main(self) -> None:
        """SIGKILL for the main process alone; who is left is for the test to look at."""
        process = self._running()
        process.kill()
        process.wait()
        self.process = None

    def kill_everything(self) -> None:
        if self.process is not None:
            self.kill_main()
        self._kill_marked()

    def kill_worker(self, pid: int | None = None) -> int:
        """SIGKILL for one worker (the first unless said), by its process id, which is returned."""
        victim = pid or next(iter(self.worker_pids().values()))
        os.kill(victim, signal.SIGKILL)
        return victim

    # --- addresses ---

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def status(self, path: str, deadline: float = PATIENCE) -> int:
        """Return the HTTP status of a GET; 0 without an answer within `deadline` seconds."""
        try:
            return self.get(path, deadline)[0]
        except (OSError, http.client.HTTPException):
            return 0

    def get(self, path: str, deadline: float = PATIENCE) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=deadline)
        try:
            if self.unix is not None:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(deadline)
                connection.sock.connect(str(self.unix))
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    # --- processes ---

    @property
    def pid(self) -> int:
        return self._running().pid

    def processes(self) -> list[int]:
        """Return every living process of this server, orphans too, and its bus by its configuration."""
        folder = os.fsencode(f"{self.folder}/")
        commands = {
            pid: read_of(pid, "cmdline") for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
        }
        buses = [pid for pid, command in commands.items() if folder in command and b"nats" in command]
        return sorted({*self.own_processes(), *buses})

    def own_processes(self) -> list[int]:
        """Return every living process that this server has started; not the bus of one in the same folder."""
        mark = f"{MARK}={self.mark}\0".encode()
        return [
            pid
            for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
            if mark in read_of(pid, "environ")
        ]

    def worker_pids(self) -> dict[str, int]:
        """Living workers: slot to process id; a slot in replacement shows its newest process."""
        if self.single:
            return {"0": self.pid}
        names = {pid: environment_of(pid).get("SANIC_WORKER_NAME", "") for pid in self.processes()}
        return {
            name.removeprefix("Sanic-Server-").partition("-")[0]: pid
            for pid, name in names.items()
            if name.startswith("Sanic-Server-")
        }

    def control(self, do: str, deadline: float = PATIENCE) -> dict[str, Any]:
        """Return the answer to a command on the control socket; empty when no server takes it."""
        try:
            return request(self.run_dir, do, deadline)
        except NoServer:
            return {}

    def ready_workers(self) -> dict[str, int]:
        """Workers that have told main that they serve: slot to process id."""
        status = self.control("status")
        if self.single:
            return {"0": self.pid} if status.get("status") else {}
        arbiter = status.get("arbiter", {})
        return {worker["slot"]: worker["pid"] for worker in arbiter.get("workers", []) if worker["ready"]}

    @property
    def run_dir(self) -> Path:
        return RunFolder(self.data_dir, self.unix or self.port).path

    def nats_pid(self) -> int | None:
        """Return the embedded bus server's process id, if it runs."""
        return next((pid for pid in self.processes() if "nats-server" in command_of(pid).split(" ")[0]), None)

    def worker_of(self, peer: Peer) -> int | None:
        """Return the process that holds the server's end of this peer's connection."""
        return self.worker_at(peer.local_port)

    def worker_at(self, peer_port: int) -> int | None:
        """Return the process that holds the server's end of the connection from this port."""
        inode = self._inode_for(peer_port)
        for pid in self.worker_pids().values():
            with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
                for descriptor in descriptors:
                    with contextlib.suppress(OSError):
                        if os.readlink(descriptor.path) == f"socket:[{inode}]":
                            return pid
        return None

    @contextlib.contextmanager
    def accepting_only(self, pid: int) -> Iterator[None]:
        """Hold all other workers still (SIGSTOP), so that this one accepts what connects meanwhile."""
        others = [other for other in self.worker_pids().values() if other != pid]
        for other in others:
            os.kill(other, signal.SIGSTOP)
        try:
            yield
        finally:
            for other in others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(other, signal.SIGCONT)

    # --- logs ---

    def logs(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.logs().splitlines()[-lines:])

    # --- inside ---

    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "the server does not run"
        return self.process

    def _command(self) -> list[str]:
        sanic = str(Path(sys.executable).with_name("sanic"))
        mode = ["--single-process"] if self.single else ["--workers", str(self.workers)]
        return [sanic, self.target, *mode, *(["--dev"] if self.dev else []), *self.arguments]

    def _environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in INHERITED if key in os.environ}
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', '')}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "TUNNEL_REGISTRATION_API_KEY": REGISTRATION_KEY,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(self.data_dir),
            "WEB_CLIENT_PATH": "off",
            "NEW_TUNNELS": "100000",  # all come from one address with one key
            "LIVE_TUNNELS": "1000000",
            "LIVENESS_TIMEOUT": "120",  # the peers of most tests send no pings
            MARK: self.mark,
            **self.extra_env,
        }

    def _kill_marked(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.processes(), PATIENCE, "killed processes are gone")

    def _inode_for(self, remote_port: int) -> str:
        here, there = f":{self.port:04X}", f":{remote_port:04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(here) and fields[2].endswith(there):
                return fields[9]
        return ""
