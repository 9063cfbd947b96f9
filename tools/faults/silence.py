"""N6: nothing reads what the server writes to stderr."""

from __future__ import annotations

import asyncio
import os
import re
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.harness import free_port
from tools.faults.load import Load
from tools.faults.processes import closed_of
from tools.faults.run import Company, Run, scenario

STOP_SECONDS = 10.0
ANSWER_SECONDS = 1.0
READ_AGAIN, PIPE, TERMINAL, FULL, GONE = "pipe read again", "pipe", "terminal", "full disk", "closed pipe"


@contextmanager
def output(kind: str) -> Iterator[tuple[int, int | None]]:
    """Yield a descriptor that takes nothing, or soon nothing more, and the end that could be read."""
    if kind == FULL:
        reading, writing = None, os.open("/dev/full", os.O_WRONLY)
    elif kind == TERMINAL:
        reading, writing = os.openpty()
    else:
        reading, writing = os.pipe()
        if kind == GONE:
            os.close(reading)
            reading = None
    try:
        yield writing, reading
    finally:
        for descriptor in (reading, writing):
            if descriptor is not None:
                os.close(descriptor)


def lines_lost(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return sum(map(float, re.findall(r"^tiflis_log_lines_dropped_total (\S+)", text, re.MULTILINE)))


def word_of_the_loss(reading: int) -> bool:
    """Read on until the server says that lines were lost, 10 s at most."""
    os.set_blocking(reading, False)
    end, text = time.monotonic() + 10, b""
    while b"log lines lost" not in text and time.monotonic() < end:
        with suppress(BlockingIOError):
            text = text[-100:] + os.read(reading, 1 << 20)
        time.sleep(0.001)
    return b"log lines lost" in text


@scenario("N6", "stderr (pipe, terminal, full disk) takes nothing", 500, in_tests=True, company=Company.ALONE)
async def nothing_reads(run: Run) -> None:
    kinds = run.size((READ_AGAIN, PIPE, TERMINAL, FULL, GONE), (READ_AGAIN, TERMINAL))
    for kind in kinds:
        await silence(run, kind)


async def silence(run: Run, kind: str) -> None:
    metrics = free_port()
    env = {"LOG_LEVEL": "debug", "LOG_QUEUE": "64KiB", "METRICS_PORT": str(metrics)}
    with output(kind) as (writing, reading), run.server(workers=2, env=env, output=writing) as server:
        async with Load(server, seed=run.seed, tunnels=4, clients=2, rate=20) as load:
            load.start()
            slowest, began = 0.0, time.monotonic()
            while time.monotonic() - began < run.size(60, 3):
                asked = time.monotonic()
                await asyncio.to_thread(server.get, "/healthz", 10)
                slowest = max(slowest, time.monotonic() - asked)
                await asyncio.sleep(0.2)
            if kind == READ_AGAIN and reading is not None:
                told = await asyncio.to_thread(word_of_the_loss, reading)
                run.least("word of the loss once it is read again", float(told), 1)
            await load.finish()
            run.most(f"{kind}: answers after", slowest, ANSWER_SECONDS + run.slack(load.lag), " s")
            run.most(f"{kind}: sockets closed", closed_of(load, load.tunnel_ids()), 0)
            run.least(f"{kind}: lines lost and counted", await asyncio.to_thread(lines_lost, metrics), 1)
            run.faithful(load.ledger)
        took = await asyncio.to_thread(server.stop, 2 * STOP_SECONDS)
        run.most(f"{kind}: SIGTERM until the end", took, STOP_SECONDS, " s")
