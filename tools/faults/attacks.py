"""P2 to P8: peers that break the rules, flood, or hold their part of the conversation back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import time

from tests.harness import Server, eventually
from tests.rawsocket import MASK_KEY, PING, TEXT, RawSocket, masked, message
from tools.faults.enter import connect, register
from tools.faults.load import Load
from tools.faults.processes import closed_of
from tools.faults.restarts import MIB
from tools.faults.run import Company, Run, resident, scenario

CONTINUATION, FIN, BINARY = 0x00, 0x80, 0x02
LIMIT = 50 * MIB
VERDICT_SECONDS = 0.1
SIDE_BY_SIDE = 40
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def pair(server: Server) -> tuple[RawSocket, RawSocket, str]:
    """Return a workstation and a client at work, and their tunnel."""
    workstation = await RawSocket.open("127.0.0.1", server.port)
    tunnel = await register(workstation)
    client = await RawSocket.open("127.0.0.1", server.port)
    await connect(client, tunnel, "d0")
    return workstation, client, tunnel


async def verdict(socket: RawSocket) -> tuple[float, int]:
    """Return how long until this socket was closed, and with what code."""
    began = time.monotonic()
    await eventually(lambda: socket.closed is not None, 5, "closed")
    return time.monotonic() - began, socket.closed or 0


def head(first: int, size: int) -> bytes:
    """Return the start of a frame whose payload does not follow."""
    return struct.pack("!BBQ", first, 0xFF, size) + MASK_KEY


@scenario("P2", "invalid UTF-8, whole and split over fragments", 60, in_tests=True, company=Company.ALONE)
async def not_utf8(run: Run) -> None:
    bad = [b'{"type":"x","d":"\xff"}', b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc3", b"\xc0\xaf"]
    with run.server(workers=1) as server:
        slowest, wrong = 0.0, 0
        for text in bad:
            cut = run.dice.randrange(1, len(text)) if len(text) > 1 else 1
            whole = masked(text)
            parts = masked(text[:cut], TEXT - FIN) + masked(text[cut:], FIN)
            for wire in (whole, parts):
                workstation, client, _ = await pair(server)
                client.transport.write(wire)
                took, code = await verdict(client)
                slowest, wrong = max(slowest, took), wrong + (code != 1007)
                workstation.close()
        run.most("closed after", slowest, VERDICT_SECONDS + run.slack(0.0), " s")
        run.most("codes other than 1007", wrong, 0)
        run.most("log lines per socket", server.logs().count("protocol error") / (2 * len(bad)), 1)


@scenario(
    "P3",
    "messages above 50 MiB by one byte, whole and in fragments; exactly 50 MiB",
    120,
    in_tests=True,
    company=Company.ALONE,
)
async def too_big(run: Run) -> None:
    with run.server(workers=1) as server:
        slowest, wrong = 0.0, 0
        half = masked(b"x" * MIB, TEXT - FIN)
        for wire in (head(TEXT, LIMIT + 1), half + head(FIN, LIMIT - MIB + 1), head(TEXT, (1 << 63) - 1)):
            workstation, client, _ = await pair(server)
            client.transport.write(wire)
            took, code = await verdict(client)
            slowest, wrong = max(slowest, took), wrong + (code != 1009)
            workstation.close()
        run.most("closed after", slowest, VERDICT_SECONDS + run.slack(0.0), " s")
        run.most("codes other than 1009", wrong, 0)
        workstation, client, _ = await pair(server)
        start, end = b'{"type":"big","pad":"', b'"}'
        client.transport.write(masked(start + b"z" * (LIMIT - len(start) - len(end)) + end))
        # The server adds the device's id; what it relays is a little longer than what it accepts.
        await eventually(lambda: workstation.frames > 0 or workstation.inbox, 30, "50 MiB arrive")
        run.most("closed at exactly 50 MiB", float(client.closed is not None), 0)


@scenario("P4", "schedules of pings, messages and stalls", 300, in_tests=True)
async def schedules(run: Run) -> None:
    """What is sent arrives in its order; pongs come in the order of the pings."""
    count, wrong = run.size(10_000, 300), 0
    numbers = iter(range(count))
    with run.server(workers=2) as server:

        async def some() -> int:
            workstation, client, _ = await pair(server)
            mine = [
                await one_schedule(random.Random(run.seed + number), workstation, client)
                for number in numbers
            ]
            return mine.count(False)

        wrong = sum(await asyncio.gather(*(some() for _ in range(SIDE_BY_SIDE))))
        run.most("schedules with something out of order", wrong, 0)
        run.note(f"{count:,} schedules")


async def one_schedule(dice: random.Random, workstation: RawSocket, client: RawSocket) -> bool:
    arrived, count = [], dice.randrange(3, 12)

    def hear(payload: bytes) -> None:
        arrived.append(payload.split(b'"n":')[1][:2])

    workstation.on_message = hear
    workstation.transport.write(masked(b"", PING))  # it lives
    wire, pongs = b"", client.pongs
    for number in range(count):
        pad = "p" * int(dice.choice((0, 10, 1000, 30_000)))
        wire += message({"type": "step", "n": 10 + number, "pad": pad})
        if dice.random() < 0.5:
            wire += masked(b"%d" % number, PING)
            pongs += 1
    at = 0
    while at < len(wire):
        step = dice.choice((1, 3, 50, 1000, 1 << 20))
        client.transport.write(wire[at : at + step])
        at += step
        if step < 1000 and at > 200:
            client.transport.write(wire[at:])
            break
        await asyncio.sleep(0)
    await eventually(lambda: len(arrived) == count and client.pongs == pongs, 10, "all arrive")
    return arrived == [b"%d" % (10 + number) for number in range(count)]


@scenario("P5", "a ping flood from a peer that does not read", 120, in_tests=True, company=Company.ALONE)
async def ping_flood(run: Run) -> None:
    seconds = run.size(20, 5)
    with run.server(workers=1) as server:
        async with Load(server, seed=run.seed, tunnels=2, clients=2) as load:
            load.start()
            await asyncio.sleep(0.5)
            before, grown = resident(server), 0
            flooder = await RawSocket.open("127.0.0.1", server.port)
            await connect(flooder, next(iter(load.tunnel_ids())), "flooder")
            flooder.transport.pause_reading()
            end, burst = time.monotonic() + seconds, masked(b"f" * 125, PING) * 1000
            while time.monotonic() < end and flooder.closed is None:
                flooder.transport.write(burst)
                await asyncio.wait([asyncio.ensure_future(flooder.room())], timeout=0.2)
                grown = max(grown, resident(server) - before)
                await asyncio.sleep(0.01)
            flooder.close()
            await load.finish()
            run.most("memory grown", grown / MIB, 32, " MiB")
            run.most("p99 of the others", load.ledger.late(), 0.05 + run.slack(load.lag), " s")
            run.faithful(load.ledger)


@scenario("P6", "floods of empty and 1-byte fragments", 60, in_tests=True)
async def fragment_flood(run: Run) -> None:
    with run.server(workers=1) as server:
        for name, payload in (("empty", b""), ("1-byte", b"x")):
            _, client, _ = await pair(server)
            before = resident(server)
            client.transport.write(masked(payload, TEXT - FIN) + masked(payload, CONTINUATION) * 20_000)
            await eventually(lambda client=client: client.closed is not None, 10, "closed")  # type: ignore[misc]
            run.most(f"memory grown by {name} ones", (resident(server) - before) / MIB, 8, " MiB")
            run.most(f"code of {name} ones off 1008", abs((client.closed or 0) - 1008), 0)


@scenario("P7", "1,000 sockets without a role that send as much as they can", 120)
async def roleless(run: Run) -> None:
    count = run.size(1000, 200)
    with run.server(workers=1) as server:
        before, grown = resident(server), 0
        sockets = await asyncio.gather(*(RawSocket.open("127.0.0.1", server.port) for _ in range(count)))
        empty = resident(server)
        wire = head(TEXT, 64 << 10) + b"x" * ((64 << 10) - 1)
        for socket in sockets:
            socket.transport.write(wire)
        for _ in range(20):
            await asyncio.sleep(0.1)
            grown = max(grown, resident(server) - before)
        pushed = (grown - (empty - before)) / MIB
        run.most("memory grown by their input", pushed, run.size(64, 24), " MiB")
        run.note(f"the sockets themselves {(empty - before) / MIB:.1f} MiB")
        for socket in sockets:
            socket.close()


@scenario(
    "P8", "slow headers and silence after the upgrade, beside honest clients", 120, company=Company.ALONE
)
async def slow_ones(run: Run) -> None:
    count = run.size(500, 100)
    with run.server(workers=2) as server:
        async with Load(server, seed=run.seed, tunnels=4, clients=2) as load:
            load.start()
            began = time.monotonic()
            slow = asyncio.gather(*(drip(server, HANDSHAKE) for _ in range(count // 2)))
            silent = [await RawSocket.open("127.0.0.1", server.port) for _ in range(count // 2)]
            ended = max(await slow) - began
            await eventually(lambda: all(one.closed is not None for one in silent), 25, "silent ones end")
            took = time.monotonic() - began
            await load.finish()
            run.most("slow headers cut after", ended, 10.5 + run.slack(load.lag), " s")
            run.most("silent ones closed after", took, 23 + run.slack(load.lag), " s")
            run.most("closed with another code", sum(one.closed not in (1008, 1006) for one in silent), 0)
            run.most("p99 of the honest ones", load.ledger.late(), 0.5 + run.slack(load.lag), " s")
            run.most("honest ones closed", closed_of(load, load.tunnel_ids()), 0)
            run.faithful(load.ledger)


async def drip(server: Server, wire: bytes) -> float:
    """Send one byte per second; return when the server ended it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for byte in wire:
            writer.write(bytes((byte,)))
            if await ended(reader, 1.0):
                break
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return time.monotonic()


async def ended(reader: asyncio.StreamReader, patience: float) -> bool:
    try:
        async with asyncio.timeout(patience):
            while await reader.read(1 << 16):
                pass
        return True
    except TimeoutError:
        return False
    except ConnectionError:
        return True
