"""The directory's records are sealed: forged ones are ignored."""

import contextlib
import json
import logging
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from tests.bus.nats import NatsServer
from tests.bus.test_directory import TUNNEL, other_client
from tests.bus.waiting import until
from tiflis.bus.directory.directory import Directory, Record
from tiflis.bus.directory.record import encode
from tiflis.bus.seals import MARKER, Seals, Verdict

OLD, NEW = b"o" * 32, b"n" * 32
VALUE = b'{"name":"mac"}'


@contextlib.asynccontextmanager
async def directory(url: str, *keys: bytes, name: str = "test") -> AsyncIterator[Directory]:
    one = Directory(url, name, seals=Seals(keys or (OLD,)))
    try:
        await one.start()
        yield one
    finally:
        await one.close()


def test_a_seal_covers_its_record_and_its_key() -> None:
    seals = Seals([OLD])
    sealed = seals.close("tunnel", VALUE)
    assert json.loads(sealed)["name"] == "mac"
    assert seals.check("tunnel", sealed) is Verdict.GENUINE
    assert seals.check("tunnel", VALUE) is Verdict.UNSEALED
    assert seals.check("another", sealed) is Verdict.FORGED
    assert seals.check("tunnel", sealed.replace(b"mac", b"cam")) is Verdict.FORGED
    assert seals.check("tunnel", sealed[:-1] + b',"name":"cam"}') is Verdict.UNSEALED


def test_any_listed_key_verifies_and_the_first_seals() -> None:
    sealed = Seals([OLD]).close("tunnel", VALUE)
    both = Seals([NEW, OLD])
    assert both.check("tunnel", sealed) is Verdict.GENUINE
    assert Seals([NEW]).check("tunnel", sealed) is Verdict.FORGED
    assert both.close("tunnel", VALUE) == Seals([NEW]).close("tunnel", VALUE)


async def test_a_forged_record_is_ignored_and_logged_once(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with directory(nats_server.url) as one, other_client(nats_server.url) as bucket:
        stored = await one.put(TUNNEL)
        forged = Seals([NEW]).close(TUNNEL.tunnel_id, encode(replace(TUNNEL, home="evil")))
        for _ in range(3):
            await bucket.put(TUNNEL.tunnel_id, forged)
        await bucket.put("unknown", forged)
        probe = await one.put(replace(TUNNEL, tunnel_id="probe"))
        await until(lambda: one._follower._seen >= probe.revision)
        assert one.get(TUNNEL.tunnel_id) == await one.read(TUNNEL.tunnel_id) == stored
        assert one.get("unknown") is await one.read("unknown") is None
    lines = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [line.getMessage() for line in lines] == ["directory record refused"]


async def test_a_forged_record_is_replaced_by_the_next_claim_and_by_no_older_one(
    nats_server: NatsServer,
) -> None:
    async with directory(nats_server.url) as one, other_client(nats_server.url) as bucket:
        stored = await one.put(TUNNEL)
        await bucket.put(TUNNEL.tunnel_id, b'{"seal":"none"}')
        await one.seal()
        await until(lambda: one.sealed)
        await bucket.put(TUNNEL.tunnel_id, encode(replace(TUNNEL, home="evil")))
        claimed = await one.put(replace(stored, generation=2, home="next"))
        assert await one.read(TUNNEL.tunnel_id) == claimed


async def test_the_home_of_a_forged_record_is_asked_to_write_it_again(nats_server: NatsServer) -> None:
    async with (
        directory(nats_server.url, name=TUNNEL.home) as home,
        directory(nats_server.url) as other,
        other_client(nats_server.url) as bucket,
    ):
        changes: list[tuple[str, Record | None]] = []
        stored = await home.put(TUNNEL)
        home.on_change = lambda tunnel_id, record: changes.append((tunnel_id, record))
        await bucket.put(TUNNEL.tunnel_id, Seals([NEW]).close(TUNNEL.tunnel_id, encode(TUNNEL)))
        await until(lambda: (TUNNEL.tunnel_id, None) in changes)
        again = await home.put(replace(stored, revision=0, generation=2))
        await until(lambda: other.get(TUNNEL.tunnel_id) == again)


async def test_unsealed_records_count_until_the_directory_is_sealed(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one, other_client(nats_server.url) as bucket:
        await bucket.put("before", encode(TUNNEL))
        await until(lambda: one.get("before") is not None)
        assert not one.sealed
        await one.seal()
        await until(lambda: one.sealed)
        await bucket.put("after", encode(TUNNEL))
        async with directory(nats_server.url) as two:
            for each in (one, two):
                assert each.sealed
                assert await each.read("before") is not None
                assert await each.read("after") is None
                assert each.get("after") is None


async def test_the_marker_is_written_again_when_it_is_taken_away(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one, other_client(nats_server.url) as bucket:
        await one.seal()
        await until(lambda: one.sealed)
        until_revision = one._start.until
        await bucket.put("between", encode(TUNNEL))
        await bucket.delete(MARKER)
        async with directory(nats_server.url) as two:
            await until(lambda: two.sealed)
            assert two._start.until == until_revision
            assert two.get("between") is None


async def test_a_forged_record_is_refused_also_while_its_tunnel_is_written() -> None:
    one = Directory("nats://127.0.0.1:1", "test", seals=Seals([OLD]))
    value = Seals([OLD]).close(TUNNEL.tunnel_id, encode(TUNNEL))
    one._writing[TUNNEL.tunnel_id] = value, TUNNEL
    one.changed(TUNNEL.tunnel_id, Seals([NEW]).close(TUNNEL.tunnel_id, encode(TUNNEL)), 1)
    assert one.get(TUNNEL.tunnel_id) is None
    one.changed(TUNNEL.tunnel_id, value, 2)
    assert one.get(TUNNEL.tunnel_id) == replace(TUNNEL, revision=2)
