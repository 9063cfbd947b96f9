"""Messages reach the right peers in order (protocol, sections 3 and 4), in whichever workers they are."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from tests.harness import AUTH_KEY, Crowd, Peer, eventually
from tests.patience import PATIENCE
from tests.system.places import Places

ONLINE = ["connection.workstation_online", "workstation.status"]


def types(peer: Peer, *wanted: str) -> list[str]:
    return [message["type"] for message in peer.seen if message["type"] in wanted]


async def test_text_arrives_as_it_was_sent(places: Places) -> None:
    """Numbers keep their digits, escapes and spaces remain; only ``device_id`` is set, at the end."""
    workstation, client, _ = await places.pair()
    text = '{ "type":"sync", "n":1.000,"big":123456789012345678901234567890,"u":"\\u00e9\\ud800","e":1E5 }'
    await client.send(text)
    await workstation.next("sync")
    assert workstation.raw[-1] == text[:-1] + ',"device_id":"phone"}'
    await workstation.send(text)
    await client.next("sync")
    assert client.raw[-1] == text


async def test_binary_frames_are_accepted_and_text_is_sent(places: Places) -> None:
    workstation, client, _ = await places.pair()
    await client.send(b'{"type":"sync","n":1}')
    await workstation.next("sync")
    await workstation.send(b'{"type":"news"}')
    await client.next("news")
    assert client.kinds == workstation.kinds == {str}


async def test_bytes_that_are_no_text_are_refused_and_close_nobody(places: Places) -> None:
    """If they were relayed as text, the receiver would close with 1007."""
    workstation, client, _ = await places.pair()
    for sender in (client, workstation):
        for text in (
            b'{"type":"sync","x":"\xff"}',
            b'{"type":"sync","id":"\xc3"}',
            '{"type":"屵"}'.encode("utf-16-be"),
        ):
            await sender.send(text)
            assert (await sender.next("error"))["payload"]["code"] == "INVALID_PAYLOAD"
    await workstation.silent()
    await client.silent()


@pytest.mark.parametrize(
    "spelling",
    [
        '{"type":"sync","device_id":"tablet"}',
        '{"device_id":"tablet","type":"sync"}',
        '{"type":"sync","device_id":"a","device_id":"tablet"}',
        '{"type":"sync","\\u0064evice_id":"tablet"}',
        '{"type":"sync","device_id":"tablet"} \r\n\t',
        '{"type":"sync","device_id":null}',
        '{"type":"sync","device_id":{"device_id":"x"}}',
        '{"type":"sync","x":"\\ud800","device_id":"tablet"}',
    ],
)
async def test_a_client_cannot_speak_for_another_device(crowd: Crowd, spelling: str) -> None:
    workstation, tunnel_id = await crowd.workstation()
    client = await crowd.client(tunnel_id, device_id="phone")
    await client.send(spelling)
    assert (await workstation.next("sync"))["device_id"] == "phone"


async def test_answers_go_to_the_asker_alone(places: Places) -> None:
    workstation, phone, tunnel_id = await places.pair()
    second, tablet = await places.client(tunnel_id), await places.client(tunnel_id, "tablet")
    for kind, answer in (
        ("history.request", "history.response"),
        ("audio.request", "audio.response"),
        ("session.execute", "response"),
        ("session.cancel", "error"),
    ):
        await phone.send({"type": kind, "id": f"id of {kind}"})
        await workstation.next(kind)
        await workstation.send({"type": answer, "id": f"id of {kind}", "payload": {}})
        await phone.next(answer)
        await second.next(answer)
    await workstation.send({"type": "news"})
    await tablet.next("news")
    assert types(tablet, "history.response", "audio.response", "response", "error") == []


async def test_auth_goes_to_the_workstation_and_its_success_to_the_device(places: Places) -> None:
    workstation, phone, tunnel_id = await places.pair()
    tablet = await places.client(tunnel_id, "tablet")
    await phone.send({"type": "auth", "payload": {"auth_key": AUTH_KEY, "device_id": "phone"}})
    assert (await workstation.next("auth"))["payload"] == {"auth_key": AUTH_KEY, "device_id": "phone"}
    await workstation.send({"type": "auth.success", "payload": {"device_id": "phone"}})
    await workstation.send({"type": "news"})
    await phone.next("auth.success")
    await tablet.next("news")
    assert types(tablet, "auth.success") == []


async def test_a_wrong_auth_is_answered_by_the_server(places: Places) -> None:
    workstation, phone, tunnel_id = await places.pair()
    tablet = await places.client(tunnel_id, "tablet")
    for payload in (
        {"auth_key": "x" * 20, "device_id": "phone"},
        {"auth_key": AUTH_KEY, "device_id": "tablet"},
    ):
        await phone.send({"type": "auth", "payload": payload})
        assert (await phone.next("auth.error"))["payload"]["code"] == "INVALID_AUTH_KEY"
    await phone.send({"type": "sync"})
    await workstation.next("sync")
    assert types(workstation, "auth") == []
    await tablet.silent("auth.error")


async def test_a_re_registration_is_announced_and_devices_are_introduced(places: Places) -> None:
    old, phone, tunnel_id = await places.pair()
    second, tablet = await places.client(tunnel_id), await places.client(tunnel_id, "tablet")
    new, _ = await places.workstation(previous=tunnel_id)
    for client in (phone, second, tablet):
        for kind in ONLINE:
            await client.next(kind)
        assert types(client, "connection.workstation_offline") == []
    await eventually(lambda: len(types(new, "auth")) == 2, PATIENCE, "both devices are introduced")
    await new.settle()
    introduced = [m["payload"] for m in new.seen if m["type"] == "auth"]
    assert sorted(who["device_id"] for who in introduced) == ["phone", "tablet"]
    assert {who["auth_key"] for who in introduced} == {AUTH_KEY}
    await old.settle()
    assert old.closed is None


async def test_offline_and_online_are_announced_once_each(places: Places) -> None:
    workstation, phone, tunnel_id = await places.pair()
    for _ in range(2):
        await workstation.close()
        offline = await phone.next("connection.workstation_offline")
        assert offline["payload"] == {"tunnel_id": tunnel_id}
        assert (await phone.next("workstation.status"))["payload"] == {"online": False}
        workstation, _ = await places.workstation(previous=tunnel_id)
        online = await phone.next("connection.workstation_online")
        assert online["payload"] == {"tunnel_id": tunnel_id}
        assert (await phone.next("workstation.status"))["payload"] == {"online": True}
    await phone.silent()


async def test_while_offline_every_message_is_answered(places: Places) -> None:
    workstation, phone, _ = await places.pair()
    await workstation.close()
    await phone.next("connection.workstation_offline")
    for number in range(5):
        await phone.send({"type": "sync", "id": number})
    errors = [await phone.next("error") for _ in range(5)]
    assert [(error["id"], error["payload"]["code"]) for error in errors] == [
        (number, "WORKSTATION_OFFLINE") for number in range(5)
    ]
    await phone.send({"type": "sync"})
    assert "id" not in await phone.next("error")


async def test_a_flapping_workstation_is_not_announced_and_loses_nothing(places: Places) -> None:
    workstation, phone, tunnel_id = await places.pair()
    heard: list[int] = []
    for flap in range(4):
        await workstation.close()
        for number in range(3):
            await phone.send({"type": "note", "n": flap * 3 + number})
        workstation, _ = await places.workstation(previous=tunnel_id)
        heard += [(await workstation.next("note"))["n"] for _ in range(3)]
    assert heard == list(range(12))
    await phone.silent()


async def stream(sender: Peer, name: str, count: int, chance: random.Random) -> None:
    for number in range(count):
        size = chance.choice([0, 10, 200, 200, 5_000, 300_000 if number % 20 == 0 else 50])
        await sender.send({"type": "note", "from": name, "n": number, "x": "x" * size})


def notes(peer: Peer, name: str) -> list[int]:
    return [m["n"] for m in peer.seen if m["type"] == "note" and m["from"] == name]


async def test_everything_arrives_once_and_in_order(places: Places) -> None:
    workstation, phone, tunnel_id = await places.pair()
    tablet = await places.client(tunnel_id, "tablet")
    chance, count = random.Random(5), 150
    senders = [(workstation, "station"), (phone, "phone"), (tablet, "tablet")]
    await asyncio.gather(*(stream(peer, name, count, chance) for peer, name in senders))
    everyone = [(phone, "station"), (tablet, "station"), (workstation, "phone"), (workstation, "tablet")]
    for hearer, name in everyone:
        await eventually(lambda hearer=hearer, name=name: len(notes(hearer, name)) >= count, 10, name)  # type: ignore[misc]  # mypy cannot tell the type of defaults
        assert notes(hearer, name) == list(range(count))


async def test_tunnels_do_not_mix(crowd: Crowd) -> None:
    tunnels = []
    for number in range(6):
        workstation, tunnel_id = await crowd.workstation()
        tunnels.append((number, workstation, await crowd.client(tunnel_id)))

    async def talk(number: int, workstation: Peer, client: Peer) -> None:
        for _ in range(50):
            await workstation.send({"type": "down", "tunnel": number})
            await client.send({"type": "up", "tunnel": number})
        for _ in range(50):
            await workstation.next("up")
            await client.next("down")

    await asyncio.gather(*(talk(*tunnel) for tunnel in tunnels))
    for number, workstation, client in tunnels:
        seen = [m["tunnel"] for peer in (workstation, client) for m in peer.seen if "tunnel" in m]
        assert set(seen) == {number}


PINGS: list[Any] = [0, 1737000000000, 1.5, -3, 12345678901234567890]


@pytest.mark.parametrize("role", ["newcomer", "client", "workstation"])
async def test_pings_of_every_role(crowd: Crowd, role: str) -> None:
    workstation, tunnel_id = await crowd.workstation()
    peer = workstation
    if role != "workstation":
        peer = await (crowd.socket() if role == "newcomer" else crowd.client(tunnel_id))
    for stamp in PINGS:
        await peer.send({"type": "ping", "timestamp": stamp})
        assert await peer.next("pong") == {"type": "pong", "timestamp": stamp}
    for stamp in ("1", None, True, {}):
        await peer.send({"type": "ping", "timestamp": stamp})
    await peer.send({"type": "ping"})
    await peer.silent()
    if role == "client":
        await workstation.silent()


async def test_forward_to_device_sends_the_text_verbatim(places: Places) -> None:
    workstation, phone, tunnel_id = await places.pair()
    tablet = await places.client(tunnel_id, "tablet")
    inner = '{ "type":"x", "n":1.000,"u":"é😀" }'
    await workstation.send({"type": "forward.to_device", "device_id": "phone", "payload": inner})
    await workstation.send({"type": "forward.to_device", "device_id": "nobody", "payload": inner})
    await workstation.send({"type": "news"})
    await phone.next("x")
    assert phone.raw[-1] in (inner, '{"type": "news"}')
    assert inner in phone.raw
    await tablet.next("news")
    assert types(tablet, "x") == []
    await workstation.silent("error")


async def test_a_message_is_json_before_it_is_anything(crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    client = await crowd.client(tunnel_id)
    for peer in (workstation, client):
        await peer.send("not json")
        error = await peer.next("error")
        assert error["payload"]["code"] == "INVALID_PAYLOAD"
        assert all(isinstance(value, str) for value in error["payload"].get("details", {}).values())
    assert json.loads(client.raw[-1])["type"] == "error"
