"""HTTP and handshakes that break every rule (short forms of P8 and P10 of the fault programme)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.harness import Server, connect, register
from tests.patience import now, within
from tests.web.malformed import MALFORMED

LOG_A_REQUEST = 300  # bytes
SEED = int(os.environ.get("TIFLIS_TEST_SEED", "1"))

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
GOOD = [
    HANDSHAKE,
    b"GET /health?x=1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /api/v1/watch/connect HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    b"GET /api/v1/watch/messages?tunnel_id=a&auth_key=b&device_id=c&since=-1 HTTP/1.1\r\nHost: x\r\n\r\n",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    short = {"HEADER_TIMEOUT": "2", "ROLE_DEADLINE": "2", "LIVENESS_INTERVAL": "0.5", "CLOSE_TIMEOUT": "0.5"}
    with Server(workers=2, env=short) as running:
        yield running


def mutated(chance: random.Random) -> bytes:
    """Return a good request with some bytes lost, doubled, swapped or replaced."""
    data = bytearray(chance.choice(GOOD))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data))
        how = chance.randrange(4)
        if how == 0:
            del data[at : at + chance.randint(1, 12)]
        elif how == 1:
            data[at:at] = data[max(0, at - chance.randint(1, 30)) : at]
        elif how == 2:
            data[at : at + 1] = chance.choice([b"\r\n", b"\n", b"\0", b"\xff", b" ", b":", b"%", b"?", b"\t"])
        else:
            data[at] = chance.randrange(256)
        data = data or bytearray(b"\n")
    return bytes(data)


async def send(server: Server, data: bytes) -> int:
    """Return the answer's status; 0 if the server closes without an answer or waits for more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(data)
        line = await within(reader.readline(), 1.0)
        return int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else 0
    except (OSError, TimeoutError):
        return 0
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_malformed_requests_kill_no_worker_and_fill_no_log(server: Server) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    requests = [*MALFORMED, *(mutated(chance) for _ in range(800))]
    workers, before = server.worker_pids(), len(server.logs())
    statuses: Counter[int] = Counter()
    for start in range(0, len(requests), 100):
        statuses.update(await asyncio.gather(*(send(server, data) for data in requests[start : start + 100])))
    assert server.worker_pids() == workers
    # Intended server errors: starting (an unknown tunnel soon after a start), and another HTTP version.
    assert {status for status in statuses if status >= 500} <= {503, 505}
    assert statuses[400] > 100
    assert len(server.logs()) - before <= LOG_A_REQUEST * len(requests)
    assert server.status("/readyz") == 200


async def idle(server: Server, data: bytes) -> float:
    """Return how long the server keeps a connection that sends this and then nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    start = now()
    writer.write(data)
    await writer.drain()
    with contextlib.suppress(OSError):
        await within(reader.read(), 30)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return now() - start


async def test_slow_peers_are_cut_off_and_delay_nobody(server: Server) -> None:
    workstation, tunnel_id = await register(server)
    client = await connect(server, tunnel_id)
    slow = [b"GET / HT", b"POST /api/v1/watch/connect HTTP/1.1\r\nHost: x\r\n", HANDSHAKE]
    waiting = [asyncio.create_task(idle(server, slow[number % 3])) for number in range(150)]
    taken = []
    for number in range(100):
        start = now()
        await client.send({"type": "x", "n": number})
        assert (await workstation.next("x"))["n"] == number
        taken.append(now() - start)
    assert sorted(taken)[98] < 0.5
    # Two seconds; for a WebSocket also the wait for its close frame.
    assert max(await asyncio.gather(*waiting)) < 5
    assert (workstation.closed, client.closed) == (None, None)
    await asyncio.gather(workstation.close(), client.close())
