"""Two servers, as on two hosts, that share only a NATS server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from tests.harness import (
    AUTH_KEY,
    REGISTRATION_KEY,
    Crowd,
    Peer,
    Server,
    connect,
    crowd,
    eventually,
    register,
)
from tests.patience import PATIENCE
from tests.system.hosts import Hosts
from tests.system.streams import Stream, told
from tests.system.watches import WatchDevice
from tiflis.relay.auth.rate_limit import LOOKS_A_PAIR

USER = 'user: "tiflis", password: "p@ss/word"'
CREDENTIALS = {
    "token": ('token: "canary-bus-token-7f3a"', "canary-bus-token-7f3a"),
    "user and password": (USER, "tiflis:p%40ss%2Fword"),
}


@pytest.fixture(scope="module", params=list(CREDENTIALS))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    authorization, credentials = CREDENTIALS[request.param]
    folder = tmp_path_factory.mktemp("site")
    made = Hosts(folder, authorization=authorization, credentials=credentials)
    try:
        made.start()
        yield made
    finally:
        made.end()


async def across(site: Hosts, people: list[Crowd]) -> tuple[Peer, Peer, str]:
    workstation, tunnel_id = await people[0].workstation()
    return workstation, await people[1].client(tunnel_id, device_id="phone"), tunnel_id


async def test_everything_at_once(site: Hosts) -> None:
    """Streams, a big message and a watch, with the workstation on one host and the devices on the other."""
    one, two = site.servers
    async with crowd(one) as here, crowd(two) as there:
        workstation, client, tunnel_id = await across(site, [here, there])
        async with Stream(client, "client") as up, Stream(workstation, "workstation") as down:
            await workstation.send({"type": "voice", "x": "x" * 5_000_000})
            await client.send({"type": "voice", "x": "y" * 5_000_000})
            assert len((await client.next("voice", 10))["x"]) == 5_000_000
            assert len((await workstation.next("voice", 10))["x"]) == 5_000_000
        await up.all_heard(workstation)
        await down.all_heard(client)
        async with WatchDevice(two, tunnel_id) as watch:
            assert (await watch.connect())["workstation_online"]
            await watch.post("command", message={"type": "sync", "id": "w"})
            assert (await workstation.next("sync"))["device_id"] == "watch-1"
            await workstation.send({"type": "sync.state", "id": "w"})
            await watch.poll_until(1)
            assert watch.data == [{"type": "sync.state", "id": "w"}]
            await watch.post("disconnect")


async def test_the_workstation_reconnects_at_the_other_host(site: Hosts) -> None:
    one, two = site.servers
    async with crowd(one) as here, crowd(two) as there:
        old, client, tunnel_id = await across(site, [here, there])
        near = await here.client(tunnel_id, device_id="near")
        async with Stream(client, "client") as far_stream, Stream(near, "near") as near_stream:
            await asyncio.sleep(0.1)
            new, same = await there.workstation(previous=tunnel_id)
            await asyncio.sleep(0.1)
        assert same == tunnel_id
        await far_stream.all_heard(old, new)
        await near_stream.all_heard(old, new)
        assert told(client) == told(near) == ["connection.workstation_online"]
        assert old.closed is None


async def test_wrong_keys_at_one_host_count_at_the_other(site: Hosts) -> None:
    one, two = site.servers
    async with crowd(one) as people:
        _, tunnel_id = await people.workstation()
        for _ in range(LOOKS_A_PAIR):
            assert await wrong_key(one, tunnel_id) == "INVALID_AUTH_KEY"
        assert "RATE_LIMITED" in [await wrong_key(two, tunnel_id) for _ in range(LOOKS_A_PAIR - 1)]


async def wrong_key(server: Server, tunnel_id: str) -> str:
    """Return the code of the answer to a wrong key."""
    peer = await Peer.open(server)
    wrong = {"tunnel_id": tunnel_id, "auth_key": "wrong-key-0123456789", "device_id": "guess"}
    await peer.send({"type": "connect", "payload": wrong})
    answer = await peer.next()
    await peer.close()
    return str(answer["payload"]["code"])


async def test_hosts_that_race_for_one_id(site: Hosts) -> None:
    one, two = site.servers
    async with crowd(one) as here, crowd(two) as there:
        peers = [await people.socket() for people in (here, there) * 4]
        for number, peer in enumerate(peers):
            payload = {
                "api_key": REGISTRATION_KEY,
                "name": "d",
                "auth_key": f"key-number-{number}-0123456789",
            }
            payload |= {"reconnect": True, "previous_tunnel_id": "wanted"}  # type: ignore[dict-item]
            await peer.send({"type": "workstation.register", "payload": payload})
        ids = [(await peer.next("workstation.registered"))["payload"]["tunnel_id"] for peer in peers]
        assert (ids.count("wanted"), len(set(ids))) == (1, 8)


async def test_the_shared_bus_restarts(site: Hosts) -> None:
    one, two = site.servers
    async with crowd(one) as here, crowd(two) as there:
        workstation, client, _ = await across(site, [here, there])
        async with Stream(client, "client") as up, Stream(workstation, "workstation") as down:
            await asyncio.sleep(0.1)
            site.nats.kill()
            await asyncio.sleep(0.3)
            await asyncio.to_thread(site.nats.start)
            await asyncio.sleep(0.1)
        await up.all_heard(workstation)
        await down.all_heard(client)
        assert told(client) == []
        await eventually(
            lambda: one.status("/readyz") == two.status("/readyz") == 200, PATIENCE, "both are ready"
        )


async def test_health_counts_both_hosts(site: Hosts) -> None:
    one, two = site.servers
    async with crowd(one) as here, crowd(two) as there:
        await across(site, [here, there])
        await eventually(
            lambda: {online(server) for server in site.servers} == {(1, 1)}, 5, "all are counted"
        )


def online(server: Server) -> tuple[int, int]:
    """Return the numbers of workstations and clients from /health."""
    connections = json.loads(server.get("/health")[1])["connections"]
    return connections["workstations"], connections["clients"]


async def test_one_host_dies(site: Hosts) -> None:
    """This is the last test of the file, because it leaves one server dead."""
    one, two = site.servers
    workstation, tunnel_id = await register(one)
    client = await connect(two, tunnel_id)
    one.kill_everything()
    await workstation.until_closed()
    await client.next("connection.workstation_offline", 8)
    again, same = await register(two, previous=tunnel_id)
    assert same == tunnel_id
    await client.next("connection.workstation_online")
    await client.send({"type": "sync"})
    await again.next("sync")
    late = await connect(two, tunnel_id, auth_key=AUTH_KEY, device_id="late")
    for peer in (again, client, late):
        await peer.close()
