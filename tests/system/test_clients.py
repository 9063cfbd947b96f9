"""Clients connect, reconnect, wait and leave, whichever worker holds their workstation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import tiflis
from tests.harness import AUTH_KEY, Crowd, Peer, eventually
from tests.patience import PATIENCE
from tests.system.places import Places

WRONG_KEY = "a-wrong-key-of-enough-characters"


def connecting(tunnel_id: str, **changes: Any) -> dict[str, Any]:
    payload = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "phone"} | changes
    return {"type": "connect", "id": "c1", "payload": payload}


async def refused(peer: Peer, tunnel_id: str, **changes: Any) -> str:
    """Return the code of the error that answers this ``connect``."""
    await peer.send(connecting(tunnel_id, **changes))
    error = await peer.next("error")
    assert error["id"] == "c1"
    return str(error["payload"]["code"])


def left(workstation: Peer) -> list[str]:
    return [m["payload"]["device_id"] for m in workstation.seen if m["type"] == "client.disconnected"]


async def test_connected(places: Places) -> None:
    _, client, tunnel_id = await places.pair()
    assert client.seen == [
        {
            "type": "connected",
            "payload": {
                "tunnel_id": tunnel_id,
                "tunnel_version": tiflis.__version__,
                "protocol_version": "1.0.0",
            },
        }
    ]


async def test_refused_then_right_on_the_same_socket(places: Places) -> None:
    _, tunnel_id = await places.workstation()
    peer = await places.socket()
    assert await refused(peer, tunnel_id, auth_key=WRONG_KEY) == "INVALID_AUTH_KEY"
    assert await refused(peer, "unknown-tunnel") == "TUNNEL_NOT_FOUND"
    assert await refused(peer, tunnel_id, device_id="") == "INVALID_PAYLOAD"
    await peer.send(connecting(tunnel_id))
    await peer.next("connected")


async def test_the_key_is_checked_before_online_ness(places: Places) -> None:
    workstation, tunnel_id = await places.workstation()
    await workstation.close()
    peer = await places.socket()
    assert await refused(peer, tunnel_id, auth_key=WRONG_KEY) == "INVALID_AUTH_KEY"


@pytest.mark.parametrize("device_id", ["*", ">", "a.b", "a b", "телефон", "😀", 'quote"', "x" * 512])
async def test_odd_device_ids_are_devices_like_any(crowd: Crowd, device_id: str) -> None:
    workstation, tunnel_id = await crowd.workstation()
    client = await crowd.client(tunnel_id, device_id=device_id)
    bystander = await crowd.client(tunnel_id, device_id="bystander")
    await client.send({"type": "sync", "id": 1})
    assert (await workstation.next("sync"))["device_id"] == device_id
    await workstation.send({"type": "forward.to_device", "device_id": device_id, "payload": '{"type":"x"}'})
    await client.next("x")
    await bystander.silent("x")


async def test_a_device_id_belongs_to_its_tunnel(crowd: Crowd) -> None:
    """The same id on two tunnels is two devices."""
    one, one_id = await crowd.workstation()
    two, two_id = await crowd.workstation()
    first, second = await crowd.client(one_id), await crowd.client(two_id)
    await one.send({"type": "forward.to_device", "device_id": "phone-1", "payload": '{"type":"for one"}'})
    await two.send({"type": "news"})
    await first.next("for one")
    await second.next("news")
    assert len(first.seen) == len(second.seen) == 2
    await first.close()
    await one.next("client.disconnected")
    await two.silent("client.disconnected")


async def test_several_sockets_of_one_device(places: Places) -> None:
    workstation, first, tunnel_id = await places.pair()
    second = await places.client(tunnel_id)
    await workstation.send({"type": "forward.to_device", "device_id": "phone", "payload": '{"type":"x"}'})
    await workstation.send({"type": "news"})
    for socket in (first, second):
        await socket.next("x")
        await socket.next("news")
    await first.close()
    await second.send({"type": "sync"})
    await workstation.next("sync")
    assert left(workstation) == []
    await second.close()
    assert (await workstation.next("client.disconnected"))["payload"] == {
        "device_id": "phone",
        "tunnel_id": tunnel_id,
    }
    await workstation.settle()
    assert left(workstation) == ["phone"]


async def test_a_broken_connection_counts_as_a_close(places: Places) -> None:
    workstation, client, _ = await places.pair()
    client.abort()
    assert (await workstation.next("client.disconnected"))["payload"]["device_id"] == "phone"


async def test_restored(places: Places) -> None:
    workstation, client, tunnel_id = await places.pair()
    await client.close()
    await workstation.next("client.disconnected")
    again = await places.client(tunnel_id, reconnect=True)
    assert again.seen[0]["payload"]["restored"] is True
    stranger = await places.client(tunnel_id, "tablet", reconnect=True)
    assert "restored" not in stranger.seen[0]["payload"]
    plain = await places.client(tunnel_id)
    assert "restored" not in plain.seen[0]["payload"]


async def test_late_connected(places: Places) -> None:
    workstation, tunnel_id = await places.workstation()
    present = await places.client(tunnel_id, "present")
    await workstation.close()
    await present.next("connection.workstation_offline")
    waiting = await places.socket()
    assert await refused(waiting, tunnel_id) == "WORKSTATION_OFFLINE"
    await waiting.send({"type": "sync", "id": "s"})
    error = await waiting.next("error")
    assert (error["id"], error["payload"]["code"]) == ("s", "WORKSTATION_OFFLINE")
    again, _ = await places.workstation(previous=tunnel_id)
    await waiting.next("connected")
    await waiting.send({"type": "sync"})
    assert (await again.next("sync"))["device_id"] == "phone"


async def test_a_waiting_client_may_connect_again(places: Places) -> None:
    workstation, tunnel_id = await places.workstation()
    present = await places.client(tunnel_id, "present")
    await workstation.close()
    await present.next("connection.workstation_offline")
    waiting = await places.socket()
    for _ in range(3):
        assert await refused(waiting, tunnel_id) == "WORKSTATION_OFFLINE"
    again, _ = await places.workstation(previous=tunnel_id)
    await waiting.next("connected")
    await waiting.silent()
    await waiting.close()
    await again.next("client.disconnected", where=lambda m: m["payload"]["device_id"] == "phone")
    assert left(again).count("phone") == 1


async def test_what_is_pipelined_behind_a_connect_is_heard(places: Places) -> None:
    workstation, tunnel_id = await places.workstation()
    for _ in range(5):
        peer = await places.socket()
        await peer.send(connecting(tunnel_id))
        for number in range(20):
            await peer.send({"type": "note", "n": number})
        heard = [(await workstation.next("note"))["n"] for _ in range(20)]
        assert heard == list(range(20))
        await peer.close()


async def test_many_come_and_go(places: Places) -> None:
    """The workstation receives one ``client.disconnected`` for each of the devices."""
    workstation, tunnel_id = await places.workstation()
    clients = [await places.client(tunnel_id, f"device {number % 7}") for number in range(21)]
    await asyncio.gather(*(client.close() for client in clients))
    await eventually(lambda: len(left(workstation)) == 7, PATIENCE, "all devices have left")
    await workstation.settle()
    assert sorted(left(workstation)) == sorted(f"device {number}" for number in range(7))


async def test_only_the_right_one_of_two_tunnels(crowd: Crowd) -> None:
    _, one = await crowd.workstation()
    _, two = await crowd.workstation(auth_key="the-key-of-the-second-tunnel")
    peer = await crowd.socket()
    assert await refused(peer, two) == "INVALID_AUTH_KEY"
    await peer.send(connecting(one))
    await peer.next("connected")
