"""At a terminal the server says where it is once it serves, and what to connect to it."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, Server, wait_until
from tests.patience import PATIENCE
from tiflis.arbiter import welcome
from tiflis.config import Settings

KEY = "k" * 40


def settings(**given: object) -> Settings:
    return Settings(registration_keys=KEY, **given)


def test_other_devices_get_an_address_that_they_can_reach() -> None:
    told = welcome.on_port(settings(), 4000, "0.0.0.0", lan="192.168.1.20")
    assert "http://localhost:4000\n" in told
    assert "http://192.168.1.20:4000 " in told
    assert "tunnel  ws://192.168.1.20:4000/ws" in told


def test_a_server_of_this_machine_alone_says_so() -> None:
    told = welcome.on_port(settings(), 4000, "127.0.0.1", lan="192.168.1.20")
    assert "from this machine only: HOST=127.0.0.1" in told
    assert "192.168.1.20" not in told


@pytest.mark.parametrize(
    ("path", "folder", "command"),
    [
        (str(Path(sys.executable).parent), "/", "tiflis"),
        ("/nowhere", "/usr", str(Path(sys.executable).with_name("tiflis"))),
        ("/nowhere", str(Path(sys.executable).parents[1]), "bin/tiflis"),
    ],
)
def test_the_commands_are_written_as_they_can_be_typed(
    monkeypatch: pytest.MonkeyPatch, path: str, folder: str, command: str
) -> None:
    monkeypatch.setenv("PATH", path)
    monkeypatch.chdir(folder)
    assert f"Look          {command} status\n" in welcome.end()


def test_a_public_address_stands_for_all() -> None:
    told = welcome.on_port(settings(public_base_url="https://t.example"), 4000, "0.0.0.0", lan="10.0.0.1")
    assert "Web client    https://t.example\n" in told
    assert "wss://t.example/ws" in told
    assert "10.0.0.1" not in told


def test_a_server_on_a_unix_socket_is_not_said_to_be_on_a_port() -> None:
    told = welcome.on_unix(settings(), Path("/run/t.sock"))
    assert "unix:/run/t.sock" in told
    assert "3001" not in told


def test_the_key_is_shown_only_when_it_is_new() -> None:
    assert KEY in welcome.key(settings(), True)
    assert KEY not in welcome.key(settings(), False)


def test_make_run_speaks_when_the_port_serves_and_shows_the_new_key_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(workers=1, folder=tmp_path)
    environment = server._environment()
    del environment["TUNNEL_REGISTRATION_API_KEY"]
    monkeypatch.setattr(server, "_environment", lambda: environment)
    run = [sys.executable, str(ROOT / "scripts" / "run.py"), "--workers", "1"]
    monkeypatch.setattr(server, "_command", lambda: run)
    server.start(wait=False)
    try:
        wait_until(lambda: "is ready" in server.logs(), 30, "the welcome")
        assert server.status("/readyz") == 200
        key = (tmp_path / ".env").read_text().strip().partition("=")[2]
        wait_until(lambda: "Ctrl-C" in server.logs(), PATIENCE, "the rest of it")
        assert server.logs().count(key) == 1
        assert f"http://localhost:{server.port}" in server.logs()
    finally:
        server.stop()


def test_a_terminal_that_is_stopped_holds_nothing_up(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, bytes(4096)):
            pass
    os.set_blocking(writer, True)
    server = Server(workers=1, folder=tmp_path, env={welcome.WISH: "yes"}, output=writer)
    try:
        server.start()
        dead = server.kill_worker()
        wait_until(lambda: set(server.ready_workers().values()) - {dead}, PATIENCE, "it is replaced")
        server.stop()
    finally:
        server.kill_everything()
        os.close(reader)
        os.close(writer)


def test_without_a_terminal_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(welcome.WISH, raising=False)
    welcome.say(settings(), 4000, "0.0.0.0")
    assert capfd.readouterr().out == ""
    monkeypatch.setenv(welcome.WISH, "yes")
    welcome.say(settings(), 4000, "0.0.0.0")
    assert "is ready" in capfd.readouterr().out
    assert os.environ[welcome.WISH] == "yes"
