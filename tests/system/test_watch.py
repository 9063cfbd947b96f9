"""Watches of a running server poll at any worker, and through crashes and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage

from tests.harness import Crowd, Server, crowd, eventually
from tests.patience import PATIENCE, now, patience
from tests.peers import Peer
from tests.system.watches import WatchDevice


@asynccontextmanager
async def watch_at(server: Server, tunnel_id: str, device_id: str = "watch-1") -> AsyncIterator[WatchDevice]:
    async with WatchDevice(server, tunnel_id, device_id) as watch:
        await watch.connect()
        yield watch


@pytest.fixture(scope="module")
def killed() -> Iterator[Server]:
    with Server(workers=2) as running:
        yield running


@pytest.fixture
def mortal(killed: Server) -> Server:
    """Return a server whose processes a test may kill, once it is whole again after the test before."""
    killed.wait_ready()
    return killed


async def talk(workstation: Peer, numbers: range) -> None:
    for number in numbers:
        await workstation.send({"type": "note", "n": number})


def heard(watch: WatchDevice) -> list[int]:
    return [message["n"] for message in watch.data if message.get("type") == "note"]


async def until_heard(watch: WatchDevice, number: int) -> None:
    await watch.poll_while(lambda: number not in heard(watch))


async def back(people: Crowd, tunnel_id: str) -> Peer:
    """Reconnect the workstation; its first socket may still reach the dying worker."""
    async with patience():
        while True:
            try:
                return (await people.workstation(previous=tunnel_id))[0]
            except (OSError, InvalidMessage, ConnectionClosed):
                await asyncio.sleep(0.02)


async def test_a_watch_is_introduced_and_hears_the_workstation(server: Server, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    async with watch_at(server, tunnel_id) as watch:
        introduction = await workstation.next("auth")
        assert introduction["payload"]["device_id"] == "watch-1"
        await talk(workstation, range(20))
        await watch.poll_until(20)
        assert (heard(watch), watch.since, watch.gaps) == (list(range(20)), 20, 0)


async def test_calls_are_answered_by_every_worker(server: Server, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    async with watch_at(server, tunnel_id):
        await talk(workstation, range(3))
        for pid in server.worker_pids().values():
            with server.accepting_only(pid):
                reader = WatchDevice(server, tunnel_id)
                opened = asyncio.create_task(reader.http.get("/state", params=reader.who))
                await asyncio.sleep(0.1)
            assert (await opened).json()["connected"]
            await reader.http.aclose()


async def test_every_poll_of_a_streaming_answer_has_fresh_text(server: Server, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    ages: list[float] = []

    async def answer() -> None:
        while True:
            said = {"streaming_message_id": "answer", "at": now()}
            await workstation.send({"type": "session.output", "payload": said})
            await asyncio.sleep(0.02)

    async with watch_at(server, tunnel_id) as watch:
        streaming = asyncio.create_task(answer())
        await watch.poll_until(1)
        for _ in range(8):
            await asyncio.sleep(0.25)
            before, began = len(watch.data), now()
            await watch.poll()
            assert len(watch.data) == before + 1
            ages.append(began - watch.data[-1]["payload"]["at"])
        streaming.cancel()
        assert sorted(ages)[len(ages) // 2] < 0.3, ages
        assert not watch.numbers_went_back()
        assert watch.gaps == 0


async def test_a_command_and_its_answer(server: Server, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    phone = await crowd.client(tunnel_id)
    async with watch_at(server, tunnel_id) as watch:
        await watch.post("command", message={"type": "history.request", "id": "h1"})
        request = await workstation.next("history.request")
        assert request == {"type": "history.request", "id": "h1", "device_id": "watch-1"}
        await workstation.send({"type": "history.response", "id": "h1"})
        await watch.poll_until(1)
        assert watch.data == [{"type": "history.response", "id": "h1"}]
        await phone.silent("history.response")


async def test_a_disconnect_is_told_to_the_workstation(server: Server, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    async with watch_at(server, tunnel_id) as watch:
        assert (await watch.post("disconnect")).json() == {"success": True}
        left = await workstation.next("client.disconnected")
        assert left["payload"]["device_id"] == "watch-1"


async def test_a_watch_without_its_workstation(server: Server, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    async with watch_at(server, tunnel_id) as watch:
        await workstation.close()
        async with patience():
            while (await watch.state())["workstation_online"]:
                await asyncio.sleep(0.05)
        assert await watch.poll() == 200
        assert not (await watch.connect())["workstation_online"]
        refused = await watch.post("command", message={"type": "sync"})
        assert (refused.status_code, refused.json()["error"]) == (503, "workstation_offline")


async def test_strangers_are_refused(server: Server, crowd: Crowd) -> None:
    _, tunnel_id = await crowd.workstation()
    async with WatchDevice(server, tunnel_id) as watch:
        assert (await watch.post("connect", tunnel_id="unknown-tunnel")).status_code in (404, 503)
        wrong = await watch.post("connect", auth_key="x" * 20)
        assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_auth_key")


async def test_fifty_megabytes_of_voice(server: Server, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    async with watch_at(server, tunnel_id) as watch:
        audio = "a" * (48 << 20)
        answer = await watch.post(
            "command", message={"type": "supervisor.command", "payload": {"audio": audio}}
        )
        assert answer.json() == {"success": True}
        command = await workstation.next("supervisor.command", deadline=20)
        assert command["payload"]["audio"] == audio


async def test_a_body_above_the_limit(server: Server, crowd: Crowd) -> None:
    _, tunnel_id = await crowd.workstation()
    async with WatchDevice(server, tunnel_id) as watch:
        answer = await watch.post("command", message={"type": "x", "payload": "a" * (65 << 20)})
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


async def test_the_homes_crash_loses_nothing_stored_and_announces_a_gap(mortal: Server) -> None:
    async with crowd(mortal) as people:
        workstation, tunnel_id = await people.workstation()
        home = mortal.worker_of(workstation)
        async with watch_at(mortal, tunnel_id) as watch:
            await talk(workstation, range(30))
            await watch.poll_until(10)
            async with patience():
                while (await watch.state())["current_sequence"] < 30:
                    await asyncio.sleep(0.02)
            mortal.kill_worker(home)
            again = await back(people, tunnel_id)
            await talk(again, range(30, 40))
            await watch.poll_until(40)
            assert heard(watch) == list(range(40))
            assert (watch.numbers_went_back(), watch.gaps) == (False, 1)


async def test_the_crash_of_an_offline_tunnels_home(mortal: Server) -> None:
    async with crowd(mortal) as people:
        workstation, tunnel_id = await people.workstation()
        home = mortal.worker_of(workstation)
        async with watch_at(mortal, tunnel_id) as watch:
            await talk(workstation, range(5))
            await watch.poll_until(5)
            await workstation.close()
            mortal.kill_worker(home)
            before = watch.since
            await watch.poll_again()
            assert watch.since > before
            assert (watch.numbers_went_back(), watch.gaps) == (False, 1)
            assert (await watch.state())["connected"]


async def test_a_crash_in_the_middle_of_a_conversation(mortal: Server) -> None:
    """Messages that no poll returned may be lost, but then a gap is announced."""
    async with crowd(mortal) as people:
        workstation, tunnel_id = await people.workstation()
        async with watch_at(mortal, tunnel_id) as watch:
            for life in range(2):
                polling = asyncio.create_task(watch.poll(wait=5))
                await talk(workstation, range(life * 100, life * 100 + 50))
                mortal.kill_worker(mortal.worker_of(workstation))
                await asyncio.gather(polling, return_exceptions=True)
                workstation = await back(people, tunnel_id)
                await talk(workstation, range(life * 100 + 50, life * 100 + 100))
                await until_heard(watch, life * 100 + 99)
            assert heard(watch) == sorted(set(heard(watch)))
            assert watch.gaps >= 1
            assert not watch.numbers_went_back()


async def test_a_rolling_restart_loses_nothing_and_announces_nothing(mortal: Server) -> None:
    async with crowd(mortal) as people:
        workstation, tunnel_id = await people.workstation()
        async with watch_at(mortal, tunnel_id) as watch:
            old = set(mortal.worker_pids().values())
            await talk(workstation, range(10))
            await watch.poll_until(10)
            mortal.control("reload")
            sent = 10
            async with patience(40):
                while old & set(mortal.worker_pids().values()):
                    await talk(workstation, range(sent, sent + 1))
                    sent += 1
                    await watch.poll_until(sent - 3)
            await watch.poll_until(sent)
            assert heard(watch) == list(range(sent))
            assert (watch.numbers_went_back(), watch.gaps, watch.refused) == (False, 0, [])


async def test_an_outage_of_the_bus_delays_and_loses_nothing(mortal: Server) -> None:
    async with crowd(mortal) as people:
        workstation, tunnel_id = await people.workstation()
        async with watch_at(mortal, tunnel_id) as watch:
            await talk(workstation, range(10))
            await watch.poll_until(10)
            nats = mortal.nats_pid()
            mortal.kill_worker(nats)
            await talk(workstation, range(10, 30))
            await eventually(lambda: mortal.nats_pid() not in (None, nats), PATIENCE, "the bus is back")
            await watch.poll_until(30)
            assert heard(watch) == list(range(30))
            assert (watch.numbers_went_back(), watch.gaps) == (False, 0)
