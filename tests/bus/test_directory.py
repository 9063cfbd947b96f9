"""The directory on real JetStream: one winner, every worker is notified, a restart forgets nothing."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from msgspec.structs import replace
from nats.js.kv import KeyValue

from tests.bus.full import full
from tests.bus.nats import NatsCluster, NatsServer
from tests.bus.waiting import until
from tests.patience import now
from tiflis.bus.directory.directory import Conflict, Directory, DirectoryUnavailable, Record
from tiflis.bus.directory.record import decode, encode
from tiflis.bus.storage import administration

TUNNEL = Record("Tunnel_1", "mac", "ab" * 32, "k1", 1, "h-0-aaa", True, 1_700_000_000.5)


@contextlib.asynccontextmanager
async def directory(urls: str) -> AsyncIterator[Directory]:
    """Return a directory that has loaded."""
    one = Directory(urls, "test")
    try:
        await one.start()
        yield one
    finally:
        await one.close()


@contextlib.asynccontextmanager
async def two_directories(urls: str) -> AsyncIterator[tuple[Directory, Directory]]:
    async with directory(urls) as one, directory(urls) as two:
        yield one, two


@contextlib.asynccontextmanager
async def other_client(url: str) -> AsyncIterator[KeyValue]:
    """Return the same bucket as any NATS client sees it."""
    client = await nats.connect(url)
    try:
        yield await client.jetstream().key_value("tiflis_tunnels")
    finally:
        await client.close()


async def test_a_record_comes_back_as_it_was_put(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        stored = await one.put(TUNNEL)
        assert stored == replace(TUNNEL, revision=stored.revision)
        assert stored.revision > 0
        assert one.get("Tunnel_1") == await one.read("Tunnel_1") == stored
        assert await one.read("unknown") is None


async def test_a_store_that_is_full_is_known_until_it_takes_something_again(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        await one.put(TUNNEL)
        async with full(nats_server.url):
            with pytest.raises(DirectoryUnavailable):
                await one.put(replace(TUNNEL, tunnel_id="other"))
            assert one.refuses and one.ready and await one.read("Tunnel_1") is not None
        await one.put(replace(TUNNEL, tunnel_id="other"))
        assert not one.refuses


async def test_the_others_follow(nats_server: NatsServer) -> None:
    async with two_directories(nats_server.url) as (one, two):
        changes: list[tuple[str, Record | None]] = []
        two.on_change = lambda tunnel_id, record: changes.append((tunnel_id, record))
        stored = await one.put(TUNNEL)
        await until(lambda: two.get("Tunnel_1") == stored)
        moved = await one.put(replace(stored, home="h-1-bbb", generation=2))
        await until(lambda: two.get("Tunnel_1") == moved)
        assert changes == [("Tunnel_1", stored), ("Tunnel_1", moved)]


async def test_of_two_that_race_exactly_one_wins(nats_server: NatsServer) -> None:
    async with two_directories(nats_server.url) as (one, two):
        stored = None
        for number in range(50):
            base = stored or TUNNEL
            attempts = await asyncio.gather(
                one.put(replace(base, home="h-0-aaa", generation=number)),
                two.put(replace(base, home="h-1-bbb", generation=number)),
                return_exceptions=True,
            )
            (winner,) = [attempt for attempt in attempts if isinstance(attempt, Record)]
            (loser,) = [attempt for attempt in attempts if isinstance(attempt, Conflict)]
            assert loser.current == winner
            stored = winner


async def test_an_outdated_revision_is_a_conflict_with_what_is_stored(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        first = await one.put(TUNNEL)
        second = await one.put(replace(first, name="other"))
        for revision in (0, first.revision, second.revision + 5):
            with pytest.raises(Conflict) as conflict:
                await one.put(replace(first, revision=revision))
            assert conflict.value.current == second


async def test_repeating_a_write_that_got_through_is_not_a_conflict(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        assert await one.put(TUNNEL) == await one.put(TUNNEL)


async def test_a_directory_reports_whether_its_store_was_empty(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        assert one.started_empty
        await one.put(TUNNEL)
    async with directory(nats_server.url) as again:
        assert not again.started_empty
        assert again.get("Tunnel_1") is not None


async def test_everything_is_there_after_the_server_was_killed(nats_server: NatsServer) -> None:
    async with two_directories(nats_server.url) as (one, two):
        stored = await one.put(TUNNEL)
        for number in range(3):
            nats_server.kill()
            await until(lambda: not one.ready and not two.ready)
            nats_server.start()
            await until(lambda: one.ready and two.ready)
            stored = await one.put(replace(stored, generation=number + 2))
            await until(lambda: two.get("Tunnel_1") == stored)  # noqa: B023


async def test_changes_made_while_one_was_cut_off_are_caught_up(nats_cluster: NatsCluster) -> None:
    mine, other, third = nats_cluster.servers
    async with two_directories(nats_cluster.url) as (one, _):
        await one.put(TUNNEL)
    async with directory(mine.url) as cut_off, directory(f"{other.url},{third.url}") as writer:
        stored = writer.get("Tunnel_1")
        assert stored is not None and cut_off.get("Tunnel_1") == stored
        mine.freeze()
        last = None
        for number in range(5):
            last = await put_patiently(writer, replace(TUNNEL, tunnel_id=f"new-{number}"))
        mine.thaw()
        await until(lambda: cut_off.get("new-4") == last, 20.0)


async def put_patiently(one: Directory, record: Record) -> Record:
    """While the cluster elects a leader, puts are refused for a while."""
    for _ in range(8):
        with contextlib.suppress(DirectoryUnavailable):
            return await one.put(record)
    raise AssertionError("no leader was elected")


async def test_a_cluster_keeps_three_copies(nats_cluster: NatsCluster) -> None:
    async with directory(nats_cluster.url) as one:
        stored = await one.put(TUNNEL)
        info = await one._store.jetstream.call("STREAM.INFO.KV_tiflis_tunnels", {}, 2.0)
        assert info["config"]["num_replicas"] == 3
        nats_cluster.servers[0].kill()
        moved = await put_patiently(one, replace(stored, generation=2))
        assert await one.read("Tunnel_1") == moved


async def test_without_a_server_a_call_fails_within_two_seconds(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        await one.put(TUNNEL)
        nats_server.kill()
        await fails_in_time(one)
        assert one.get("Tunnel_1") is not None


async def test_with_a_stopped_server_a_call_fails_within_two_seconds(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        nats_server.freeze()
        await fails_in_time(one)
        nats_server.thaw()
        await until(lambda: one.ready)
        await one.put(TUNNEL)


async def fails_in_time(one: Directory) -> None:
    for call in (one.put(replace(TUNNEL, tunnel_id="other")), one.read("other")):
        began = now()
        with pytest.raises(DirectoryUnavailable):
            await call
        assert now() - began < 2.0


async def test_a_start_without_a_server_fails_and_succeeds_later(nats_server: NatsServer) -> None:
    nats_server.kill()
    one = Directory(nats_server.url, "test")
    with pytest.raises(DirectoryUnavailable):
        await one.start(0.5)
    nats_server.start()
    await one.start(5.0)
    assert one.ready
    await one.close()


async def test_a_store_that_was_wiped_is_noticed(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        await one.put(TUNNEL)
        stored = await one.put(replace(TUNNEL, tunnel_id="lost"))
        changes: list[tuple[str, Record | None]] = []
        one.on_change = lambda tunnel_id, record: changes.append((tunnel_id, record))
        nats_server.kill()
        shutil.rmtree(nats_server.store)
        nats_server.start()
        await until(lambda: one.get("lost") is None)
        assert ("lost", None) in changes
        again = await one.put(replace(stored, revision=0))
        assert one.get("lost") == again


async def test_a_deleted_record_is_gone_and_can_be_created_again(nats_server: NatsServer) -> None:
    async with two_directories(nats_server.url) as (one, two):
        await one.put(TUNNEL)
        async with other_client(nats_server.url) as bucket:
            await bucket.delete("Tunnel_1")
        await until(lambda: one.get("Tunnel_1") is None and two.get("Tunnel_1") is None)
        assert await one.read("Tunnel_1") is None
        await one.put(TUNNEL)


async def test_an_unreadable_record_is_ignored(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        async with other_client(nats_server.url) as bucket:
            await bucket.put("Tunnel_1", b"{nonsense")
        stored = await one.put(replace(TUNNEL, tunnel_id="other"))
        assert await one.read("Tunnel_1") is None
        async with directory(nats_server.url) as two:
            assert two.get("other") == stored


@pytest.mark.parametrize("tunnel_id", ["", "a.b", "*", ">", "a b", "ü", "a\r\nb"])
async def test_ids_that_mean_something_in_a_subject_never_reach_the_store(tunnel_id: str) -> None:
    one = Directory("nats://127.0.0.1:1", "test")
    with pytest.raises(ValueError):
        await one.read(tunnel_id)
    with pytest.raises(ValueError):
        await one.put(replace(TUNNEL, tunnel_id=tunnel_id))


async def test_user_and_password_work_for_all_connections(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, authorization='user: "me", password: "p:w"', credentials="me:p%3Aw")
    server.start()
    one = Directory(server.url, "test")
    try:
        await one.start(3.0)
        async with administration(server.url, "test") as client:
            assert client.is_connected
    finally:
        await one.close()
        server.stop()


async def test_any_client_reads_what_is_stored(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        stored = await one.put(TUNNEL)
        async with other_client(nats_server.url) as bucket:
            entry = await bucket.get("Tunnel_1")
        assert entry.revision == stored.revision
        assert json.loads(entry.value or b"")["home"] == "h-0-aaa"


def test_our_own_write_may_overtake_received_changes() -> None:
    one = Directory("nats://127.0.0.1:1", "test")
    changes: list[tuple[str, Record | None]] = []
    one.on_change = lambda tunnel_id, record: changes.append((tunnel_id, record))
    newer = replace(TUNNEL, generation=2)
    one.changed("Tunnel_1", encode(newer), 5)
    one.changed("Tunnel_1", encode(TUNNEL), 4)
    one.changed("Tunnel_1", None, 3)
    assert one.get("Tunnel_1") == newer.at(5)
    assert changes == [("Tunnel_1", newer.at(5))]


def test_a_full_listing_spares_what_is_newer_than_it() -> None:
    one = Directory("nats://127.0.0.1:1", "test")
    one.changed("old", encode(TUNNEL), 4)
    one.changed("listed", encode(TUNNEL), 5)
    one.changed("new", encode(TUNNEL), 9)
    one.complete({"listed"}, 8)
    assert {record.tunnel_id for record in one.records()} == {"listed", "new"}


async def test_what_is_forgotten_is_gone_for_all_and_leaves_nothing(nats_server: NatsServer) -> None:
    async with two_directories(nats_server.url) as (one, two):
        kept = await one.put(replace(TUNNEL, tunnel_id="kept", maker="m"))
        stored = await one.put(replace(TUNNEL, maker="m", untouched=True))
        await until(lambda: two.get("Tunnel_1") == stored)
        assert (two.made_by("m"), two.untouched()) == (2, [stored])
        with pytest.raises(Conflict):
            await two.forget(replace(stored, revision=stored.revision - 1))
        await two.forget(stored)
        await until(lambda: one.get("Tunnel_1") is None)
        assert await one.read("Tunnel_1") is None
        assert (one.made_by("m"), one.untouched(), one.get("kept")) == (1, [], kept)
        await two.sweep()
        async with other_client(nats_server.url) as bucket:
            assert (await bucket.status()).values == 1
        again = await one.put(TUNNEL)
        await until(lambda: two.get("Tunnel_1") == again)


async def test_an_older_bucket_gets_its_bound(nats_server: NatsServer) -> None:
    async with directory(nats_server.url) as one:
        await one.put(TUNNEL)
    bounded = Directory(nats_server.url, "test", most_bytes=1 << 20)
    await bounded.start()
    async with other_client(nats_server.url) as bucket:
        assert (await bucket.status()).stream_info.config.max_bytes == 1 << 20
    assert bounded.get("Tunnel_1") is not None
    await bounded.close()


def test_a_long_name_of_an_older_version_is_cut() -> None:
    record = decode("t", encode(replace(TUNNEL, name="ü" * 60_000)), 1)
    assert record.name == "ü" * 128
