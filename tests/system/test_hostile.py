"""WebSocket peers that break every rule reach no other peer and crash no worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import AUTH_KEY, REGISTRATION_KEY, Crowd, Peer, Server, crowd
from tests.protocol.wire import client as frame
from tests.protocol.wire import head
from tests.web.raw_peer import CLOSE, TEXT, RawPeer

MIB = 1024 * 1024
FORGED_BY_CLIENTS = [
    "workstation.register",
    "workstation.registered",
    "workstation.anything",
    "client.disconnected",
    "connect",
    "connected",
    "connection.workstation_online",
    "connection.workstation_offline",
    "forward.to_device",
    "error",
    "pong",
]
FORGED_BY_WORKSTATIONS = [
    "workstation.register",
    "workstation.registered",
    "workstation.status",
    "client.disconnected",
    "connect",
    "connected",
    "connection.workstation_offline",
]
NASTY = [
    "*",
    ">",
    "a.b",
    "tiflis.>",
    "a b",
    "a\r\nPUB x 1",
    "\0",
    "é",
    "😀",
    "x" * 10_000,
    "../..",
    "$JS.API.>",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a server for this file alone; search its log at the end."""
    with Server(workers=2) as running:
        yield running
        logs = running.logs()
        assert "Traceback" not in logs
        assert '"level": "error"' not in logs
        assert AUTH_KEY not in logs
        assert REGISTRATION_KEY not in logs


@pytest.fixture
async def people(server: Server) -> AsyncIterator[Crowd]:
    """Make peers; afterwards check that the same processes still serve."""
    before = server.worker_pids()
    async with crowd(server) as peers:
        yield peers
        workstation, tunnel_id = await peers.workstation()
        client = await peers.client(tunnel_id)
        await client.send({"type": "sync"})
        await workstation.next("sync")
    assert server.worker_pids() == before


async def pair(people: Crowd) -> tuple[Peer, Peer, Peer]:
    """Connect a workstation, a client that misbehaves, and a bystander."""
    workstation, tunnel_id = await people.workstation()
    return (
        workstation,
        await people.client(tunnel_id, device_id="evil"),
        await people.client(tunnel_id, device_id="bystander"),
    )


async def refusals(peer: Peer, texts: list[Any]) -> list[str]:
    """Return the codes that answer these messages."""
    for text in texts:
        await peer.send(text)
    return [(await peer.next("error"))["payload"]["code"] for _ in texts]


async def test_a_client_cannot_forge(people: Crowd) -> None:
    workstation, client, bystander = await pair(people)
    forged = [{"type": kind, "id": kind, "payload": {"device_id": "bystander"}} for kind in FORGED_BY_CLIENTS]
    assert await refusals(client, forged) == ["INVALID_PAYLOAD"] * len(forged)
    escaped = ['{"type":"sync","\\u0074ype":"workstation.registered"}', '{"type":"\\u0065rror"}']
    assert await refusals(client, escaped) == ["INVALID_PAYLOAD"] * 2
    await client.send({"type": "sync"})
    await workstation.next("sync")
    await workstation.silent()
    await bystander.silent()


async def test_a_workstation_cannot_forge(people: Crowd) -> None:
    workstation, client, bystander = await pair(people)
    forged = [{"type": kind, "id": kind, "payload": {}} for kind in FORGED_BY_WORKSTATIONS]
    assert await refusals(workstation, forged) == ["INVALID_PAYLOAD"] * len(forged)
    await client.silent()
    await bystander.silent()


def bombs() -> list[Any]:
    deep = 20_000
    return [
        "",
        "null",
        "[]",
        '"x"',
        "{",
        '{"type":1}',
        "\ufeff" + '{"type":"a"}',
        '{"type":"a","x":NaN}',
        '{"type":"a","x":' + "[" * deep + "]" * deep + "}",
        '{"type":"a","x":' + '{"a":' * deep + "1" + "}" * deep + "}",
        "[" * deep,
        b"\x00\x01\x02",
    ]


async def test_bombs_are_refused_or_relayed_unchanged(people: Crowd) -> None:
    workstation, client, bystander = await pair(people)
    for sender in (client, workstation):
        assert await refusals(sender, bombs()) == ["INVALID_PAYLOAD"] * len(bombs())
    odd = [
        '{"type":"odd","n":' + "9" * 4000 + "}",
        '{"type":"odd","n":1e999999}',
        '{"type":"odd","u":"\\ud800\\udc00\\udfff","u":"\\ud800"}',
        '{"type":"odd","n":-0.0,"n":00}'.replace("00}", "0}"),
        '{"type":"odd","":{"":[]}}',
        '{"type":"odd","payload":' + "[" * 900 + '"\\ud800"' + "]" * 900 + "}",
    ]
    for text in odd:
        await client.send(text)
        await workstation.next("odd")
        assert workstation.raw[-1] == text[:-1] + ',"device_id":"evil"}'
        await workstation.send(text)
        await bystander.next("odd")
        assert bystander.raw[-1] == text


@pytest.mark.parametrize("nasty", NASTY)
async def test_nasty_ids_reach_nobody(people: Crowd, nasty: str) -> None:
    workstation, client, bystander = await pair(people)
    peer = await people.socket()
    for payload in (
        {"tunnel_id": nasty, "auth_key": AUTH_KEY, "device_id": "d"},
        {"tunnel_id": "unknown", "auth_key": AUTH_KEY, "device_id": nasty},
    ):
        await peer.send({"type": "connect", "payload": payload})
        assert (await peer.next("error"))["payload"]["code"] in ("INVALID_PAYLOAD", "TUNNEL_NOT_FOUND")
    await peer.send(
        {
            "type": "workstation.register",
            "payload": {
                "api_key": REGISTRATION_KEY,
                "name": nasty[:64],  # a longer one is refused
                "auth_key": AUTH_KEY,
                "reconnect": True,
                "previous_tunnel_id": nasty,
            },
        }
    )
    said = await peer.next("workstation.registered")
    assert said["payload"]["tunnel_id"] != nasty
    await workstation.send({"type": "forward.to_device", "device_id": nasty, "payload": '{"type":"x"}'})
    await client.send({"type": "sync", "id": nasty, "device_id": nasty})
    await workstation.next("sync")
    for other in (client, bystander):
        await other.silent()


async def test_a_huge_id_is_not_echoed(people: Crowd) -> None:
    _, client, _ = await pair(people)
    await client.send({"type": "error", "id": "x" * 100_000})
    error = await client.next("error")
    assert "id" not in error


async def test_the_details_of_an_error_are_flat_strings(people: Crowd) -> None:
    peer = await people.socket()
    for payload in ({}, {"tunnel_id": 1, "auth_key": [], "device_id": {}}, {"auth_key": None}):
        await peer.send({"type": "connect", "payload": payload})
        details = (await peer.next("error"))["payload"]["details"]
        assert all(isinstance(key, str) and isinstance(value, str) for key, value in details.items())


async def test_garbage_behind_a_handshake(people: Crowd, server: Server) -> None:
    garbage = [
        b"\xff" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        frame(TEXT, b"\xff"),
        b"\x81\x05hello",
        frame(3, b"x"),
    ]
    for data in garbage:
        peer = await RawPeer.open(server.port, data)
        assert await peer.close_code() in (1002, 1007)
        peer.reset()


async def test_garbage_pipelined_behind_a_role(people: Crowd, server: Server) -> None:
    """The server reads the rest while it still assigns the role."""
    workstation, tunnel_id = await people.workstation()
    payload = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "evil"}
    connecting = frame(TEXT, json.dumps({"type": "connect", "payload": payload}).encode())
    for number in range(5):
        peer = await RawPeer.open(server.port, connecting + frame(TEXT, b'{"type":"sync"}') + b"\xff" * 200)
        assert await peer.close_code() == 1002
        peer.reset()
        peer = await RawPeer.open(
            server.port, connecting * 3 + frame(TEXT, b'{"type":"note","n":%d}' % number)
        )
        await workstation.next("note", where=lambda m, n=number: m["n"] == n)  # type: ignore[misc]  # mypy cannot tell the type of defaults
        peer.send(b"\x03\xe8", CLOSE)
        assert await peer.ended()
    assert all(m["device_id"] == "evil" for m in workstation.seen if m["type"] in ("note", "sync"))


async def test_a_flood_without_a_role(people: Crowd, server: Server) -> None:
    """Messages of 64 KiB are refused one by one, and the server's memory does not grow."""
    before = memory(server)
    peers = [await RawPeer.open(server.port) for _ in range(30)]

    async def flood(peer: RawPeer) -> None:
        text = frame(TEXT, b'{"type":"sync","x":"%b"}' % (b"x" * 60_000))
        try:
            async with asyncio.timeout(2):
                while True:
                    peer.raw(text)
                    await peer.writer.drain()
        except (TimeoutError, ConnectionError):
            pass

    await asyncio.gather(*map(flood, peers))
    assert memory(server) - before < 64 * MIB
    big = await RawPeer.open(server.port, head(TEXT, 64 * 1024 + 1))
    assert await big.close_code() == 1009


async def test_a_flood_of_fragments(people: Crowd, server: Server) -> None:
    peer = await RawPeer.open(server.port)
    peer.raw(frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * 5000)
    assert await peer.close_code() in (1008, 1009)


async def test_a_ping_flood_from_a_peer_that_reads_nothing(people: Crowd, server: Server) -> None:
    before = memory(server)
    peer = await RawPeer.open(server.port)
    pings = frame(9, b"x" * 125) * 2000 + frame(TEXT, b'{"type":"ping","timestamp":1}') * 2000
    try:
        async with asyncio.timeout(2):
            while True:
                peer.raw(pings)
                await peer.writer.drain()
    except TimeoutError:
        pass
    assert memory(server) - before < 48 * MIB


async def test_sockets_that_break_at_any_moment(people: Crowd, server: Server) -> None:
    workstation, tunnel_id = await people.workstation()
    payload = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "flaky"}
    said = frame(TEXT, json.dumps({"type": "connect", "payload": payload}).encode()) + frame(
        TEXT, b'{"type":"note","x":"' + b"x" * 5000 + b'"}'
    )
    for cut in range(0, len(said), 97):
        peer = await RawPeer.open(server.port, said[:cut])
        peer.reset()
    await workstation.settle()
    gone = [m["type"] for m in workstation.seen if m["type"] == "client.disconnected"]
    await people.client(tunnel_id, device_id="flaky")
    assert len(gone) <= len(said) // 97 + 1


def memory(server: Server) -> int:
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in server.worker_pids().values()]
    return sum(pages) * 4096
