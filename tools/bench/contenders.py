"""The servers that are measured side by side: ours in several shapes, and simple relays."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness import REGISTRATION_KEY, Server, free_port
from tools.bench.accounting import descendants
from tools.bench.targets import BUN, FLOOR, GO

HERE = Path(__file__).parent / "relays"
CACHE = HERE / "node_modules"
GOPATH = Path("/usr/share/gocode")  # of Debian's golang-github-gorilla-websocket-dev
START_SECONDS = 20.0
BUILD_SECONDS = 120.0


@dataclass(frozen=True)
class Contender:
    """A running server: where it listens and which processes count as it."""

    name: str
    port: int
    pids: list[int]
    host: str = "127.0.0.1"
    path: str = "/ws"
    key: str = REGISTRATION_KEY
    apart: list[int] = field(default_factory=list)  # two workers: workstations on one, clients on the other
    watches: bool = False


Start = Callable[[], contextlib.AbstractContextManager[Contender | None]]


@contextlib.contextmanager
def ours(workers: int, steering: bool = True) -> Iterator[Contender]:
    """Our server as it comes; without steering the two ends of each pair are put on two workers."""
    environment = {"LOG_LEVEL": "error"} | ({} if steering else {"STEERING": "off"})
    with Server(workers=workers, env=environment) as server:
        apart = [] if steering else list(server.worker_pids().values())[:2]
        where = "" if workers == 1 else (" steered" if steering else " over the bus")
        name = f"tiflis, {workers} worker{'s' if workers > 1 else ''}{where}"
        yield Contender(name, server.port, server.processes(), apart=apart, watches=True)


@contextlib.contextmanager
def native() -> Iterator[Contender]:
    sanic = str(Path(sys.executable).with_name("sanic"))
    port = free_port()
    command = [sanic, "tools.bench.relays.native:app", "--host", "127.0.0.1", "--port", str(port)]
    with _process([*command, "--workers", "1", "--no-access-logs"], port) as pids:
        yield Contender("Sanic's native WebSocket", port, pids)


@contextlib.contextmanager
def plain() -> Iterator[Contender]:
    port = free_port()
    with _process([sys.executable, str(HERE / "plain.py"), str(port)], port) as pids:
        yield Contender("websockets", port, pids)


@contextlib.contextmanager
def node() -> Iterator[Contender | None]:
    """None when there is no Node or `ws` cannot be installed."""
    if not _node_is_ready():
        yield None
        return
    port = free_port()
    with _process(["node", str(HERE / "relay.mjs"), str(port)], port) as pids:
        yield Contender("Node ws", port, pids)


@contextlib.contextmanager
def bun() -> Iterator[Contender | None]:
    """None when Bun cannot be installed for this platform."""
    program = shutil.which("bun") or _packaged("@oven/bun-linux-x64/bin/bun")
    if program is None:
        yield None
        return
    port = free_port()
    with _process([program, str(HERE / "bun.ts"), str(port)], port) as pids:
        yield Contender(BUN, port, pids)


@contextlib.contextmanager
def go() -> Iterator[Contender | None]:
    """None without Go and gorilla's sources, as Debian's packages bring them."""
    compiler = shutil.which("go")
    if compiler is None or not (GOPATH / "src/github.com/gorilla/websocket").exists():
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "gorilla")
        plain = {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOCACHE": f"{folder}/cache", "GOFLAGS": ""}
        command = [compiler, "build", "-o", program, str(HERE / "gorilla.go")]
        subprocess.run(command, env=os.environ | plain, check=True, timeout=BUILD_SECONDS)
        with _process([program, str(port)], port) as pids:
            yield Contender(GO, port, pids)


@contextlib.contextmanager
def floor() -> Iterator[Contender | None]:
    """Return the least that a relay of the load's frames costs: C on epoll. None without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "floor")
        subprocess.run([compiler, "-O2", "-o", program, str(HERE / "floor.c")], check=True, timeout=60)
        with _process([program, str(port)], port) as pids:
            yield Contender(FLOOR, port, pids)


def peer(url: str, pid: int, key: str) -> Start:
    """Return a server of the same protocol that runs already."""
    rest = url.partition("://")[2]
    address, _, path = rest.partition("/")
    host, _, port = address.partition(":")

    @contextlib.contextmanager
    def given() -> Iterator[Contender]:
        yield Contender("peer", int(port), descendants(pid), host, f"/{path or 'ws'}", key, watches=True)

    return given


def _node_is_ready() -> bool:
    return bool(shutil.which("node") and _packaged("ws"))


def _packaged(path: str) -> str | None:
    """Return the path of a package's file or folder, installed first where it is missing."""
    found = CACHE / path
    if not found.exists() and shutil.which("npm"):
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
        subprocess.run(command, cwd=HERE, check=False, timeout=120)
    return str(found) if found.exists() else None


@contextlib.contextmanager
def _process(command: list[str], port: int) -> Iterator[list[int]]:
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "WS_FOLDER": str(HERE), "NODE_ENV": "production"}
    process = subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port, process)
        yield descendants(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(12)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            time.sleep(0.3)  # Sanic's main process still starts what else it has
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")
