"""Workstations register their tunnels (protocol, section 2)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.harness import AUTH_KEY, REGISTRATION_KEY, Crowd, Peer, Server, crowd, register
from tests.patience import patience
from tests.system.watches import WatchDevice

OTHER_KEY = "somebody-elses-key-0123456789"


async def registered(people: Crowd, worker: int | None = None, **payload: Any) -> tuple[Peer, dict[str, Any]]:
    """Return a workstation and the payload of its ``workstation.registered``."""
    peer = await people.socket(worker=worker)
    fields = {"api_key": REGISTRATION_KEY, "name": "desk", "auth_key": AUTH_KEY} | payload
    await peer.send({"type": "workstation.register", "payload": fields})
    return peer, (await peer.next("workstation.registered"))["payload"]


async def test_a_new_tunnel(crowd: Crowd) -> None:
    _, said = await registered(crowd)
    assert set(said) == {"tunnel_id", "public_url"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{12}", said["tunnel_id"])
    url = urlsplit(said["public_url"])
    assert (url.scheme, url.netloc, url.path) == ("ws", f"127.0.0.1:{crowd.server.port}", "/ws")


async def test_everyone_gets_another_tunnel(crowd: Crowd) -> None:
    ids = [(await registered(crowd))[1]["tunnel_id"] for _ in range(5)]
    assert len(set(ids)) == 5


@pytest.mark.parametrize("online", [True, False])
async def test_the_same_id_for_the_same_key(crowd: Crowd, online: bool) -> None:
    first, said = await registered(crowd)
    if not online:
        await first.close()
    _, again = await registered(crowd, reconnect=True, previous_tunnel_id=said["tunnel_id"])
    assert again["tunnel_id"] == said["tunnel_id"]
    assert again["restored"] is True


@pytest.mark.parametrize("online", [True, False])
async def test_a_tunnel_cannot_be_stolen(crowd: Crowd, online: bool) -> None:
    owner, said = await registered(crowd)
    if not online:
        await owner.close()
    _, thief = await registered(
        crowd, reconnect=True, previous_tunnel_id=said["tunnel_id"], auth_key=OTHER_KEY
    )
    assert thief["tunnel_id"] != said["tunnel_id"]
    assert "restored" not in thief
    _, back = await registered(crowd, reconnect=True, previous_tunnel_id=said["tunnel_id"])
    assert (back["tunnel_id"], back["restored"]) == (said["tunnel_id"], True)


async def test_an_unknown_id_is_reclaimed(crowd: Crowd) -> None:
    _, said = await registered(crowd, reconnect=True, previous_tunnel_id="from-before-1")
    assert said["tunnel_id"] == "from-before-1"
    assert "restored" not in said


@pytest.mark.parametrize("previous", ["", "*", ">", "a.b", "a b", "a\r\nb", "é", "x" * 65, "x" * 10_000])
async def test_an_impossible_previous_id_is_treated_as_absent(crowd: Crowd, previous: str) -> None:
    _, said = await registered(crowd, reconnect=True, previous_tunnel_id=previous)
    assert re.fullmatch(r"[A-Za-z0-9_-]{12}", said["tunnel_id"])


async def test_without_reconnect_the_previous_id_is_ignored(crowd: Crowd) -> None:
    _, said = await registered(crowd)
    _, other = await registered(crowd, previous_tunnel_id=said["tunnel_id"])
    assert other["tunnel_id"] != said["tunnel_id"]


@pytest.mark.parametrize("attempt", range(3))
async def test_workers_that_race_for_one_id(apart: Server, attempt: int) -> None:
    """Ten workstations with ten keys request the same unknown id at both workers: exactly one gets it."""
    async with crowd(apart) as people:
        wanted = f"wanted-{attempt}"
        pids = sorted(apart.worker_pids().values())
        peers = [await people.socket(worker=pids[number % 2]) for number in range(10)]
        for number, peer in enumerate(peers):
            payload = {
                "api_key": REGISTRATION_KEY,
                "name": "desk",
                "auth_key": f"key-of-number-{number}-0123456789",
                "reconnect": True,
                "previous_tunnel_id": wanted,
            }
            await peer.send({"type": "workstation.register", "payload": payload})
        answers = [await peer.next("workstation.registered") for peer in peers]
        ids = [answer["payload"]["tunnel_id"] for answer in answers]
        assert ids.count(wanted) == 1
        assert len(set(ids)) == 10


async def test_one_workstation_that_races_with_itself(apart: Server) -> None:
    """Its sockets at both workers register at once: all are answered, and one is the workstation."""
    async with crowd(apart) as people:
        pids = sorted(apart.worker_pids().values())
        first, said = await registered(people, worker=pids[0])
        client = await people.client(said["tunnel_id"], worker=pids[1])
        peers = [await people.socket(worker=pid) for pid in pids * 2]
        for peer in peers:
            payload = {"api_key": REGISTRATION_KEY, "name": "desk", "auth_key": AUTH_KEY}
            payload |= {"reconnect": True, "previous_tunnel_id": said["tunnel_id"]}  # type: ignore[dict-item]
            await peer.send({"type": "workstation.register", "payload": payload})
        answers = [(await peer.next("workstation.registered", 10))["payload"] for peer in peers]
        assert {answer["tunnel_id"] for answer in answers} == {said["tunnel_id"]}
        await client.send({"type": "note", "n": 1})
        async with patience():
            while not (heard := [peer for peer in [first, *peers] if peer.unread("note")]):
                await asyncio.sleep(0.01)
        assert len(heard) == 1
        assert all(peer.closed is None for peer in [first, *peers])


async def test_the_name_is_updated(crowd: Crowd) -> None:
    _, said = await registered(crowd, name="old name")
    await registered(crowd, name="new name", reconnect=True, previous_tunnel_id=said["tunnel_id"])
    async with WatchDevice(crowd.server, said["tunnel_id"]) as watch:
        assert (await watch.connect())["workstation_name"] == "new name"


async def test_space_around_the_auth_key_does_not_count(crowd: Crowd) -> None:
    _, said = await registered(crowd, auth_key=f"  {AUTH_KEY}\n")
    await crowd.client(said["tunnel_id"], auth_key=AUTH_KEY)


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"api_key": "x" * 32}, "INVALID_API_KEY", ""),
    ({"api_key": "short"}, "INVALID_PAYLOAD", "payload.api_key"),
    ({"name": ""}, "INVALID_PAYLOAD", "payload.name"),
    ({"auth_key": " " * 40}, "INVALID_PAYLOAD", "payload.auth_key"),
    ({"auth_key": None}, "INVALID_PAYLOAD", "payload.auth_key"),
    ({"reconnect": "yes"}, "INVALID_PAYLOAD", "payload.reconnect"),
]


@pytest.mark.parametrize(("changes", "code", "field"), REFUSALS)
async def test_refused_and_then_right_on_the_same_socket(
    crowd: Crowd, changes: dict[str, Any], code: str, field: str
) -> None:
    peer = await crowd.socket()
    payload = {"api_key": REGISTRATION_KEY, "name": "desk", "auth_key": AUTH_KEY}
    await peer.send({"type": "workstation.register", "id": "r1", "payload": payload | changes})
    error = await peer.next("error")
    assert (error["id"], error["payload"]["code"]) == ("r1", code)
    assert set(error["payload"].get("details", {})) == ({field} if field else set())
    await peer.send({"type": "workstation.register", "payload": payload})
    await peer.next("workstation.registered")


async def test_a_role_is_taken_once(crowd: Crowd) -> None:
    workstation, said = await registered(crowd)
    client = await crowd.client(said["tunnel_id"])
    payload = {"api_key": REGISTRATION_KEY, "name": "desk", "auth_key": AUTH_KEY}
    connecting = {"tunnel_id": said["tunnel_id"], "auth_key": AUTH_KEY, "device_id": "d"}
    for peer in (workstation, client):
        for message in (
            {"type": "workstation.register", "payload": payload},
            {"type": "connect", "payload": connecting},
        ):
            await peer.send({**message, "id": 1})
            error = await peer.next("error")
            assert (error["id"], error["payload"]["code"]) == (1, "INVALID_PAYLOAD")
    await client.send({"type": "sync"})
    await workstation.next("sync")


# Restarts and rotations


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


async def restored(server: Server, tunnel_id: str, api_key: str) -> bool:
    peer, same = await register(server, previous=tunnel_id, api_key=api_key)
    said = peer.seen[0]["payload"]
    await peer.close()
    return same == tunnel_id and said.get("restored") is True


async def test_tunnels_outlive_all_processes_and_a_rotation_of_keys(folder: Path) -> None:
    """The old key, then both with the new one first, then the new one alone: the record was sealed again."""
    old, new = REGISTRATION_KEY, "the-new-registration-key-0123456789abcdef"
    name = "TUNNEL_REGISTRATION_API_KEY"
    with Server(workers=1, folder=folder) as first:
        peer, tunnel_id = await register(first)
        await peer.close()
    with Server(workers=1, folder=folder, env={name: f"{new}, {old}"}, port=first.port) as second:
        client = await Peer.open(second)
        payload = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "d"}
        await client.send({"type": "connect", "payload": payload})
        assert (await client.next("error"))["payload"]["code"] == "WORKSTATION_OFFLINE"
        await client.close()
        assert await restored(second, tunnel_id, old)
    with Server(workers=1, folder=folder, env={name: new}, port=first.port) as third:
        assert await restored(third, tunnel_id, new)
        wrong = await Peer.open(third)
        await wrong.send(
            {"type": "workstation.register", "payload": {"api_key": old, "name": "x", "auth_key": AUTH_KEY}}
        )
        assert (await wrong.next("error"))["payload"]["code"] == "INVALID_API_KEY"
        await wrong.close()


async def test_an_id_that_never_had_a_device_is_soon_forgotten_and_others_are_not() -> None:
    with Server(
        workers=2, env={"UNTOUCHED_MEMORY": "1", "ATTEMPTS_AN_ADDRESS": "200", "ATTEMPTS_A_TUNNEL": "200"}
    ) as server:
        async with crowd(server) as people:
            used, used_id = await people.workstation()
            await people.client(used_id)
            unused, unused_id = await people.workstation()
            await used.close()
            await unused.close()
            deadline = asyncio.get_running_loop().time() + 20
            while await code_of(server, unused_id) != "TUNNEL_NOT_FOUND":
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.2)
            assert await code_of(server, used_id) == "INVALID_AUTH_KEY"


async def code_of(server: Server, tunnel_id: str) -> str:
    """Return the error code for a device with a wrong key."""
    peer = await Peer.open(server)
    payload = {"tunnel_id": tunnel_id, "auth_key": "a wrong key of some length", "device_id": "stranger"}
    try:
        await peer.send({"type": "connect", "payload": payload})
        return str((await peer.next("error"))["payload"]["code"])
    finally:
        await peer.close()
