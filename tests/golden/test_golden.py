"""The frames on which the web client and the server agree; the client's own tests read the same files."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiflis_workstation.wire import Request
from tiflis_workstation.workstation import HANDLERS

from tiflis.protocol import head, messages
from tiflis.protocol.errors import WorkstationOffline
from tiflis.protocol.states import Act, Role, act

Frame = dict[str, Any]
GOLDEN = Path(__file__).parent
ANSWERED_BY_THE_SERVER = {"connect", "ping"}
ANSWERED_BESIDE_THE_TABLE = {"auth", "heartbeat"}


def golden(name: str) -> list[Frame]:
    return json.loads((GOLDEN / f"{name}.json").read_text())  # type: ignore[no-any-return]


def encoded(frame: Frame) -> bytes:
    return json.dumps(frame).encode()


SENT = [entry["frame"] for entry in golden("from_client")]
TOLD = [entry["frame"] for entry in golden("to_client") if entry["from"] == "server"]
RELAYED = [entry["frame"] for entry in golden("to_client") if entry["from"] == "workstation"]


def kind(frame: Frame) -> str:
    return str(frame["type"])


@pytest.mark.parametrize("frame", SENT, ids=kind)
def test_a_client_may_send_it(frame: Frame) -> None:
    role = Role.PENDING if kind(frame) == "connect" else Role.CLIENT
    assert act(role, head.peek(encoded(frame)).type) is not Act.REFUSE


@pytest.mark.parametrize("frame", SENT, ids=kind)
def test_the_demo_workstation_knows_what_it_asks_for(frame: Frame) -> None:
    request = Request.read(frame)
    known = HANDLERS.keys() | ANSWERED_BY_THE_SERVER | ANSWERED_BESIDE_THE_TABLE
    assert request.type in known
    assert request.id == frame.get("id", "")


@pytest.mark.parametrize("frame", [frame for frame in SENT if kind(frame) == "connect"])
def test_the_server_reads_a_connect_as_it_was_meant(frame: Frame) -> None:
    connection = messages.read_connection(head.peek(encoded(frame)).payload)
    payload = frame["payload"]
    assert connection.tunnel_id == payload["tunnel_id"]
    assert connection.auth_key == payload["auth_key"]
    assert connection.device_id == payload["device_id"]
    assert connection.reconnect is payload.get("reconnect", False)


@pytest.mark.parametrize("frame", [frame for frame in TOLD if kind(frame) == "connected"])
def test_the_server_says_connected_in_these_words(frame: Frame) -> None:
    payload = frame["payload"]
    said = messages.connected(payload["tunnel_id"], payload["tunnel_version"], payload.get("restored", False))
    assert json.loads(said) == frame


@pytest.mark.parametrize("frame", [frame for frame in TOLD if kind(frame) == "error"])
def test_the_server_says_an_error_in_these_words(frame: Frame) -> None:
    said = messages.error(WorkstationOffline(frame["payload"]["message"]), encoded_id(frame))
    assert json.loads(said) == frame


def encoded_id(frame: Frame) -> bytes:
    return json.dumps(frame["id"]).encode()


@pytest.mark.parametrize("frame", [f for f in RELAYED if not kind(f).startswith("workstation.")], ids=kind)
def test_a_workstation_may_send_it(frame: Frame) -> None:
    assert act(Role.WORKSTATION, head.peek(encoded(frame)).type) is Act.RELAY
