"""The demo's link and code lead a phone to this machine, or it says that they cannot."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from tiflis_workstation import reach
from tiflis_workstation.command import LOCAL, PHONE, Host
from tiflis_workstation.pairing import Pairing

LAN = "127.0.0.2"  # stands for an address in the network


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Listen there, as a server with HOST=0.0.0.0 would."""
    monkeypatch.setattr(reach, "lan_address", lambda: LAN)
    with socket.create_server((LAN, 0)) as server:
        yield server.getsockname()[1]


def pairing(url: str) -> Pairing:
    return Pairing("tunnel", url, "a secret key of 16")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_loopback_becomes_the_address_in_the_network(port: int, host: str) -> None:
    found = reach.for_other_devices(pairing(f"ws://{host}:{port}/tunnel"))
    assert found == pairing(f"ws://{LAN}:{port}/tunnel")


def test_a_public_address_stays(port: int) -> None:
    public = pairing("wss://tunnel.example.org/ws")
    assert reach.for_other_devices(public) == public


def test_code_and_link_for_a_phone_are_shown(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    here = pairing(f"ws://127.0.0.1:{port}/ws")
    Host("ws://127.0.0.1/ws")._show(here)
    shown = capsys.readouterr().out
    there = pairing(f"ws://{LAN}:{port}/ws")
    assert there.qr_code() in shown
    for text in (here.web_link, there.web_link, there.magic_link, there.json, PHONE):
        assert text in shown
    assert urlsplit(there.web_link).netloc == f"{LAN}:{port}"


def test_a_server_of_this_machine_alone_is_said_to_be_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reach, "lan_address", lambda: None)
    Host("ws://127.0.0.1/ws")._show(pairing("ws://127.0.0.1:1/ws"))
    shown = capsys.readouterr().out
    assert LOCAL in shown
    assert PHONE not in shown
