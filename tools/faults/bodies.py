"""N1: strangers send large bodies of every content, beside honest clients."""

from __future__ import annotations

import asyncio
import contextlib
import time

from tests.harness import Server, eventually
from tests.rawsocket import RawSocket, message
from tests.test_cost import UNITS, value
from tools.bench.accounting import memory
from tools.faults.attacks import pair
from tools.faults.load import Load
from tools.faults.restarts import MIB
from tools.faults.run import Company, Run, scenario

AT_ONCE = 5
SIZE = 62 * MIB
UNITS_IN_TESTS = ("string of surrogates and backslashes", "object of keys")


@scenario(
    "N1", "five anonymous bodies of 62 MiB, of every content", 1200, in_tests=True, company=Company.ALONE
)
async def bodies(run: Run) -> None:
    units = run.size(tuple(UNITS), UNITS_IN_TESTS)
    with run.server(workers=2) as server:
        async with Load(server, seed=run.seed, tunnels=2, clients=2) as load:
            load.start()
            workstation, client, _ = await pair(server)
            await asyncio.sleep(0.5)
            before, slowest, grown = largest(server), 0.0, 0
            for unit in units:
                body = f'{{"\\ud800":1,"message":{value(unit, SIZE)}}}'.encode()
                sending = asyncio.gather(*(send(server, body) for _ in range(AT_ONCE)))
                while not sending.done():
                    slowest = max(slowest, await ping(client), await ping(workstation))
                    grown = max(grown, largest(server) - before)
                    await asyncio.sleep(0.05)
                answers = await sending
                run.most(f"answered with 200 ({unit})", answers.count(200), 0)
            await load.finish()
            run.most("an honest ping took", slowest, 0.5 + run.slack(load.lag), " s")
            run.most("memory grown in a worker", grown / MIB, 64, " MiB")
            run.most("honest sockets lost", sum(one.closed is not None for one in (workstation, client)), 0)
            run.faithful(load.ledger)


def largest(server: Server) -> int:
    """Return the bytes of the largest worker."""
    return max(memory([pid]) for pid in server.worker_pids().values())


async def ping(client: RawSocket) -> float:
    """Return the seconds until the server's own answer to a ping."""
    began, before = time.monotonic(), client.frames
    client.transport.write(message({"type": "ping", "timestamp": 1}))
    await eventually(lambda: client.frames > before, 30, "a pong")
    return time.monotonic() - began


async def send(server: Server, body: bytes) -> int:
    """Return the status that a command with this body gets; 0 if the connection is cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST /api/v1/watch/command HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    try:
        writer.write(head.encode())
        with contextlib.suppress(ConnectionError):  # refused before its end
            for at in range(0, len(body), MIB):
                writer.write(body[at : at + MIB])
                await writer.drain()
        async with asyncio.timeout(60):
            return int((await reader.readline()).split()[1])
    except (ConnectionError, TimeoutError, IndexError):
        return 0
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
