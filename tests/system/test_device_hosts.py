"""A device is locked out of two hosts with two workers each, wherever its sockets are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.harness import AUTH_KEY, Crowd, Peer, Server, crowd
from tests.system.device_keys import Owner, id_of, key_of, refusal
from tests.system.hosts import Hosts
from tests.system.watches import WatchDevice

PATIENCE = 20.0
APART = {"STEERING": "false"}
PROXY = "127.0.0.2"  # the address of a trusted proxy
SIGN_IN = {"TRUST_PROXY": PROXY, "AUTH_HEADER": "Remote-User"}
ANN = [("Remote-User", "ann@example.org")]

Headers = list[tuple[str, str]]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Run two hosts with two workers each; the second one is behind a proxy that knows its users."""
    made = Hosts(tmp_path_factory.mktemp("hosts"), workers=2, env=APART)
    made.servers[1].extra_env.update(SIGN_IN)
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture
async def people(hosts: Hosts) -> AsyncIterator[list[Crowd]]:
    """Make peers at each host; close them after the test."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(crowd(server)) for server in hosts.servers]


async def everywhere(people: list[Crowd], tunnel: str, device_id: str, key: str) -> list[Peer]:
    """Connect one socket of a device to each worker of each host."""
    peers = []
    for one in people:
        for pid in one.server.worker_pids().values():
            peers.append(await one.client(tunnel, device_id=device_id, auth_key=key, worker=pid))
    return peers


async def press(peer: Peer) -> None:
    """Send commands until the socket is closed."""
    while peer.closed is None:
        await peer.send({"type": "session.input", "session_id": "s", "payload": {"data": "x"}})
        await asyncio.sleep(0.001)


async def test_all_sockets_and_the_watch_of_a_revoked_key_end_at_once(people: list[Crowd]) -> None:
    one, two = people
    desk, tunnel = await one.workstation()
    kept = await two.client(tunnel, device_id="kept")
    async with Owner(one.server, tunnel) as owner, WatchDevice(two.server, tunnel, "lost") as watch:
        minted = await owner.mint()
        watch.who["auth_key"] = key_of(minted)
        await watch.connect()
        phones = await everywhere(people, tunnel, "lost", key_of(minted))
        held = {peer.local_port: one.server.worker_of(peer) or two.server.worker_of(peer) for peer in phones}
        assert len(set(held.values())) == 4
        pressing = [asyncio.create_task(press(peer)) for peer in phones]
        polling = asyncio.create_task(watch.poll(wait=20))
        for _ in range(20):
            await desk.next("session.input", PATIENCE)
        assert (await owner.revoke(id_of(minted))).json() == {"success": True}
        await kept.send({"type": "marker"})  # behind everything that was accepted before the answer
        assert [(await peer.until_closed(PATIENCE))[0] for peer in phones] == [1008] * 4
        await asyncio.gather(*pressing, return_exceptions=True)
        assert await polling == 401
        assert (await watch.post("command", message={"type": "session.execute"})).status_code == 401
        assert (await watch.post("connect")).status_code == 401
    await kept.send({"type": "last"})
    await desk.next("last", PATIENCE)
    kinds = [message["type"] for message in desk.seen]
    assert {"session.input", "session.execute"}.isdisjoint(kinds[kinds.index("marker") :])
    assert (await refusal(two.server, tunnel, key_of(minted), "lost"))["code"] == "INVALID_AUTH_KEY"


def signed_in(server: Server, tunnel: str, address: str, headers: Headers) -> httpx.AsyncClient:
    """Return an HTTP client with the owner's key, at this address."""
    owner = [("Authorization", f"Bearer {AUTH_KEY}"), ("X-Tunnel-Id", tunnel), ("X-Device-Id", "owner-1")]
    transport = httpx.AsyncHTTPTransport(local_address=address)
    url = f"{server.url}/api/v1"
    return httpx.AsyncClient(base_url=url, transport=transport, timeout=30, headers=[*owner, *headers])


async def test_keys_are_managed_only_by_users_whom_the_proxy_knows(people: list[Crowd]) -> None:
    _, server = (one.server for one in people)
    _, tunnel = await people[0].workstation()
    async with signed_in(server, tunnel, PROXY, ANN) as ann:
        minted = (await ann.post("/devices", json={"name": "Phone"})).json()
        one = f"/devices/{id_of(minted)}"
        for address, headers in (
            ("127.0.0.1", []),  # past the proxy
            ("127.0.0.1", ANN),  # the header forged
            ("127.0.0.1", [*ANN, ("X-Forwarded-For", PROXY)]),  # the proxy's address forged
            (PROXY, []),  # not signed in
            (PROXY, [("Remote-User", "eve"), *ANN]),  # one of them is the client's
        ):
            async with signed_in(server, tunnel, address, headers) as stranger:
                answers = [
                    await stranger.post("/devices", json={}),
                    await stranger.patch(one, json={"scope": "view"}),
                    await stranger.patch("/tunnel", json={"owner_key": "known"}),
                    await stranger.delete(one),
                ]
                refused = [(answer.status_code, answer.json()["error"]) for answer in answers]
                assert refused == [(403, "forbidden")] * 4, (address, headers)
                assert (await stranger.get("/devices")).json()["devices"][0]["scope"] == "full"
        await people[1].client(tunnel, device_id="phone", auth_key=key_of(minted))  # connecting needs none
        async with Owner(server, tunnel, key_of(minted), "phone") as phone:
            assert (await phone.revoke(id_of(minted))).json() == {"success": True}  # its own key
        second = (await ann.post("/devices", json={})).json()
        assert (await ann.delete(f"/devices/{id_of(second)}")).json() == {"success": True}
        rows = (await ann.get("/audit")).json()["entries"]
    named = [(row["type"], row.get("by")) for row in rows if row["type"] != "device.used"]
    mint, revoke = "device.minted", "device.revoked"
    by = dict(ANN)["Remote-User"]
    expected = [(mint, by), (revoke, None), (mint, by), (revoke, by)]
    assert sorted(named, key=str) == sorted(expected, key=str)  # workers store their own entries
