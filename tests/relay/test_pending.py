"""A socket without a role: its messages, its deadline, and what it pipelines."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import pytest

from tests.relay.fakes import FakeWire, Works
from tests.relay.town import Town
from tiflis.limits import Limits
from tiflis.protocol.errors import InvalidAuthKey, SendFailed
from tiflis.protocol.messages import Connection, Registration
from tiflis.relay.sessions.pending import PendingSession
from tiflis.relay.sessions.session import Pause, Wire

CONNECT = {
    "type": "connect",
    "id": "c",
    "payload": {"tunnel_id": "t", "auth_key": "a" * 16, "device_id": "d"},
}
REGISTER = {
    "type": "workstation.register",
    "id": 1,
    "payload": {"api_key": "k" * 32, "name": "desk", "auth_key": "a" * 16},
}


class Heard:
    """The session of a socket with a role."""

    wire: Wire
    kind: ClassVar[str] = "client"
    tunnel_id = "tunnel-1"
    path = "local"
    plain_pings = False

    def __init__(self) -> None:
        self.texts: list[bytes] = []

    def named(self) -> dict[str, str]:
        return {}

    def received(self, text: bytes) -> None:
        self.texts.append(text)

    def lost(self) -> None: ...
    def high_water(self, high: bool) -> None: ...
    def overfull(self, high: bool) -> None: ...
    def overflowed(self) -> None: ...
    def check(self, now: float) -> None: ...
    def session_state(self) -> None: ...


class FakeReception:
    """Gives a role once ``decided`` is set; raises ``problem`` instead if there is one."""

    def __init__(self) -> None:
        self.works = Works()
        self.decided = asyncio.Event()
        self.problem: Exception | None = None
        self.asked: list[Registration | Connection] = []
        self.timers: list[Callable[[], None]] = []
        self.role = Heard()

    async def register(self, pending: PendingSession, said: Registration) -> None:
        await self._decide(pending, said)

    async def connect(self, pending: PendingSession, said: Connection, request: bytes) -> None:
        await self._decide(pending, said)

    async def _decide(self, pending: PendingSession, request: Registration | Connection) -> None:
        self.asked.append(request)
        await self.decided.wait()
        if self.problem is not None:
            raise self.problem
        pending.wire.session = self.role

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.works.spawn(work)

    def later(self, delay: float, callback: Callable[[], None], /) -> None:
        self.timers.append(callback)

    async def look_again(self) -> None:
        timers, self.timers = self.timers, []
        for callback in timers:
            callback()
        await self.works.finish()


@pytest.fixture
async def reception() -> FakeReception:
    return FakeReception()


@pytest.fixture
async def wire(reception: FakeReception) -> FakeWire:
    wire = FakeWire()
    wire.session = PendingSession(wire, Limits(), reception, "ws://here")
    return wire


async def finish(reception: FakeReception) -> None:
    reception.decided.set()
    await reception.works.finish()


@pytest.mark.parametrize("kind", ["sync", "auth", "forward.to_device", "error", "pong", ""])
async def test_nothing_but_a_role_may_be_asked_for(wire: FakeWire, kind: str) -> None:
    wire.say({"type": kind, "id": 9})
    [error] = wire.messages
    assert (error["id"], error["payload"]["code"]) == (9, "INVALID_PAYLOAD")


async def test_a_ping_is_answered(wire: FakeWire) -> None:
    wire.say({"type": "ping", "timestamp": 5})
    assert wire.pongs == [b'{"type":"pong","timestamp":5}']


@pytest.mark.parametrize("message", [CONNECT, REGISTER])
async def test_it_is_not_read_while_its_role_is_looked_up(
    wire: FakeWire, reception: FakeReception, message: dict[str, Any]
) -> None:
    wire.say(message)
    assert wire.paused == Pause.DECIDING
    await finish(reception)
    assert wire.paused == Pause(0)
    assert len(reception.asked) == 1


async def test_pipelined_messages_reach_the_role_in_order(wire: FakeWire, reception: FakeReception) -> None:
    wire.say(CONNECT)
    wire.say(b"one")
    wire.say(b"two")
    await finish(reception)
    assert reception.role.texts == [b"one", b"two"]


async def test_after_a_refusal_pipelined_messages_are_those_of_a_pending_session(
    wire: FakeWire, reception: FakeReception
) -> None:
    reception.problem = InvalidAuthKey()
    wire.say(CONNECT)
    wire.say({"type": "sync", "id": "s"})
    await finish(reception)
    assert [(error["id"], error["payload"]["code"]) for error in wire.messages] == [
        ("c", "INVALID_AUTH_KEY"),
        ("s", "INVALID_PAYLOAD"),
    ]
    assert wire.closed is None


async def test_refused_then_right(wire: FakeWire, reception: FakeReception) -> None:
    reception.problem = InvalidAuthKey()
    wire.say(CONNECT)
    await finish(reception)
    reception.problem = None
    wire.say(CONNECT)
    await finish(reception)
    assert wire.session is reception.role


async def test_a_retry_may_be_pipelined_too(wire: FakeWire, reception: FakeReception) -> None:
    reception.problem = InvalidAuthKey()
    wire.say(CONNECT)
    wire.say(CONNECT)
    wire.say(b"behind")
    await finish(reception)
    assert wire.codes() == ["INVALID_AUTH_KEY", "INVALID_AUTH_KEY", "INVALID_PAYLOAD"]
    assert wire.paused == Pause(0)


async def test_a_tunnel_whose_home_is_found_late(wire: FakeWire, reception: FakeReception) -> None:
    reception.problem = SendFailed()
    wire.say(CONNECT)
    await finish(reception)
    await reception.look_again()
    assert wire.codes() == ["WORKSTATION_OFFLINE"], "answered once"
    reception.problem = None
    await reception.look_again()
    assert wire.session is reception.role
    assert len(reception.asked) == 3


async def test_a_client_that_asks_again_is_answered_again(wire: FakeWire, reception: FakeReception) -> None:
    reception.problem = SendFailed()
    wire.say(CONNECT)
    await finish(reception)
    wire.say(CONNECT)
    await reception.look_again()
    assert wire.codes() == ["WORKSTATION_OFFLINE"] * 2
    assert len(reception.asked) == 2, "the first is forgotten"


async def test_no_retry_for_a_socket_that_has_closed(wire: FakeWire, reception: FakeReception) -> None:
    reception.problem = SendFailed()
    wire.say(CONNECT)
    await finish(reception)
    wire.end()
    await reception.look_again()
    assert len(reception.asked) == 1


async def test_no_retry_for_a_socket_that_is_on_its_way_to_another_worker(
    wire: FakeWire, reception: FakeReception
) -> None:
    """The new worker retries; here it would become a client without a socket."""
    pending = wire.session
    assert isinstance(pending, PendingSession)
    reception.problem = SendFailed()
    wire.say(CONNECT)
    await finish(reception)
    pending.leaving = True
    await reception.look_again()
    assert len(reception.asked) == 1
    pending.leaving = False  # it was not taken
    await reception.look_again()
    assert len(reception.asked) == 2


async def test_a_bug_is_answered_with_an_error(wire: FakeWire, reception: FakeReception) -> None:
    reception.problem = RuntimeError("a bug")
    wire.say(CONNECT)
    await finish(reception)
    assert wire.codes() == ["INTERNAL_ERROR"]
    assert "a bug" not in wire.texts[0].decode()


async def test_one_that_left_meanwhile_receives_nothing(wire: FakeWire, reception: FakeReception) -> None:
    wire.say(CONNECT)
    wire.say(b"behind")
    wire.end()
    await finish(reception)
    assert reception.role.texts == []


@pytest.mark.parametrize(
    "message", [{"type": "connect"}, {"type": "connect", "payload": []}, {"type": "workstation.register"}]
)
async def test_a_broken_message_is_refused_at_once(
    wire: FakeWire, reception: FakeReception, message: dict[str, Any]
) -> None:
    wire.say(message)
    assert (wire.codes(), wire.paused, reception.asked) == (["INVALID_PAYLOAD"], Pause(0), [])


async def test_the_deadline(wire: FakeWire) -> None:
    wire.heard = 14.0
    wire.session.check(14.9)
    assert wire.closed is None
    wire.session.check(15.0)
    assert wire.closed is not None
    assert wire.closed[0] == 1008


async def test_a_client_of_a_tunnel_whose_home_is_here_is_answered_at_once(town: Town) -> None:
    await town.workstation("a")
    phone, stranger = town.socket("a"), town.socket("a")
    phone.say(town.connecting())
    assert phone.types == ["connected"]
    assert not phone.paused
    stranger.say(town.connecting("tablet", auth_key="not the auth key at all"))
    assert stranger.codes() == ["INVALID_AUTH_KEY"]
    assert stranger.messages[0]["id"] == "c"
    assert isinstance(stranger.session, PendingSession)


async def test_a_message_right_behind_connect_is_one_of_the_client(town: Town) -> None:
    desk = await town.workstation("a")
    phone = town.socket("a")
    phone.say(town.connecting())
    phone.say({"type": "sync"})
    assert desk.types[-1] == "sync"
