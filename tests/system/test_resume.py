"""Clients that resume continue where they were, wherever they and their workstation are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.harness import Crowd, Peer, Server, crowd
from tests.system.places import Places
from tests.system.resuming import ResumingDevice
from tests.system.test_reload import reload
from tests.system.test_watch import back, talk


@pytest.fixture(scope="module")
def brief() -> Iterator[Server]:
    """Run two workers at which a device stays for two seconds, and keeps eight messages."""
    with Server(workers=2, env={"STAY_RESUME": "2", "STAY_MESSAGES": "8"}) as running:
        yield running


@pytest.fixture
async def few(brief: Server) -> AsyncIterator[Crowd]:
    async with crowd(brief) as people:
        yield people


@pytest.fixture
def mortal() -> Iterator[Server]:
    """Run a server whose processes a test may kill."""
    with Server(workers=2, env={"STEERING": "false", "LIVENESS_TIMEOUT": "120"}) as running:
        yield running


async def device_at(places: Places) -> tuple[Peer, ResumingDevice]:
    workstation, tunnel_id = await places.workstation()
    phone = ResumingDevice(places.server, tunnel_id)
    answer = await phone.connect(places.there)
    assert (phone.verdicts, "missed" in answer["resume"]) == (["new"], False)
    return workstation, phone


async def test_a_client_that_resumes_receives_what_it_missed_and_nothing_twice(places: Places) -> None:
    workstation, phone = await device_at(places)
    await talk(workstation, range(70))
    await phone.until(69)
    await phone.cut()
    await talk(workstation, range(70, 90))
    await phone.connect(places.there)
    await talk(workstation, range(90, 100))
    await phone.until(99)
    await phone.settle()
    assert (phone.notes(), phone.verdicts) == (list(range(100)), ["new", "ok"])
    assert workstation.unread("client.disconnected") == []
    await phone.cut()


async def test_a_growing_answer_is_repeated_once_and_a_terminal_whole(places: Places) -> None:
    workstation, phone = await device_at(places)
    await phone.cut()
    for number in range(9):
        snapshot = {"streaming_message_id": "s", "content_type": "text", "text": "x" * number}
        await workstation.send({"type": "session.output", "payload": snapshot})
        piece = {"streaming_message_id": "t", "content_type": "terminal", "n": number}
        await workstation.send({"type": "session.output", "payload": piece})
    await workstation.settle()
    assert (await phone.connect(places.there))["resume"]["missed"] == 10
    await phone.settle()
    payloads = [message["payload"] for message in phone.received]
    assert [payload["n"] for payload in payloads if "n" in payload] == list(range(9))
    assert [payload["text"] for payload in payloads if "text" in payload] == ["x" * 8]
    await phone.cut()


async def test_two_tabs_of_a_device_have_a_cursor_each(places: Places) -> None:
    workstation, first = await device_at(places)
    second = ResumingDevice(places.server, first.tunnel_id)
    await second.connect(places.there)
    await talk(workstation, range(5))
    await first.until(4)
    await second.until(4)
    await second.cut()
    await talk(workstation, range(5, 10))
    await first.until(9)
    await first.cut()
    await workstation.send(
        {"type": "forward.to_device", "device_id": "phone", "payload": '{"type":"note","n":10}'}
    )
    for tab in (first, second):
        await tab.connect(places.there)
        await tab.until(10)
        assert (tab.notes(), tab.verdicts) == (list(range(11)), ["new", "ok"])
        await tab.cut()


async def test_messages_that_neither_end_counts_are_not_lost(places: Places) -> None:
    workstation, phone = await device_at(places)
    await workstation.send({"type": "error", "payload": {"code": "of the workstation"}})
    await talk(workstation, range(3))
    await phone.until(2)
    await phone.cut()
    await workstation.send({"type": "error", "payload": {"code": "while away"}})
    await talk(workstation, range(3, 5))
    await phone.connect(places.there)
    await phone.until(4)
    assert phone.peer is not None
    assert [message["payload"]["code"] for message in phone.peer.unread("error")] == ["while away"]
    await phone.cut()
    await phone.connect(places.there)
    await phone.settle()
    assert phone.notes() == list(range(5))
    await phone.cut()


async def test_a_client_that_does_not_ask_receives_nothing_more(places: Places) -> None:
    workstation, phone = await device_at(places)
    other = await places.client(phone.tunnel_id, device_id="shipped")
    await talk(workstation, range(70))
    await other.next("note", where=lambda message: message["n"] == 69)
    await other.send({"type": "ping", "timestamp": 1, "seen": 1, "visible": True})
    assert await other.next("pong") == {"type": "pong", "timestamp": 1}
    await other.settle()
    assert {message["type"] for message in other.seen} == {"connected", "note", "pong"}
    await phone.cut()


async def test_the_workstation_is_sent_the_departure_when_the_stay_is_over(few: Crowd) -> None:
    workstation, tunnel_id = await few.workstation()
    phone = ResumingDevice(few.server, tunnel_id)
    await phone.connect()
    await phone.cut()
    await workstation.silent("client.disconnected")
    gone = await workstation.next("client.disconnected", deadline=10)
    assert gone["payload"]["device_id"] == "phone"
    await phone.connect()
    assert phone.verdicts == ["new", "new"]
    await phone.cut()


async def test_a_queue_that_was_full_is_a_gap(few: Crowd) -> None:
    workstation, tunnel_id = await few.workstation()
    phone = ResumingDevice(few.server, tunnel_id)
    await phone.connect()
    await phone.cut()
    await talk(workstation, range(9))
    await workstation.settle()
    await phone.connect()
    await phone.settle()
    assert (phone.verdicts, phone.received) == (["new", "gap"], [])
    await phone.cut()


WRONG: list[Any] = [1, [], {"epoch": "e"}, {"epoch": "e", "seq": -1}, {"epoch": 1, "seq": 1}]


async def test_a_cursor_that_is_no_cursor_is_refused(server: Server, crowd: Crowd) -> None:
    _, tunnel_id = await crowd.workstation()
    phone = ResumingDevice(server, tunnel_id)
    for wrong in [*WRONG, {"epoch": "e", "seq": 2**53}]:
        phone.cursor = wrong
        peer = await phone.ask()
        assert (await peer.next("error"))["payload"]["details"].keys() == {"payload.resume"}
        await peer.close()
    phone.cursor = {"epoch": "another", "seq": 7}
    await phone.connect()
    assert phone.verdicts == ["new"]
    await phone.cut()


async def test_a_device_with_a_cursor_from_the_future_is_told_of_a_gap(server: Server, crowd: Crowd) -> None:
    _, tunnel_id = await crowd.workstation()
    phone = ResumingDevice(server, tunnel_id)
    await phone.connect()
    await phone.cut()
    phone.cursor["seq"] += 5
    await phone.connect()
    assert phone.verdicts == ["new", "gap"]
    await phone.cut()


async def test_stay_off_keeps_nothing() -> None:
    with Server(workers=1, env={"STAY": "off"}) as server:
        async with crowd(server) as people:
            workstation, tunnel_id = await people.workstation()
            phone = ResumingDevice(server, tunnel_id)
            assert "resume" not in await phone.connect()
            assert phone.peer is not None
            phone.peer.abort()
            await workstation.next("client.disconnected")


async def test_a_device_resumes_after_reloads_and_kills(mortal: Server) -> None:
    """A kill of the client's worker costs nothing; after one of the home the answer is a gap."""
    async with crowd(mortal) as people:
        here, there = sorted(mortal.worker_pids().values())
        workstation, tunnel_id = await people.workstation(worker=here)
        phone = ResumingDevice(mortal, tunnel_id)
        await phone.connect(there)
        await talk(workstation, range(10))
        await phone.until(9)
        mortal.kill_worker(there)
        assert phone.peer is not None
        await phone.peer.until_closed()
        phone.count()
        await talk(workstation, range(10, 20))
        await phone.connect_again()
        await phone.until(19)
        await phone.cut()
        await reload(mortal)
        await talk(workstation, range(20, 30))
        await phone.connect_again()
        await phone.until(29)
        await phone.settle()
        assert (phone.notes(), phone.verdicts) == (list(range(30)), ["new", "ok", "ok"])
        await reload(mortal)
        await talk(workstation, range(30, 40))
        await phone.until(39)
        await phone.settle()
        assert phone.notes() == list(range(40))
        mortal.kill_worker(mortal.worker_of(workstation))
        await phone.cut()
        workstation = await back(people, tunnel_id)
        await phone.connect_again()
        assert phone.verdicts[3:] == ["gap"]
        await talk(workstation, range(40, 50))
        await phone.until(49)
        await phone.settle()
        await asyncio.gather(phone.cut(), workstation.settle())
        await phone.connect_again()
        assert phone.verdicts[3:] == ["gap", "ok"]
        await phone.cut()
