"""Presence of workers: hello, goodbye, silence, and questions to all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.bus.nats import NatsServer
from tests.bus.waiting import until
from tests.patience import patience
from tiflis.bus import subjects
from tiflis.bus.errors import OtherVersion
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.presence import LEASE_SECONDS, Presence


class Seen:
    """What a worker's presence told it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.gone: list[str] = []


@contextlib.asynccontextmanager
async def present(
    server: NatsServer, worker_id: str, lease: float = LEASE_SECONDS, **facts: Any
) -> AsyncIterator[tuple[Presence, Seen, NatsClient]]:
    link, seen = NatsClient(server.url, worker_id), Seen()
    await link.start()
    presence = Presence(
        link, worker_id, lambda: facts, seen.gone.append, seen.seen.append, lambda worker_id: lease
    )
    presence.start()
    try:
        yield presence, seen, link
    finally:
        await presence.stop()
        await link.close()


async def test_workers_know_each_other_at_once(nats_server: NatsServer) -> None:
    async with present(nats_server, "h-0-aaa", clients=3) as (one, _, _):
        async with present(nats_server, "h-1-bbb", clients=4) as (two, seen, _):
            await until(lambda: "h-1-bbb" in one.peers and "h-0-aaa" in two.peers, 0.5)
            assert two.peers["h-0-aaa"].facts == {"clients": 3}
            assert seen.seen == ["h-0-aaa"]


async def test_a_goodbye_is_received_at_once(nats_server: NatsServer) -> None:
    async with present(nats_server, "h-0-aaa") as (one, seen, _):
        async with present(nats_server, "h-1-bbb"):
            await until(lambda: "h-1-bbb" in one.peers)
        await until(lambda: seen.gone == ["h-1-bbb"], 0.5)
        assert one.peers == {}


async def test_silence_means_gone_when_the_lease_is_over(nats_server: NatsServer) -> None:
    async with present(nats_server, "h-0-aaa") as (one, seen, _):
        async with present(nats_server, "h-1-bbb") as (_, _, link):
            await until(lambda: "h-1-bbb" in one.peers)
            await link.close()
            began = asyncio.get_running_loop().time()
            await until(lambda: seen.gone == ["h-1-bbb"], LEASE_SECONDS + 2)
            assert asyncio.get_running_loop().time() - began > LEASE_SECONDS - 1.5


async def test_a_silent_worker_with_a_longer_lease_is_not_gone(nats_server: NatsServer) -> None:
    """A worker of the same server only stands still: its main process would have reported its death."""
    async with present(nats_server, "h-0-aaa", lease=60) as (one, seen, _):
        async with present(nats_server, "h-1-bbb") as (two, _, _):
            await until(lambda: "h-1-bbb" in one.peers)
            two._stopped = True
            await until(lambda: one.peers["h-1-bbb"].silent, LEASE_SECONDS + 10)
            assert seen.gone == []
            two._stopped = False
            await until(lambda: not one.peers["h-1-bbb"].silent)


async def test_no_worker_is_gone_because_our_own_link_was_down(nats_server: NatsServer) -> None:
    async with present(nats_server, "h-0-aaa") as (one, seen, link):
        async with present(nats_server, "h-1-bbb"):
            await until(lambda: "h-1-bbb" in one.peers)
            nats_server.kill()
            await asyncio.sleep(LEASE_SECONDS + 1)
            nats_server.start()
            await until(lambda: link.up)
            heard = one.peers["h-1-bbb"].heard_at
            await until(lambda: one.peers["h-1-bbb"].heard_at > heard)
            assert seen.gone == []


async def test_a_death_reported_by_the_arbiter_reaches_all_and_late_hellos_are_ignored(
    nats_server: NatsServer,
) -> None:
    async with present(nats_server, "h-0-aaa") as (one, one_saw, _):
        async with present(nats_server, "h-1-bbb") as (two, two_saw, _):
            async with present(nats_server, "h-2-ccc"):
                await until(lambda: "h-2-ccc" in one.peers and "h-2-ccc" in two.peers)
                one.gone("h-2-ccc")
                await until(lambda: two_saw.gone == ["h-2-ccc"])
                await asyncio.sleep(1.2)  # it still says hello
                assert one_saw.gone == ["h-2-ccc"]
                assert "h-2-ccc" not in one.peers and "h-2-ccc" not in two.peers


async def test_a_successor_leaves_the_old_worker_of_its_slot_alone(nats_server: NatsServer) -> None:
    """It lives on until its sockets are handed over; of its death the main process tells."""
    async with present(nats_server, "h-0-aaa") as (one, seen, _):
        async with present(nats_server, "h-1-old"):
            await until(lambda: "h-1-old" in one.peers)
            async with present(nats_server, "h-1-new"):
                await until(lambda: "h-1-new" in one.peers)
                assert "h-1-old" in one.peers and seen.gone == []


async def test_a_question_gathers_all_answers(nats_server: NatsServer) -> None:
    async with present(nats_server, "h-0-aaa") as (one, _, _):
        async with present(nats_server, "h-1-bbb") as (two, _, _):
            await until(lambda: "h-1-bbb" in one.peers)
            one.answer("count", lambda: {"clients": 1})
            two.answer("count", lambda: {"clients": 2})
            assert await one.ask("count") == [{"clients": 1}, {"clients": 2}]


async def test_a_question_waits_no_longer_than_its_deadline(nats_server: NatsServer) -> None:
    async with present(nats_server, "h-0-aaa") as (one, _, _):
        async with present(nats_server, "h-1-bbb"):
            await until(lambda: "h-1-bbb" in one.peers)
            one.answer("count", lambda: {"clients": 1})
            assert await one.ask("count", 0.1) == [{"clients": 1}]


async def test_only_those_that_are_meant_are_waited_for(nats_server: NatsServer) -> None:
    async with present(nats_server, "h-0-aaa") as (one, _, _):
        async with present(nats_server, "h-1-bbb") as (two, _, _), present(nats_server, "z-0-mute"):
            await until(lambda: {"h-1-bbb", "z-0-mute"} <= set(one.peers))
            two.answer("count", lambda: {"clients": 2})
            async with patience():
                answers = await one.ask("count", 60.0, lambda worker_id: worker_id.startswith("h-"))
            assert answers == [{"clients": 2}]


async def test_an_answer_that_the_bus_would_not_take_is_left_out(nats_server: NatsServer) -> None:
    async with present(nats_server, "h-0-aaa") as (one, _, _):
        async with present(nats_server, "h-1-bbb") as (two, _, link):
            await until(lambda: "h-1-bbb" in one.peers)
            two.answer("count", lambda: {"rows": "x" * (link.max_payload + 1)})
            assert await one.ask("count", 5.0) == [{}]
            assert link.up


async def test_nonsense_on_the_subjects_is_refused(nats_server: NatsServer) -> None:
    async with present(nats_server, "h-0-aaa") as (one, _seen, link):
        for payload in (
            b"",
            b"[]",
            b"{}",
            b'{"id":1}',
            b'{"id":"a.b"}',
            b'{"id":"*"}',
            b"\xff",
            b'{"id":"x","facts":1}',
        ):
            link.publish("tiflis.hello", payload)
            link.publish("tiflis.gone", payload)
            link.publish("tiflis.ask", payload)
            link.publish("tiflis.r.h-0-aaa", payload)
        await link.flush()
        assert set(one.peers) <= {"x"}
        assert link.up


async def test_no_worker_begins_among_others_that_write_another_format(nats_server: NatsServer) -> None:
    async with (
        present(nats_server, "h-0-aaa") as (one, _, link),
        present(nats_server, "h-1-bbb") as (_, seen, _),
    ):
        await one.meet(0.1)
        link.publish(subjects.HELLO, b'{"id":"other-0-ccc","facts":{}}')
        await until(lambda: len(one.peers) == 2)
        with pytest.raises(OtherVersion, match="other-0-ccc"):
            await one.meet(0.0)
        await until(lambda: seen.gone == ["h-0-aaa"], 0.5)
