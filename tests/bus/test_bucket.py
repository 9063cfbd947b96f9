"""Writes to a bucket whose answers are lost on the way, at a real NATS server."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.bus.nats import NatsServer
from tiflis.bus.directory.bucket import Bucket, WrongRevision
from tiflis.bus.errors import DirectoryUnavailable, LinkUnavailable, NoRoom
from tiflis.bus.nats.client import NatsClient

SECONDS = 30.0


@contextlib.asynccontextmanager
async def forgetful(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    """Return a bucket over which the answer to the first attempt of every write is lost."""
    link = NatsClient(server.url, "test")
    await link.start()
    bucket = Bucket(link, "things", 3600.0, 1)
    await bucket.ensure(False)
    publish, lost = bucket.jetstream.publish, set[bytes]()

    async def lossy(subject: str, payload: bytes, headers: dict[str, str], seconds: float) -> int:
        revision = await publish(subject, payload, headers, seconds)
        if payload not in lost:
            lost.add(payload)
            raise LinkUnavailable("no answer")
        return revision

    monkeypatch.setattr(bucket.jetstream, "publish", lossy)
    yield bucket
    await link.close()


async def test_a_write_whose_first_answer_was_lost_succeeds(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with forgetful(nats_server, monkeypatch) as bucket:
        first = await bucket.write("key", b"one", 0, SECONDS)
        second = await bucket.write("key", b"two", first, SECONDS)
        assert (first, second) == (1, 2)
        assert await bucket.read("key", SECONDS) == (b"two", 2)
        with pytest.raises(WrongRevision):
            await bucket.write("key", b"late", first, SECONDS)


async def test_the_keys_below_a_prefix_are_counted(nats_server: NatsServer) -> None:
    link = NatsClient(nats_server.url, "test")
    await link.start()
    bucket = Bucket(link, "counted", 3600.0, 1)
    await bucket.ensure(False)
    assert await bucket.count("t.", SECONDS) == 0
    for key in ("t.a", "t.b", "tt.c"):
        revision = await bucket.write(key, b"x", 0, SECONDS)
    assert await bucket.count("t.", SECONDS) == 2
    await bucket.remove("tt.c", revision, SECONDS)
    assert await bucket.count("tt.", SECONDS) == 0
    await link.close()


async def test_a_write_for_which_there_is_no_room_is_told_from_one_without_an_answer(
    nats_server: NatsServer,
) -> None:
    link = NatsClient(nats_server.url, "test")
    await link.start()
    bucket = Bucket(link, "small", 3600.0, 1, 2000)
    await bucket.ensure(False)
    with pytest.raises(NoRoom):
        await bucket.write("key", b"x" * 3000, 0, 1.0)
    await link.close()
    with pytest.raises(DirectoryUnavailable) as caught:
        await bucket.write("key", b"x", 0, 0.2)
    assert not isinstance(caught.value, NoRoom)
