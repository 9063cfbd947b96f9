"""Wrong keys at a running server are counted over all workers, and over WebSocket and HTTP together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.harness import Crowd, Server
from tests.harness import crowd as at
from tests.patience import WALL_PATIENCE, within
from tests.peers import AUTH_KEY, REGISTRATION_KEY, Peer
from tiflis.bus import subjects
from tiflis.bus.nats.client import NatsClient
from tiflis.relay.auth.rate_limit import LOOKS_A_PAIR, LOOKS_A_TUNNEL

WRONG = "wrong-key-0123456789-wrong-key-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a server that trusts the client's claim about its address, so that one machine can act as many."""
    with Server(workers=2, env={"TRUST_PROXY": "true"}) as running:
        yield running


@pytest.fixture
async def crowd(server: Server) -> AsyncIterator[Crowd]:
    async with at(server) as people:
        yield people


def at_address(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def try_socket(server: Server, message: dict[str, Any], address: str) -> str:
    peer = await Peer.open(server, headers=at_address(address))
    try:
        await peer.send(message)
        answer = await peer.next()
        return str(answer["payload"].get("code", answer["type"]))
    finally:
        await peer.close()


def connecting(tunnel_id: str, key: str, device_id: str = "d") -> dict[str, Any]:
    return {"type": "connect", "payload": {"tunnel_id": tunnel_id, "auth_key": key, "device_id": device_id}}


def registering(key: str, auth_key: str = AUTH_KEY, previous: str | None = None) -> dict[str, Any]:
    payload: dict[str, Any] = {"api_key": key, "name": "x", "auth_key": auth_key}
    if previous is not None:
        payload |= {"reconnect": True, "previous_tunnel_id": previous}
    return {"type": "workstation.register", "payload": payload}


async def try_watch(http: httpx.AsyncClient, tunnel_id: str, key: str, address: str) -> str:
    who = {"tunnel_id": tunnel_id, "auth_key": key, "device_id": "d"}
    response = await http.post("/api/v1/watch/connect", json=who, headers=at_address(address))
    if response.status_code == 429:
        assert int(response.headers["retry-after"]) > 0
    return str(response.json().get("error", "success"))


async def test_both_ways_in_and_all_workers_share_ten_looks_a_minute(server: Server, crowd: Crowd) -> None:
    _, tunnel_id = await crowd.workstation()
    async with httpx.AsyncClient(base_url=server.url, timeout=WALL_PATIENCE) as http:
        tries = [try_watch(http, tunnel_id, WRONG, "203.0.113.1") for _ in range(100)]
        tries += [try_socket(server, connecting(tunnel_id, WRONG), "203.0.113.1") for _ in range(50)]
        seen = Counter(await asyncio.gather(*tries))
        assert seen["invalid_auth_key"] + seen["INVALID_AUTH_KEY"] == LOOKS_A_PAIR
        assert seen["rate_limited"] + seen["RATE_LIMITED"] == 150 - LOOKS_A_PAIR
        # Now even the right key is refused from there, but not from elsewhere or for other tunnels.
        assert await try_watch(http, tunnel_id, AUTH_KEY, "203.0.113.1") == "rate_limited"
        assert await try_watch(http, tunnel_id, AUTH_KEY, "203.0.113.2") == "success"
        _, other_tunnel = await crowd.workstation()
        assert await try_watch(http, other_tunnel, AUTH_KEY, "203.0.113.1") == "success"


async def test_registration_keys_are_counted_by_address(server: Server) -> None:
    tries = [try_socket(server, registering(WRONG), "203.0.113.3") for _ in range(40)]
    seen = Counter(await asyncio.gather(*tries))
    assert (seen["INVALID_API_KEY"], seen["RATE_LIMITED"]) == (LOOKS_A_PAIR, 40 - LOOKS_A_PAIR)
    assert await try_socket(server, registering(REGISTRATION_KEY), "203.0.113.4") == "workstation.registered"


async def test_auth_keys_cannot_be_guessed_through_registration(server: Server, crowd: Crowd) -> None:
    _, tunnel_id = await crowd.workstation()
    guess = registering(REGISTRATION_KEY, WRONG, tunnel_id)
    seen = Counter(await asyncio.gather(*(try_socket(server, guess, "203.0.113.20") for _ in range(20))))
    assert (seen["workstation.registered"], seen["RATE_LIMITED"]) == (LOOKS_A_PAIR, 20 - LOOKS_A_PAIR)
    right = registering(REGISTRATION_KEY, AUTH_KEY, tunnel_id)
    assert await try_socket(server, right, "203.0.113.20") == "RATE_LIMITED", "and no new id"
    assert await try_socket(server, right, "203.0.113.21") == "workstation.registered"


async def test_a_wrong_auth_message_counts_like_any_other_key(server: Server, crowd: Crowd) -> None:
    _, tunnel_id = await crowd.workstation()
    peer = await Peer.open(server, headers=at_address("203.0.113.22"))
    await peer.send(connecting(tunnel_id, AUTH_KEY))
    seen = [str((await peer.next())["type"])]
    for _ in range(LOOKS_A_PAIR + 1):
        await peer.send({"type": "auth", "payload": {"auth_key": WRONG, "device_id": "d"}})
        seen.append(str((await peer.next())["payload"]["code"]))
    assert seen == ["connected", *["INVALID_AUTH_KEY"] * LOOKS_A_PAIR, "RATE_LIMITED"]
    await peer.close()


async def test_the_known_get_in_while_their_own_address_attacks(server: Server, crowd: Crowd) -> None:
    """They also get in after a restart of the whole server."""
    address = "203.0.113.30"
    workstation, tunnel_id = await crowd.workstation()
    await workstation.close()
    back = registering(REGISTRATION_KEY, AUTH_KEY, tunnel_id)
    assert await try_socket(server, back, address) == "workstation.registered"
    assert await try_socket(server, connecting(tunnel_id, AUTH_KEY, "phone"), address) != "RATE_LIMITED"
    for restarted in (False, True):
        if restarted:
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
        for _ in range(LOOKS_A_PAIR + 1):
            await try_socket(server, connecting(tunnel_id, WRONG, "thief"), address)
            await try_socket(server, registering(WRONG), address)
        assert await try_socket(server, registering(REGISTRATION_KEY), address) == "RATE_LIMITED"
        assert await try_socket(server, back, address) == "workstation.registered"
        assert await try_socket(server, connecting(tunnel_id, AUTH_KEY, "phone"), address) in {
            "connected",
            "WORKSTATION_OFFLINE",
        }
        assert await try_socket(server, connecting(tunnel_id, AUTH_KEY, "new"), address) == "RATE_LIMITED"


async def test_an_attack_from_everywhere_spares_those_who_live_there(server: Server, crowd: Crowd) -> None:
    _, tunnel_id = await crowd.workstation()
    assert await try_socket(server, connecting(tunnel_id, AUTH_KEY), "198.51.100.7") == "connected"
    async with httpx.AsyncClient(base_url=server.url, timeout=WALL_PATIENCE) as http:
        tries = [try_watch(http, tunnel_id, WRONG, f"10.1.{n // 250}.{n % 250}") for n in range(200)]
        seen = Counter(await asyncio.gather(*tries))
        assert (seen["invalid_auth_key"], seen["rate_limited"]) == (LOOKS_A_TUNNEL, 200 - LOOKS_A_TUNNEL)
        assert await try_watch(http, tunnel_id, AUTH_KEY, "198.51.100.99") == "rate_limited"
        assert await try_watch(http, tunnel_id, AUTH_KEY, "198.51.100.7") == "success"


async def test_many_right_keys_at_once_are_no_attack(server: Server, crowd: Crowd) -> None:
    _, tunnel_id = await crowd.workstation()
    async with httpx.AsyncClient(base_url=server.url, timeout=WALL_PATIENCE) as http:
        tries = [try_watch(http, tunnel_id, AUTH_KEY, "203.0.113.9") for _ in range(50)]
        tries += [
            try_socket(server, connecting(tunnel_id, AUTH_KEY, f"d{n}"), "203.0.113.9") for n in range(50)
        ]
        assert set(await asyncio.gather(*tries)) == {"success", "connected"}


async def test_a_single_host_sends_no_notes_about_keys(server: Server, crowd: Crowd) -> None:
    notes: asyncio.Queue[bytes] = asyncio.Queue()
    link = NatsClient((server.run_dir / "bus.url").read_text().strip(), "test")
    await link.start()
    link.subscribe(subjects.LIMITS, lambda _, data: notes.put_nowait(data))
    link.publish(subjects.LIMITS, b"subscribed")
    assert await within(notes.get()) == b"subscribed"
    _, tunnel_id = await crowd.workstation()
    await crowd.client(tunnel_id)
    assert await try_socket(server, connecting(tunnel_id, WRONG), "203.0.113.30") == "INVALID_AUTH_KEY"
    await crowd.workstation()  # the worker sends later messages after earlier ones
    link.publish(subjects.LIMITS, b"last")
    assert await within(notes.get()) == b"last"
    await link.close()
