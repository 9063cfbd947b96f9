"""P10: requests and handshakes with something wrong."""

from __future__ import annotations

import asyncio
import contextlib

from tests.harness import Server
from tools.faults.attacks import HANDSHAKE
from tools.faults.run import Run, scenario


@scenario("P10", "malformed handshakes and requests", 200)
async def malformed(run: Run) -> None:
    count = run.size(10_000, 500)
    with run.server(workers=2) as server:
        workers = set(server.worker_pids().values())
        logged, broken = len(server.logs()), 0
        for start in range(0, count, 50):
            answers = await asyncio.gather(*(nonsense(run, server) for _ in range(min(50, count - start))))
            broken += sum(is_broken(answer) for answer in answers)
        run.most("answers 5xx", broken, 0)
        run.most("workers dead", len(workers - set(server.worker_pids().values())), 0)
        run.most("bytes of log each", (len(server.logs()) - logged) / count, 300)
        run.most("tracebacks", server.logs().count("Traceback"), 0)
        run.least("serving", float(server.status("/readyz") == 200), 1)


def is_broken(answer: bytes) -> bool:
    """Return whether this is a 5xx, other than the 503 that says that an unknown tunnel may still turn up
    (protocol, section 4)."""
    return answer.startswith(b"HTTP/1.1 5") and not answer.startswith(b"HTTP/1.1 503")


async def nonsense(run: Run, server: Server) -> bytes:
    """Send a request with something wrong; return what came back."""
    dice, wire = run.dice, bytearray(run.dice.choice(REQUESTS))
    for _ in range(dice.randrange(0, 6)):
        at = dice.randrange(len(wire))
        match dice.randrange(4):
            case 0:
                wire[at] = dice.randrange(256)
            case 1:
                del wire[at : at + dice.randrange(1, 10)]
                wire = wire or bytearray(b"\r\n")
            case 2:
                wire[at:at] = dice.randbytes(dice.randrange(1, 10))
            case _:
                wire[at:at] = dice.choice(SPICE)
    try:
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            try:
                writer.write(bytes(wire))
                writer.write_eof()
                return await reader.read(256)
            finally:
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (TimeoutError, OSError):
        return b""


REQUESTS = (
    HANDSHAKE,
    b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/watch/messages?tunnel_id=a&auth_key=bbbbbbbbbbbbbbbbbbbb&device_id=c HTTP/1.1\r\n"
    b"Host: x\r\n\r\n",
    b"POST /api/v1/watch/connect HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\n\r\n{}",
    b"POST /api/v1/watch/command HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\n0\r\n\r\n",
)
SPICE = (
    b"\r\nContent-Length: 5\r\n",
    b"\r\nTransfer-Encoding: chunked\r\n",
    b"\r\nContent-Length: -1\r\n",
    b"\n",
    b"\x00",
    b"\r\nUpgrade: h2c\r\n",
    b"%",
    b"%00",
    b"\xff\xfe",
    b" HTTP/9.9",
    b"\r\nExpect: 100-continue\r\n",
)
