"""The watches' records in a real JetStream: fenced, in chunks, whole or not there, back after a crash."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import nats
import pytest
from nats.aio.client import Client
from nats.js.errors import ServiceUnavailableError

from tests.bus.nats import NatsCluster, NatsServer, free_port
from tests.patience import patience
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.storage import LEAST_ROOM
from tiflis.relay.watch.store import CHUNK, RECORD_TTL, STREAM, Fenced, JetStreamWatchStore, StoreUnavailable

TUNNEL = "tunnel-1"

# nats-py leaves the streams of failed connection attempts to the garbage collector.
untidy = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@contextlib.asynccontextmanager
async def linked(url: str, ttl: float = RECORD_TTL) -> AsyncIterator[JetStreamWatchStore]:
    """Return a store that has not made its stream yet."""
    link = NatsClient(url, "test")
    await link.start()
    yield JetStreamWatchStore(link, url, "test", ttl)
    await link.close()


@pytest.fixture
async def connection(nats_server: NatsServer) -> AsyncIterator[Client]:
    """Another client, to look at the stream."""
    connection = await nats.connect(nats_server.url)
    yield connection
    await connection.close()


@pytest.fixture
async def new_store(nats_server: NatsServer) -> AsyncIterator[JetStreamWatchStore]:
    async with linked(nats_server.url) as store:
        yield store


@pytest.fixture
async def store(new_store: JetStreamWatchStore) -> JetStreamWatchStore:
    await new_store.start()
    return new_store


async def stored(store: JetStreamWatchStore, tunnel_id: str = TUNNEL) -> dict[tuple[str, str], bytes]:
    """Return the records that a new home would find; write a head."""
    head = await store.head(tunnel_id)
    revision = await store.put_head(tunnel_id, b"reader", head.revision if head else 0)
    records = await store.load(tunnel_id, revision)
    return {(record.epoch, record.name): record.value for record in records}


async def test_a_tunnel_without_watches_has_no_head(store: JetStreamWatchStore) -> None:
    assert await store.head(TUNNEL) is None


async def test_a_head_is_replaced_by_its_revision(store: JetStreamWatchStore) -> None:
    first = await store.put_head(TUNNEL, b"one", 0)
    second = await store.put_head(TUNNEL, b"two", first)
    assert await store.head(TUNNEL) == (b"two", second)
    for stale in (0, first):
        with pytest.raises(Fenced):
            await store.put_head(TUNNEL, b"three", stale)


async def test_records_come_back_oldest_first_and_of_this_tunnel_only(store: JetStreamWatchStore) -> None:
    await store.put(TUNNEL, "e1", [("m-1", b"one")])
    await store.put(TUNNEL, "e1", [("m-2", b"")])
    await store.put("tunnel-10", "e1", [("m-1", b"foreign")])
    revision = await store.put_head(TUNNEL, b"head", 0)
    records = await store.load(TUNNEL, revision)
    assert [(record.name, record.value) for record in records] == [("m-1", b"one"), ("m-2", b"")]
    assert all(0 <= record.age < 5 and record.revision < revision for record in records)


async def test_what_is_written_after_the_head_is_left_out(store: JetStreamWatchStore) -> None:
    revision = await store.put_head(TUNNEL, b"head", 0)
    await store.put(TUNNEL, "e1", [("m-1", b"late")])
    assert await store.load(TUNNEL, revision) == []


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 20 * CHUNK + 7])
async def test_large_values_are_put_together_again(store: JetStreamWatchStore, size: int) -> None:
    value = bytes(range(256)) * (size // 256 + 1)
    await store.put(TUNNEL, "e1", [("m-1", value[:size]), ("m-2", b"small")])
    assert await stored(store) == {("e1", "m-1"): value[:size], ("e1", "m-2"): b"small"}


async def test_a_shorter_value_hides_the_rest_of_a_longer_one(store: JetStreamWatchStore) -> None:
    await store.put(TUNNEL, "e1", [("m-1", b"x" * 3 * CHUNK)])
    await store.put(TUNNEL, "e1", [("m-1", b"short")])
    assert await stored(store) == {("e1", "m-1"): b"short"}


async def test_half_a_value_is_none(store: JetStreamWatchStore, connection: Client) -> None:
    await store.put(TUNNEL, "e1", [("m-1", b"x" * 3 * CHUNK), ("m-2", b"whole")])
    await connection.jetstream().purge_stream(STREAM, subject=f"tiflis.watch.{TUNNEL}.e1.m-1.1")
    assert await stored(store) == {("e1", "m-2"): b"whole"}


async def test_a_dropped_record_is_gone(store: JetStreamWatchStore) -> None:
    await store.put(TUNNEL, "e1", [("m-1", b"x" * 3 * CHUNK), ("m-11", b"kept")])
    await store.drop(TUNNEL, "e1", "m-1")
    assert await stored(store) == {("e1", "m-11"): b"kept"}


async def test_a_place_holds_one_value_and_everything_expires(
    store: JetStreamWatchStore, connection: Client
) -> None:
    for _ in range(5):
        await store.put(TUNNEL, "e1", [("m-1", b"value")])
    info = await connection.jetstream().stream_info(STREAM)
    assert info.state.messages == 1
    assert info.config.max_age == RECORD_TTL


async def test_records_go_by_themselves(nats_server: NatsServer) -> None:
    async with linked(nats_server.url, ttl=0.2) as store:
        await store.start()
        await store.put_head(TUNNEL, b"head", 0)
        async with patience():
            while await store.head(TUNNEL) is not None:
                await asyncio.sleep(0.05)
        assert await store.put_head(TUNNEL, b"another life", 0)


async def test_starting_again_is_harmless(store: JetStreamWatchStore, nats_server: NatsServer) -> None:
    await store.put_head(TUNNEL, b"head", 0)
    async with linked(nats_server.url) as other:
        await other.start()
    assert await store.head(TUNNEL) is not None


async def test_a_stream_with_other_settings_is_brought_up_to_date(
    new_store: JetStreamWatchStore, connection: Client
) -> None:
    await connection.jetstream().add_stream(name=STREAM, subjects=["tiflis.watch.>"])
    await new_store.start()
    info = await connection.jetstream().stream_info(STREAM)
    assert (info.config.max_age, info.config.max_msgs_per_subject) == (RECORD_TTL, 1)


@untidy
async def test_a_cluster_keeps_three_copies(nats_cluster: NatsCluster) -> None:
    async with linked(nats_cluster.url) as store:
        await store.start()
        await store.put(TUNNEL, "e1", [("m-1", b"value")])
        async with await nats.connect(nats_cluster.url.split(",")) as connection:
            info = await connection.jetstream().stream_info(STREAM)
        assert info.config.num_replicas == 3
        nats_cluster.servers[0].kill()
        assert (await persistently(store))["e1", "m-1"] == b"value"


async def persistently(store: JetStreamWatchStore) -> dict[tuple[str, str], bytes]:
    """Return the stored records, as soon as the bus answers."""
    async with patience(15):
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await stored(store)
            await asyncio.sleep(0.05)


async def test_a_missing_stream_is_made_on_the_way(new_store: JetStreamWatchStore) -> None:
    store = new_store
    with pytest.raises(StoreUnavailable):
        await store.put(TUNNEL, "e1", [("m-1", b"value")])
    await store.put(TUNNEL, "e1", [("m-1", b"value")])
    assert await stored(store) == {("e1", "m-1"): b"value"}


@untidy
async def test_records_outlive_a_killed_server(store: JetStreamWatchStore, nats_server: NatsServer) -> None:
    await store.put(TUNNEL, "e1", [("m-1", b"value")])
    nats_server.kill()
    with pytest.raises(StoreUnavailable):
        await store.put(TUNNEL, "e1", [("m-2", b"lost?")])
    nats_server.start()
    assert (await persistently(store))["e1", "m-1"] == b"value"


class SmallServer(NatsServer):
    """Its JetStream has little storage, or it takes small messages only."""

    def __init__(self, folder: Path, storage: str, **more: Any) -> None:
        super().__init__(folder, **more)
        self.give(storage)

    def give(self, storage: str) -> None:
        text = self._config.read_text()
        self._config.write_text(
            re.sub(r"jetstream \{ (max_file: \w+, )?", f"jetstream {{ max_file: {storage}, ", text)
        )


class Small(NamedTuple):
    server: SmallServer
    store: JetStreamWatchStore
    connection: Client


@contextlib.asynccontextmanager
async def small(folder: Path, storage: str = "3MB", extra: str = "") -> AsyncIterator[Small]:
    server = SmallServer(folder, storage, extra=extra)
    server.start()
    async with linked(server.url) as store:
        connection = await nats.connect(server.url)
        yield Small(server, store, connection)
        await connection.close()
    server.stop()


async def test_the_stream_takes_its_share_of_little_storage(tmp_path: Path) -> None:
    async with small(tmp_path) as (_, store, connection):
        await store.start()
        assert LEAST_ROOM < store.room <= 1.5 * 2**20
        for number in range(80):
            assert await store.put(TUNNEL, "e1", [(f"m-{number}", b"x" * 60_000)]) == set()
        others = await connection.jetstream().add_stream(name="others", subjects=["others"])
        for _ in range(20):
            await connection.jetstream().publish("others", b"x" * 60_000)
        assert others.config.name == "others"


async def test_an_account_that_has_shrunk_goes_on_with_the_newest_records(tmp_path: Path) -> None:
    async with small(tmp_path, "64MB") as (server, store, _):
        await store.start()
        await store.put(TUNNEL, "e1", [(f"m-{number}", b"x" * 100_000) for number in range(60)])
        await store.put(TUNNEL, "e1", [("m-newest", b"value")])
        server.stop()
        server.give("3MB")
        server.start()
        assert (await persistently(store))["e1", "m-newest"] == b"value"
        assert store.room <= 3 * 2**20


async def test_the_oldest_records_go_when_the_directory_needs_room(tmp_path: Path) -> None:
    async with small(tmp_path) as (_, store, connection):
        js = connection.jetstream()
        await store.start()
        await js.add_stream(name="others", subjects=["others"])
        for number in range(20):
            await store.put(TUNNEL, "e1", [(f"m-{number}", b"x" * 60_000)])
        with pytest.raises(ServiceUnavailableError):
            while True:
                await js.publish("others", b"x" * 60_000)
        await store.relieve()
        await js.publish("others", b"x" * 60_000)
        assert ("e1", "m-19") in await stored(store)


async def test_a_small_max_payload_takes_large_values(tmp_path: Path) -> None:
    async with small(tmp_path, "64MB", "max_payload: 4096") as (_, store, _):
        await store.start()
        assert await store.put(TUNNEL, "e1", [("m-1", b"x" * 300_000)]) == set()
        assert await stored(store) == {("e1", "m-1"): b"x" * 300_000}


async def test_what_can_never_be_stored_is_refused_and_the_rest_is_stored(tmp_path: Path) -> None:
    async with small(tmp_path) as (_, store, connection):
        await store.start()
        records = [("m-1", b"x" * store.room), ("m-2", b"small")]
        assert await store.put(TUNNEL, "e1", records) == {"m-1"}
        config = (await connection.jetstream().stream_info(STREAM)).config
        await connection.jetstream().update_stream(config, max_msg_size=1000)
        assert await store.put(TUNNEL, "e1", [("m-3", b"x" * 2000), ("m-4", b"small")]) == {"m-3"}
        assert await stored(store) == {("e1", "m-2"): b"small", ("e1", "m-4"): b"small"}


async def test_values_are_stored_over_the_connection_of_the_directory_alone(tmp_path: Path) -> None:
    """Making the stream takes another one, which has ended by then."""
    monitor = free_port()
    server = NatsServer(tmp_path, extra=f"http: 127.0.0.1:{monitor}")
    server.start()
    async with linked(server.url) as store:
        await store.start()
        await store.put(TUNNEL, "e1", [("m-1", b"value")])
        facts = await asyncio.to_thread(urlopen, f"http://127.0.0.1:{monitor}/varz")
        assert json.load(facts)["connections"] == 1
    server.stop()
