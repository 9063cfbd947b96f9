"""Message types allowed in each role: the tables of the protocol page, sections 1.1 and 1.2."""

import pytest

from tiflis.protocol.states import Act, Role, act, client_may_send

FORGED_BY_CLIENTS = [
    "workstation.register",
    "workstation.registered",
    "workstation.",
    "workstation.status",
    "client.disconnected",
    "client.",
    "connected",
    "connection.workstation_online",
    "connection.workstation_offline",
    "connection.",
    "forward.to_device",
    "forward.",
    "error",
    "pong",
    "connect",
]
FORGED_BY_WORKSTATIONS = [
    "workstation.register",
    "workstation.registered",
    "workstation.status",
    "client.disconnected",
    "connect",
    "connected",
    "connection.workstation_online",
    "connection.anything",
]
ORDINARY = [
    "sync",
    "session.execute",
    "supervisor.command",
    "heartbeat",
    "history.request",
    "a",
    "",
    "Workstation.register",
    "workstation",
    "client",
    "connection",
    "forward",
    "connecting",
    "errors",
    "pong ",
]


@pytest.mark.parametrize("kind", FORGED_BY_CLIENTS)
def test_a_client_may_not_forge(kind: str) -> None:
    assert act(Role.CLIENT, kind) is Act.REFUSE
    assert not client_may_send(kind)


@pytest.mark.parametrize("kind", FORGED_BY_WORKSTATIONS)
def test_a_workstation_may_not_forge(kind: str) -> None:
    assert act(Role.WORKSTATION, kind) is Act.REFUSE


@pytest.mark.parametrize("kind", ORDINARY)
@pytest.mark.parametrize("role", [Role.CLIENT, Role.WORKSTATION])
def test_everything_else_is_relayed(role: Role, kind: str) -> None:
    assert act(role, kind) is Act.RELAY


@pytest.mark.parametrize("kind", ["error", "auth.success", "auth.error", "response", "auth", "pong"])
def test_a_workstation_may_answer(kind: str) -> None:
    assert act(Role.WORKSTATION, kind) is Act.RELAY


@pytest.mark.parametrize("kind", [*ORDINARY, *FORGED_BY_CLIENTS[1:-1], "auth"])
def test_a_pending_session_may_only_take_a_role(kind: str) -> None:
    assert act(Role.PENDING, kind) is Act.REFUSE


@pytest.mark.parametrize("role", Role)
def test_anyone_may_ping(role: Role) -> None:
    assert act(role, "ping") is Act.PONG


def test_the_rest_of_the_table() -> None:
    assert act(Role.PENDING, "workstation.register") is Act.REGISTER
    assert act(Role.PENDING, "connect") is Act.CONNECT
    assert act(Role.CLIENT, "auth") is Act.CHECK_AUTH
    assert act(Role.WORKSTATION, "forward.to_device") is Act.TO_DEVICE


def test_a_watch_may_send_what_a_client_may() -> None:
    assert client_may_send("sync")
    assert client_may_send("auth")
