"""Whatever a device with a limited key sends, in whatever form, no command reaches the workstation."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.harness import Crowd, Peer, Server, crowd
from tests.rawsocket import FIRST_PART, LAST_PART, PART, PING, RawSocket, masked
from tests.system.device_keys import Owner, key_of
from tests.system.watches import WatchDevice
from tiflis.protocol import head
from tiflis.protocol.scopes import ALLOWED, Scope
from tools.fuzz.effort import TIMES
from tools.fuzz.scopes import check_allowed, message
from tools.fuzz.script import Script

MESSAGES = max(40, round(300 * TIMES))  # of a socket; a watch sends a fifth of them
PATIENCE = 60.0
BINARY, FIRST_BINARY = 0x82, 0x02
AT_ONCE = 50  # messages between two round trips
OF_THE_SERVER = ("client.connected", "client.disconnected")
LEGAL = [f'{{"type":"{kind}"}}'.encode() for kind in sorted(ALLOWED[Scope.VIEW] - {"auth", "ping"})]
ODD = [
    b'{"type":"sync","type":"session.input"}',
    b'{"type":"session.input","type":"sync"}',
    b'{"type":"sync","\\u0074ype":"session.input"}',
    b'{"type":"session\\u002einput","payload":{"data":"x"}}',
    b'{"type" : "session.input"}',
    b'\n\t {"type"\r\n:\t"session.input" }\n',
    b'{"type":"sync "}',
    b'{"type":["sync"],"type":"session.input"}',
    b'[{"type":"session.input"}]',
    b'"session.input"',
    b'{"type":"sync"}{"type":"session.input"}',
    b'{"type":"sync","id":"\\ud800","type":"session.input"}',
]


def wide(dice: random.Random) -> bytes:
    """Return a message with a long or deeply nested payload, and a command before, behind or within it."""
    size, depth = dice.choice((1 << 10, 70_000, 300_000)), dice.choice((1, 60, 900))
    nested = '{"type":"session.input","a":' * depth + f'"{"x" * size}"' + "}" * depth
    kinds = [f'"type":"{dice.choice(("sync", "session.input"))}"' for _ in range(dice.choice((1, 1, 2)))]
    members = [*kinds, f'"payload":{nested}', '"session_id":"s"']
    dice.shuffle(members)
    return f"{{{','.join(members)}}}".encode()


def any_message(dice: random.Random) -> bytes:
    kind = dice.random()
    if kind < 0.05:
        return wide(dice)
    if kind < 0.15:
        return dice.choice(LEGAL)
    return dice.choice(ODD) if kind < 0.3 else message(Script(dice.randbytes(48)))


def in_frames(text: bytes, dice: random.Random) -> bytes:
    """Return the message as text or binary, whole or in fragments, perhaps with a ping between them."""
    whole, first = dice.choice(((0x81, FIRST_PART), (BINARY, FIRST_BINARY)))
    pieces = dice.choice((1, 1, 2, 5))
    if pieces == 1:
        return masked(text, whole)
    cuts = [0, *sorted(dice.randrange(len(text) + 1) for _ in range(pieces - 1)), len(text)]
    parts = [text[start:end] for start, end in itertools.pairwise(cuts)]
    heads = [first, *[PART] * (pieces - 2), LAST_PART]
    frames = [masked(part, head) for part, head in zip(parts, heads, strict=True)]
    return dice.choice((b"", masked(b"", PING))).join(frames)


async def attached(server: Server, worker: int, tunnel: str, key: str, device_id: str) -> RawSocket:
    """Connect a bare socket of this device to a worker."""
    with server.accepting_only(worker):
        socket = await RawSocket.open("127.0.0.1", server.port)
    payload = {"tunnel_id": tunnel, "auth_key": key, "device_id": device_id}
    assert (await socket.ask({"type": "connect", "payload": payload}))["type"] == "connected"
    return socket


async def pour(socket: RawSocket, dice: random.Random, *others: Peer) -> Counter[str]:
    """Send all messages; return the types and codes of the answers. ``others`` ping meanwhile."""
    answers: Counter[str] = Counter()
    for number in range(MESSAGES):
        socket.transport.write(in_frames(any_message(dice), dice))
        if number % AT_ONCE == AT_ONCE - 1 or number == MESSAGES - 1:
            socket.send({"type": "ping", "timestamp": number})
            while (answer := await socket.next(PATIENCE)).get("timestamp") != number:
                answers[str(answer.get("payload", {}).get("code", answer["type"]))] += 1
            for peer in others:
                await peer.settle(PATIENCE)
    return answers


@pytest.fixture
async def people(apart: Server) -> AsyncIterator[Crowd]:
    async with crowd(apart) as made:
        yield made


async def arrived(desk: Peer, owner: Peer, device_id: str) -> list[bytes]:
    """Return what the workstation has received of a device so far, as it came."""
    await owner.send({"type": "marker", "id": device_id})
    await desk.next("marker", PATIENCE, lambda one: one["id"] == device_id)
    pairs = zip(desk.raw, desk.seen, strict=True)
    return [raw.encode() for raw, one in pairs if one.get("device_id") == device_id]


def kind_of(text: bytes) -> str:
    return head.peek(text).type


@pytest.mark.parametrize("scope", [Scope.VIEW, Scope.CHAT])
async def test_no_command_passes_a_limited_key(people: Crowd, scope: Scope) -> None:
    server, dice = people.server, random.Random(f"{scope} {TIMES}")
    workers = sorted(server.worker_pids().values())
    desk, tunnel = await people.workstation(worker=workers[0])
    kept = await people.client(tunnel, device_id="kept", worker=workers[1])
    async with Owner(server, tunnel) as owner:
        key = key_of(await owner.mint(scope=scope))
    for worker in workers:  # at the tunnel's home, and over the bus
        socket = await attached(server, worker, tunnel, key, f"{scope}-device")
        answers = await pour(socket, dice, desk, kept)
        assert answers["FORBIDDEN"] > MESSAGES // 10, answers
        assert socket.closed is None
        socket.close()
    forwarded = await arrived(desk, kept, f"{scope}-device")
    assert len(forwarded) > MESSAGES // 10
    for text in forwarded:
        if kind_of(text) not in OF_THE_SERVER:
            check_allowed(scope, text)


async def test_no_command_of_a_watch_passes_a_view_key(people: Crowd) -> None:
    server, dice = people.server, random.Random(f"watch {TIMES}")
    desk, tunnel = await people.workstation()
    kept = await people.client(tunnel, device_id="kept")
    async with Owner(server, tunnel) as owner, WatchDevice(server, tunnel, "wrist") as watch:
        watch.who["auth_key"] = key_of(await owner.mint(scope="view"))
        await watch.connect()
        headers = {
            "Authorization": f"Bearer {watch.who['auth_key']}",
            "X-Tunnel-Id": tunnel,
            "X-Device-Id": "wrist",
            "Content-Type": "application/json",
        }
        answers: Counter[int] = Counter()
        for number in range(MESSAGES // 5):
            if number % AT_ONCE == 0:
                await desk.settle(PATIENCE)
                await kept.settle(PATIENCE)
            body = b'{"message":' + any_message(dice) + b"}"
            answers[(await watch.http.post("/command", content=body, headers=headers)).status_code] += 1
    assert set(answers) <= {200, 400, 403}, answers
    assert answers[403] > 5
    texts = [text for text in await arrived(desk, kept, "wrist") if kind_of(text) not in OF_THE_SERVER]
    assert len(texts) >= answers[200] > 3
    for text in texts:
        check_allowed(Scope.VIEW, text)
