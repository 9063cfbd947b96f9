"""What the server sends to a service manager (sd_notify)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Server
from tiflis.arbiter.signals import notify


class Manager:
    """The service manager's end."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)

    def receive(self, deadline: float) -> list[str]:
        """Return the lines of the next message, but for requests of more time to start."""
        self._socket.settimeout(deadline)
        while (lines := self._socket.recv(4096).decode().splitlines())[0].startswith("EXTEND_TIMEOUT_USEC="):
            pass
        return lines

    def fill(self) -> None:
        """Send itself messages until no more fit into its queue."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    sender.sendto(b"READY=1", self.address)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.close()


def test_ready_once_all_workers_serve_then_reloading_then_stopping(manager: Manager) -> None:
    with Server(workers=2, env={"NOTIFY_SOCKET": manager.address}) as server:
        assert manager.receive(5) == ["READY=1", "STATUS=2 workers serve"]
        os.kill(server.pid, signal.SIGHUP)
        reloading, since = manager.receive(10)
        assert (reloading, since.partition("=")[0]) == ("RELOADING=1", "MONOTONIC_USEC")
        assert manager.receive(60) == ["READY=1"]
        server.stop()
        assert manager.receive(1) == ["STOPPING=1"]


def test_a_service_manager_that_does_not_read_holds_nothing_up(manager: Manager) -> None:
    manager.fill()
    with Server(workers=1, env={"NOTIFY_SOCKET": manager.address}) as server:
        assert server.control("reload", 60)["complete"]
        server.stop()


def test_without_a_service_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    notify("READY=1")
