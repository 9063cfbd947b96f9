"""A large message is read as it arrives, and never again as a whole: that would keep other peers waiting."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.rawsocket import masked
from tests.relay.fakes import FakeWire
from tests.relay.key_town import KeyTown
from tests.relay.stage import Stage
from tests.relay.test_audit import Kept
from tiflis.protocol import head, hold, scopes
from tiflis.protocol.errors import Forbidden
from tiflis.protocol.scan import LARGE
from tiflis.protocol.scopes import Scope
from tiflis.relay.devices.audit import Audit
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.watch import reading

PAD = "x" * LARGE
PIECE = 64 * 1024


@pytest.fixture
def small_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a large message is read in one go."""

    def guarded(read: Any) -> Any:
        def small(text: bytes, *more: Any) -> Any:
            assert len(text) <= LARGE, "a large message was read in one go"
            return read(text, *more)

        return small

    monkeypatch.setattr(head, "peek", guarded(head.peek))
    monkeypatch.setattr(scopes, "_skimmed", guarded(scopes._skimmed))


def send(wire: FakeWire, text: bytes) -> None:
    """Have the peer send a message that arrives in pieces."""
    data = masked(text)
    for at in range(0, len(data), PIECE):
        for _, message in wire.reading.feed(data[at : at + PIECE]):
            wire.session.received(message)


def client_of(wire: FakeWire) -> ClientSession:
    assert isinstance(wire.session, ClientSession)
    return wire.session


@pytest.mark.usefixtures("small_only")
def test_a_limited_devices_voice_message_is_judged_while_it_arrives(stage: Stage) -> None:
    desk, phone = stage.workstation(), stage.client()
    client_of(phone).limit("key-id", Scope.CHAT)
    send(phone, json.dumps({"payload": {"audio": PAD}, "type": "session.execute"}).encode())
    assert desk.messages[-1]["type"] == "session.execute"
    send(phone, b'{"type":"session.execute","pad":"%b","type":"session.input"}' % PAD.encode())
    send(phone, b'{"type":"sync","pad":"%b","typ\\u0065":"session.input"}' % PAD.encode())
    assert phone.codes() == ["FORBIDDEN"] * 2
    assert desk.types.count("session.input") == 0


def test_a_limited_device_makes_no_terminal_by_a_long_request() -> None:
    text = json.dumps({"type": scopes.CREATE, "payload": {"session_type": "chat", "pad": "x" * 70_000}})
    with pytest.raises(Forbidden):
        scopes.check(Scope.CHAT, head.peek(text.encode()), text.encode())


@pytest.mark.usefixtures("small_only")
@pytest.mark.parametrize("gone", [True, False])
def test_a_large_message_that_cannot_be_delivered_is_entered_without_being_read_again(
    stage: Stage, gone: bool
) -> None:
    kept = Kept()
    stage.host.audit = Audit(kept, "w", lambda _, call: None, asyncio.run)
    desk, phone = stage.workstation(), stage.client()
    client_of(phone).audit = stage.host.audit
    client_of(phone).limit("", Scope.OWNER)
    stage.go_offline(desk) if gone else desk.end()
    send(phone, json.dumps({"payload": PAD, "session_id": "s", "type": "session.execute"}).encode())
    stage.host.pass_time(3)
    asyncio.run(stage.host.audit.flush())
    relayed, undelivered = kept.rows("tunnel-1")
    assert (relayed["type"], undelivered["type"]) == ("session.execute",) * 2
    assert undelivered["outcome"] == "undelivered"
    assert undelivered["bytes"] > LARGE


@pytest.mark.usefixtures("small_only")
@pytest.mark.parametrize(("scope", "kind"), [("chat", "session.execute"), ("full", "session.input")])
async def test_a_large_message_from_another_worker_is_judged_by_what_that_one_has_read(
    scope: str, kind: str
) -> None:
    town = KeyTown("a", "b")
    desk = await town.workstation("a")
    minted = await town.keys["a"].mint("tunnel-1", "", scope)
    phone = await town.client("b", "phone", auth_key=minted.key)
    send(phone, json.dumps({"payload": PAD, "type": kind}).encode())
    await town.settle()
    assert desk.messages[-1]["type"] == kind
    await town.close()


async def test_a_key_that_is_limited_meanwhile_forbids_a_large_message_under_way() -> None:
    town = KeyTown("a", "b")
    desk = await town.workstation("a")
    minted = await town.keys["a"].mint("tunnel-1", "", "full")
    phone = await town.client("b", "phone", auth_key=minted.key)
    send(phone, json.dumps({"payload": PAD, "type": "session.input"}).encode())
    send(phone, b'{"type":"sync","payload":"%b","type":"session.execute"}' % PAD.encode())
    await town.keys["b"].change("tunnel-1", minted.entry.key_id, scope="chat")
    await town.settle()
    assert not {"session.input", "session.execute", "sync"} & set(desk.types)
    assert phone.codes() == ["FORBIDDEN"] * 2
    await town.close()


def test_a_message_too_large_to_be_held_is_refused_unread(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = stage.client() if stage.workstation() else None
    assert phone is not None
    monkeypatch.setattr(hold, "read", None)
    send_large = b'{"type":"supervisor.command","id":"m","hold":{"ttl":' + b"[" * 50 + b"]" * 50
    phone.session.received(send_large + b'},"pad":"%b"}' % PAD.encode())
    assert phone.messages[-1] == {
        "type": "tunnel.receipt",
        "id": "m",
        "state": "refused",
        "reason": "too_large",
    }


async def test_others_are_served_while_a_watchs_large_message_is_read() -> None:
    text = b'{"type":"voice","pad":[' + b"{}," * (4 * LARGE // 3) + b"0]}"
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    found = await reading.head(text)
    assert (found.type, turns > 60) == ("voice", True)
    await reading.check(Scope.OWNER, found, text)
    with pytest.raises(Forbidden):
        await reading.check(Scope.CHAT, found, text)
    beside.cancel()
