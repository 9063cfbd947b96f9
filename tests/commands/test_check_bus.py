"""`tiflis check` accepts the buses that the server accepts, and says of the others where and why."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.nats import NatsServer
from tests.harness import free_port, wait_until
from tests.tool import bare

KEY = "k" * 40
WRONG = "nats://canary-wrong@127.0.0.1"


def check(folder: Path, url: str, **env: str) -> tuple[int, str]:
    known = {"TUNNEL_REGISTRATION_API_KEY": KEY, "HOST": "127.0.0.1", "PORT": "0", "PATH": os.environ["PATH"]}
    return bare(folder, "check", NATS_URL=url, **known, **env)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[NatsServer]:
    one = NatsServer(tmp_path / "nats")
    one.start()
    yield one
    one.stop()


def test_a_bus_that_answers_is_named(bus: NatsServer, tmp_path: Path) -> None:
    code, shown = check(tmp_path, bus.url)
    assert (code, f"NATS_URL answers and has JetStream: 127.0.0.1:{bus.port}" in shown) == (0, True), shown


def test_of_several_servers_each_has_a_line_with_its_reason(bus: NatsServer, tmp_path: Path) -> None:
    away = free_port()
    code, shown = check(tmp_path, f"{bus.url},{WRONG}:{bus.port},nats://127.0.0.1:{away}")
    assert code == 0, "one is enough"
    lines = [line for line in shown.splitlines() if "NATS_URL" in line]
    assert [line[:4] for line in lines] == ["ok  ", "note", "note"]
    assert f"127.0.0.1:{bus.port}" in lines[1]
    assert "Authorization Violation" in lines[1]
    assert f"127.0.0.1:{away}" in lines[2]
    assert "Connection refused" in lines[2]
    assert "canary" not in shown


def test_a_bus_that_wants_the_tls_handshake_first_is_accepted(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=x -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    tls = f'tls {{ cert_file: "{cert}", key_file: "{key}", handshake_first: true }}'
    bus = NatsServer(tmp_path / "nats", scheme="tls", extra=tls)
    bus.start(wait=False)
    url = f"{bus.url}?tls_first"
    try:
        wait_until(lambda: check(tmp_path, url, SSL_CERT_FILE=str(cert))[0] == 0, 60, "check accepts it")
        code, shown = check(tmp_path, url, SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt")
        assert (code, "certificate" in shown) == (1, True), shown
    finally:
        bus.stop()


def test_a_user_without_permission_for_the_directory_is_no_bus(tmp_path: Path) -> None:
    user = '{user: tiflis, password: p, permissions: {publish: ["tiflis.>", "$JS.API.INFO"]}}'
    bus = NatsServer(tmp_path / "nats", authorization=f"users: [{user}]", credentials="tiflis:p")
    bus.start()
    try:
        code, shown = check(tmp_path, bus.url)
        assert (code, "the stream KV_tiflis_tunnels cannot be used" in shown) == (1, True), shown
    finally:
        bus.stop()
