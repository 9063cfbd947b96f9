"""Sessions of every role, and of superseded workstations."""

import logging
from typing import Any

import pytest

from tests.relay.fakes import FakeWire
from tests.relay.stage import Stage
from tiflis.limits import Limits
from tiflis.protocol.states import Role
from tiflis.relay.sessions.session import BaseSession

SILENCE = 15.0


class Plain(BaseSession):
    """The behaviour that all roles share."""

    role = Role.CLIENT
    fails = False

    def handle(self, what: Any, found: Any, text: bytes) -> None:
        if self.fails:
            raise RuntimeError("secret text")
        super().handle(what, found, text)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def plain() -> FakeWire:
    wire = FakeWire()
    wire.session = Plain(wire, Limits())
    return wire


@pytest.mark.parametrize(
    "stamp", [b"1", b"1737000000000", b"1.50", b"-0.0", b"123456789012345678901234567890"]
)
def test_a_ping_is_answered_with_its_own_digits(stamp: bytes) -> None:
    wire = plain()
    wire.say(b'{"type":"ping","extra":true,"timestamp":' + stamp + b"}")
    assert wire.pongs == [b'{"type":"pong","timestamp":' + stamp + b"}"]


@pytest.mark.parametrize("stamp", [b"", b',"timestamp":null', b',"timestamp":"1"', b',"timestamp":true'])
def test_a_ping_without_a_number_is_ignored(stamp: bytes) -> None:
    wire = plain()
    wire.say(b'{"type":"ping"' + stamp + b"}")
    assert (wire.pongs, wire.texts) == ([], [])


def test_a_bug_is_answered_with_an_error_and_logged_without_the_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wire = plain()
    wire.session.fails = True  # type: ignore[attr-defined]  # a Plain
    with caplog.at_level(logging.ERROR):
        wire.say({"type": "x", "id": 5, "payload": "audio"})
    [error] = wire.messages
    assert (error["id"], error["payload"]["code"]) == (5, "INTERNAL_ERROR")
    assert caplog.records[0].exc_info
    assert "audio" not in caplog.text


def test_silence_closes() -> None:
    wire = plain()
    wire.session.check(SILENCE - 0.1)
    assert wire.closed is None
    wire.session.check(SILENCE)
    assert wire.closed == (1000, "Connection timed out")


def test_anything_received_renews_the_time_of_liveness(stage: Stage) -> None:
    wire = stage.workstation()
    wire.heard = 100.0
    wire.session.check(100.0 + SILENCE - 0.1)
    assert wire.closed is None
    wire.session.check(100.0 + SILENCE)
    assert wire.closed == (1000, "Connection timed out")


def test_a_pending_client_is_probed_instead(stage: Stage) -> None:
    wire = stage.client()
    for now in range(0, 30, 5):
        wire.session.check(float(now))
    assert (wire.probes > 0, wire.closed) == (True, None)
    wire.session.check(30.0)
    assert wire.closed == (1000, "Connection timed out")


def test_a_client_that_takes_nothing_is_cut_off(stage: Stage) -> None:
    stage.workstation()
    wire = stage.client()
    wire.slow = True
    wire.session.check(1.0)
    assert wire.closed is not None
    assert (wire.closed[0], wire.dropped) == (1013, True)


def test_an_object_that_is_no_message_has_its_id_named(stage: Stage) -> None:
    workstation, phone = stage.workstation(), stage.client()
    for wire in (workstation, phone):
        wire.take()
        wire.say(b'{"id":"q","type":5}')
        [error] = wire.messages
        assert (error["id"], error["payload"]["code"]) == ("q", "INVALID_PAYLOAD")


# Superseded workstations


def test_a_superseded_socket_is_probed_and_dropped_when_it_is_dead(stage: Stage) -> None:
    old = stage.workstation()
    stage.workstation()
    for now in range(0, 30, 5):
        old.session.check(float(now))
    assert (old.probes > 0, old.closed) == (True, None)
    old.heard = 29.0
    old.session.check(30.0)
    assert old.closed is None, "it answered the probe"
    old.session.check(29.0 + 30.0)
    assert old.closed is not None


@pytest.mark.parametrize(
    "text",
    [b"x", b'{"type":"workstation.register"}', b'{"type":"forward.to_device"}', b'{"type":"session.output"}'],
)
def test_a_superseded_socket_is_ignored(stage: Stage, text: bytes) -> None:
    old, phone = stage.workstation(), stage.client()
    stage.workstation()
    old.take(), phone.take()
    old.say(text)
    assert (old.texts, phone.texts, old.closed) == ([], [], None)


def test_at_most_four_superseded_sockets_are_kept(stage: Stage) -> None:
    wires = [stage.workstation() for _ in range(7)]
    assert [wire.closed is not None for wire in wires] == [True, True, False, False, False, False, False]


def test_one_that_left_makes_room(stage: Stage) -> None:
    wires = [stage.workstation() for _ in range(5)]
    wires[0].end()
    stage.workstation()
    assert [wire.closed is not None for wire in wires[1:]] == [False] * 4


def test_a_second_role_is_refused(stage: Stage) -> None:
    workstation, phone = stage.workstation(), stage.client()
    workstation.take(), phone.take()
    for wire in (workstation, phone):
        for kind in ("workstation.register", "connect"):
            wire.say({"type": kind, "payload": {}})
        assert wire.codes() == ["INVALID_PAYLOAD"] * 2


def test_a_pending_client_may_connect_once_more(stage: Stage) -> None:
    phone = stage.client()
    phone.say({"type": "connect", "payload": {}})
    assert stage.doorman.rejoined == [phone.session]
