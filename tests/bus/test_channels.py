"""Channels over real NATS servers that are killed, stopped and started again under them."""

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bus.nats import NatsCluster, NatsServer
from tests.bus.simulation import Recorder
from tests.bus.waiting import until
from tests.patience import now
from tiflis.bus.channels.bus import Bus, Channel
from tiflis.bus.nats.client import NatsClient


@dataclass
class Worker:
    """A worker with its link and bus."""

    link: NatsClient
    bus: Bus
    accepted: list[tuple[Channel, Recorder]] = field(default_factory=list)


@contextlib.asynccontextmanager
async def worker(urls: str, worker_id: str) -> AsyncIterator[Worker]:
    link = NatsClient(urls, worker_id)
    await link.start()
    accepted: list[tuple[Channel, Recorder]] = []

    def accept(channel: Channel) -> Recorder:
        accepted.append((channel, Recorder()))
        return accepted[-1][1]

    bus = Bus(link, worker_id, accept)
    await link.flush()
    try:
        yield Worker(link, bus, accepted)
    finally:
        bus.close()
        await link.close()


@contextlib.asynccontextmanager
async def pair(urls: str) -> AsyncIterator[tuple[Worker, Worker]]:
    async with worker(urls, "h-0-aaa") as one, worker(urls, "h-1-bbb") as two:
        yield one, two


async def connect(
    one: Worker, two: Worker, tunnel_id: str = "T"
) -> tuple[Channel, Recorder, Channel, Recorder]:
    """Open a channel from one; return it and both ends' handlers."""
    saw = Recorder()
    channel = one.bus.open("h-1-bbb", tunnel_id, saw)
    known = len(two.accepted)
    await until(lambda: len(two.accepted) > known)
    return channel, saw, *two.accepted[-1]


async def test_messages_arrive_over_a_bus_that_takes_small_ones_only(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, extra="max_payload: 16384")
    server.start()
    try:
        async with pair(server.url) as (one, two):
            near, _, _, far_saw = await connect(one, two)
            near.send(bytes(300_000))
            await until(lambda: far_saw.received_ == [bytes(300_000)])
            assert "Maximum Payload" not in server.log.read_text()
    finally:
        server.stop()


class Load:
    """Numbered messages both ways at a steady pace."""

    def __init__(self, near: Channel, far: Channel) -> None:
        self._ends = (near, far)
        self._random = random.Random(7)
        self.there: list[bytes] = []
        self.back: list[bytes] = []

    async def run(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            for channel, sent in zip(self._ends, (self.there, self.back), strict=True):
                if channel.writable:
                    message = b"%d:" % len(sent) + bytes(self._random.choice((10, 200, 200, 5000)))
                    sent.append(message)
                    channel.send(message)
            await asyncio.sleep(0.001)


async def test_messages_arrive_while_the_server_is_killed_and_started_again(nats_server: NatsServer) -> None:
    async with pair(nats_server.url) as (one, two):
        near, near_saw, far, far_saw = await connect(one, two)
        load = Load(near, far)
        for away in (0.0, 0.5, 1.5):
            task = asyncio.create_task(load.run(away + 0.6))
            await asyncio.sleep(0.2)
            nats_server.kill()
            await asyncio.sleep(away)
            nats_server.start()
            await task
        await until(lambda: len(far_saw.received_) == len(load.there))
        await until(lambda: len(near_saw.received_) == len(load.back))
        assert far_saw.received_ == load.there
        assert near_saw.received_ == load.back


async def test_messages_arrive_after_the_server_was_stopped(nats_server: NatsServer) -> None:
    async with pair(nats_server.url) as (one, two):
        near, near_saw, far, far_saw = await connect(one, two)
        load = Load(near, far)
        task = asyncio.create_task(load.run(5.0))
        await asyncio.sleep(0.2)
        nats_server.freeze()
        await until(lambda: not one.link.up and not two.link.up)
        nats_server.thaw()
        await task
        await until(lambda: len(far_saw.received_) == len(load.there))
        await until(lambda: len(near_saw.received_) == len(load.back))
        assert far_saw.received_ == load.there
        assert near_saw.received_ == load.back


async def test_the_loss_of_a_cluster_node_loses_no_message(nats_cluster: NatsCluster) -> None:
    first, second, _ = nats_cluster.servers
    async with worker(first.url, "h-0-aaa") as one, worker(second.url, "h-1-bbb") as two:
        near, near_saw, far, far_saw = await connect(one, two)
        load = Load(near, far)
        task = asyncio.create_task(load.run(2.0))
        await asyncio.sleep(0.3)
        first.kill()
        await task
        await until(lambda: len(far_saw.received_) == len(load.there))
        await until(lambda: len(near_saw.received_) == len(load.back))
        assert far_saw.received_ == load.there
        assert near_saw.received_ == load.back


async def test_fifty_mebibytes_arrive_while_the_server_is_killed(nats_server: NatsServer) -> None:
    async with pair(nats_server.url) as (one, two):
        near, _, _, far_saw = await connect(one, two)
        message = random.Random(3).randbytes(50 * 1024 * 1024)
        near.send(message)
        await until(lambda: near.buffered < 40 * 1024 * 1024)
        nats_server.kill()
        nats_server.start()
        await until(lambda: bool(far_saw.received_), 20.0)
        assert hashlib.sha256(far_saw.received_[0]).digest() == hashlib.sha256(message).digest()


async def test_a_stalled_reader_holds_up_only_itself(nats_server: NatsServer) -> None:
    async with pair(nats_server.url) as (one, two):
        slow, slow_saw, slow_far, slow_far_saw = await connect(one, two, "slow")
        quick, _, _, quick_far_saw = await connect(one, two, "quick")
        slow_far.hold()
        while slow.writable:
            slow.send(bytes(1_000_000))
        for number in range(100):
            began = now()
            quick.send(b"%d" % number)
            await until(lambda: len(quick_far_saw.received_) == number + 1)  # noqa: B023
            assert now() - began < 0.5
        assert slow_far_saw.received_ == []
        slow_far.resume()
        await until(lambda: slow.buffered == 0)
        assert slow_saw.writable == [False, True]


async def test_drain_waits_until_everything_is_consumed(nats_server: NatsServer) -> None:
    async with pair(nats_server.url) as (one, two):
        near, _, far, far_saw = await connect(one, two)
        far.hold()
        near.send(b"last words")
        assert not await one.bus.drain(0.1)
        far.resume()
        assert await one.bus.drain(2.0)
        assert far_saw.received_ == [b"last words"]


async def test_after_a_drain_the_peer_has_received_what_was_consumed(nats_server: NatsServer) -> None:
    async with pair(nats_server.url) as (one, two):
        near, near_saw, _, far_saw = await connect(one, two)
        near.send(b"consumed")
        await until(lambda: far_saw.received_ == [b"consumed"])
        await two.bus.drain(1.0)
        await two.link.flush()
        await one.link.flush()
        one.bus.peer_gone("h-1-bbb")
        assert near_saw.undelivered == []


async def test_who_leaves_closes_everything_and_both_sides_agree(nats_server: NatsServer) -> None:
    async with pair(nats_server.url) as (one, two):
        near, near_saw, _, far_saw = await connect(one, two)
        await connect(one, two)
        load = [b"%d" % number for number in range(2000)]
        for message in load:
            near.send(message)
        await until(lambda: bool(far_saw.received_))
        assert await two.bus.leave(2.0)
        await until(lambda: near_saw.undelivered is not None)
        assert far_saw.received_ + (near_saw.undelivered or []) == load
        assert one.bus.channels == two.bus.channels == 0


async def test_a_channel_opened_while_the_bus_is_away_opens_when_it_is_back(nats_server: NatsServer) -> None:
    async with pair(nats_server.url) as (one, two):
        nats_server.kill()
        await until(lambda: not one.link.up and not two.link.up)
        channel = one.bus.open("h-1-bbb", "T", Recorder())
        channel.send(b"patience")
        nats_server.start()
        await until(lambda: bool(two.accepted) and two.accepted[0][1].received_ == [b"patience"])
