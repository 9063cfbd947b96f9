"""The audit's stream, at a real NATS server."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.bus.nats import NatsServer
from tiflis.bus.audit_store import LEAST_BYTES, AuditStore, AuditUnavailable
from tiflis.bus.nats.client import NatsClient

MIB = 1024 * 1024


def entry(number: int) -> list[Any]:
    return [float(number), "session.execute", "relayed", "phone", "", "owner", "s", 10, "", ""]


def batch(*numbers: int) -> bytes:
    return json.dumps([entry(number) for number in numbers]).encode()


@contextlib.asynccontextmanager
async def store(url: str, most_bytes: int = MIB, days: float = 30) -> AsyncIterator[AuditStore]:
    link = NatsClient(url, "test")
    await link.start(10)
    try:
        yield AuditStore(link, days, most_bytes)
    finally:
        await link.close()


async def test_entries_are_read_in_their_order_by_tunnel_and_of_all(nats_server: NatsServer) -> None:
    async with store(nats_server.url) as audit:
        assert await audit.read("one", 0) == ([], 0, False)
        await audit.append("one", batch(1, 2), "a")
        await audit.append("other", batch(3), "b")
        await audit.append("one", batch(4), "c")
        entries, position, more = await audit.read("one", 0)
        assert [tunnel for tunnel, _ in entries] == ["one"] * 3
        assert [found[0] for _, found in entries] == [1, 2, 4]
        assert await audit.read("one", position) == ([], position, more)
        assert [found[0] for _, found in (await audit.read("", 1))[0]] == [3, 4]


async def test_a_batch_that_is_sent_twice_is_stored_once(nats_server: NatsServer) -> None:
    async with store(nats_server.url) as audit:
        for _ in range(2):
            await audit.append("one", batch(1), "a")
        assert len((await audit.read("one", 0))[0]) == 1


async def test_a_long_audit_is_read_in_parts(nats_server: NatsServer) -> None:
    async with store(nats_server.url) as audit:
        for number in range(4):
            await audit.append("one", batch(*range(number * 250, number * 250 + 250)), str(number))
        first, position, more = await audit.read("one", 0)
        rest, _, _ = await audit.read("one", position)
        assert more
        assert [found[0] for _, found in first + rest] == list(range(1000))


async def test_other_bounds_hold_from_the_next_start_on(nats_server: NatsServer) -> None:
    async with store(nats_server.url) as audit:
        await audit.append("one", batch(1), "a")
    async with store(nats_server.url, 2 * MIB, days=1) as audit:
        await audit.append("one", batch(2), "b")
        assert len((await audit.read("one", 0))[0]) == 2


async def test_little_room_makes_a_smaller_stream_and_none_makes_none(tmp_path: Path) -> None:
    for room, possible in ((3 * LEAST_BYTES, True), (LEAST_BYTES // 2, False)):
        server = NatsServer(tmp_path / str(room), room=room)
        server.start()
        try:
            async with store(server.url, 64 * MIB) as audit:
                if possible:
                    await audit.append("one", batch(1), "a")
                    assert len((await audit.read("one", 0))[0]) == 1
                else:
                    with pytest.raises(AuditUnavailable):
                        await audit.append("one", batch(1), "a")
        finally:
            server.stop()


async def test_without_the_bus_it_says_so(nats_server: NatsServer) -> None:
    async with store(nats_server.url) as audit:
        nats_server.stop()
        with pytest.raises(AuditUnavailable):
            await audit.append("one", batch(1), "a")
        with pytest.raises(AuditUnavailable):
            await audit.read("one", 0)
