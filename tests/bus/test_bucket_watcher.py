"""The bucket watcher when its consumer misbehaves, with a scripted store."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.bus.nats import NatsServer
from tests.bus.waiting import until
from tiflis.bus.directory import watcher
from tiflis.bus.directory.bucket import Bucket
from tiflis.bus.directory.watcher import BucketWatcher
from tiflis.bus.nats.client import NatsClient


class Listener:
    """An audience that remembers."""

    def __init__(self) -> None:
        self.values: dict[str, bytes | None] = {}
        self.told: list[tuple[str, int]] = []
        self.completed: list[set[str] | None] = []

    def changed(self, key: str, value: bytes | None, revision: int) -> None:
        self.values[key] = value
        self.told.append((key, revision))

    def replaced(self) -> None:
        self.values.clear()

    def complete(self, keys: set[str] | None, revision: int) -> None:
        self.completed.append(keys)


@contextlib.asynccontextmanager
async def following(server: NatsServer) -> AsyncIterator[tuple[BucketWatcher, Bucket, Listener]]:
    link = NatsClient(server.url, "test")
    store, listener = Bucket(link, "things", 3600.0, 1), Listener()
    one = BucketWatcher(link, store, listener)
    await link.start()
    task = asyncio.create_task(one.run())
    try:
        await until(lambda: one.current)
        yield one, store, listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await link.close()


async def write(store: Bucket, **values: str) -> None:
    for key, value in values.items():
        entry = await store.read(key, 10.0)
        await store.write(key, value.encode(), entry.revision if entry else 0, 10.0)


async def test_each_change_is_reported_once_and_in_order(nats_server: NatsServer) -> None:
    async with following(nats_server) as (_, store, listener):
        for number in range(20):
            await write(store, a=str(number))
            await until(lambda: listener.values.get("a") == str(number).encode())  # noqa: B023 - awaited here
        assert listener.told == [("a", number + 1) for number in range(20)]


async def test_nothing_is_reported_again_after_the_server_was_killed(nats_server: NatsServer) -> None:
    async with following(nats_server) as (one, store, listener):
        await write(store, a="1", b="2")
        await until(lambda: len(listener.told) == 2)
        nats_server.kill()
        await until(lambda: not one.current)
        nats_server.start()
        await until(lambda: one.current)
        await write(store, a="3")
        await until(lambda: len(listener.told) > 2)
        assert listener.told == [("a", 1), ("b", 2), ("a", 3)]


async def test_a_gap_is_noticed_and_filled(nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with following(nats_server) as (one, store, listener):
        swallowed: list[bytes] = []
        deliver = one._message

        def lossy(subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
            if payload == b"swallowed" and not swallowed:
                swallowed.append(payload)
            else:
                deliver(subject, reply, headers, payload)

        # The running consumer's handler is replaced behind its back.
        for sid, handler in list(one._link._subscriptions.whole.items()):
            if handler == one._message:
                one._link._subscriptions.whole[sid] = lossy
        await write(store, a="swallowed")
        await write(store, b="2")
        await until(lambda: listener.values == {"a": b"swallowed", "b": b"2"})
        assert swallowed


async def test_the_last_change_lost_is_noticed_by_comparing(nats_server: NatsServer) -> None:
    async with following(nats_server) as (one, store, listener):
        for sid, handler in list(one._link._subscriptions.whole.items()):
            if handler == one._message:
                one._link._subscriptions.whole[sid] = lambda *message: (
                    None if message[1].startswith(b"$JS.ACK.") else one._message(*message)
                )
        await write(store, a="lost")
        await until(lambda: listener.values == {"a": b"lost"})


async def test_a_consumer_that_vanishes_is_replaced(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "SILENCE_SECONDS", 1.5)
    async with following(nats_server) as (_, store, listener):
        names: Any = await store.jetstream.call(f"CONSUMER.NAMES.{store.stream}", {}, 2.0)
        for name in names["consumers"]:
            await store.jetstream.call(f"CONSUMER.DELETE.{store.stream}.{name}", {}, 2.0)
        await write(store, a="after")
        await until(lambda: listener.values == {"a": b"after"})


async def test_an_audit_tells_everything_anew(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "AUDIT_SECONDS", 0.2)
    async with following(nats_server) as (_, store, listener):
        await write(store, a="1", b="2")
        await until(lambda: listener.completed[-1] == {"a", "b"})


async def test_a_thousand_keys_are_loaded_at_the_start(nats_server: NatsServer) -> None:
    async with following(nats_server) as (_, store, _):
        await asyncio.gather(*(store.write(f"k{number}", b"x" * 300, 0, 5.0) for number in range(1000)))
    async with following(nats_server) as (_, _, listener):
        assert len(listener.values) == 1000
        assert listener.completed == [{f"k{number}" for number in range(1000)}]
