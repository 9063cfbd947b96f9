"""Journal: the store always holds enough that the next home's numbers do not go back."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.relay.watch_fakes import KEY, Stage
from tiflis.relay.watch.calls import Connect, Messages, State
from tiflis.relay.watch.interfaces import QueueLimits
from tiflis.relay.watch.operations import WatchOperations
from tiflis.relay.watch.queue import Bounds

WATCHES: list[dict[str, Any]] = [{"device_id": f"watch-{number}", "auth_key": KEY} for number in (1, 2)]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    stage.limits = QueueLimits(Bounds(size=100), pace=0.0, store_timeout=2.0)
    yield stage
    await stage.close()


async def current(watches: WatchOperations) -> int:
    return int((await watches.call(State(**WATCHES[0])))["current_sequence"])


async def with_two_watches(stage: Stage) -> WatchOperations:
    watches = stage.watches()
    for watch in WATCHES:
        await watches.call(Connect(**watch))
    return watches


async def deliver(watches: WatchOperations, device_id: str, *texts: bytes) -> None:
    for text in texts:
        watches.deliver_to(device_id, text)
    await watches.registry.settle()


async def heirs_number(stage: Stage, watches: WatchOperations) -> int:
    await watches.close()
    return await current(stage.watches())


async def let_two_messages_expire(stage: Stage, watches: WatchOperations) -> None:
    """After them, nothing but the watch's record can know that it has seen the number 2."""
    stage.clock.now += 1
    await deliver(watches, "watch-1", b'{"n":1}', b'{"n":2}')
    stage.clock.now += 10
    assert await current(watches) == 2
    await watches.call(State(**WATCHES[1]))
    stage.clock.now += 291
    watches.registry.sweep()
    assert len(watches.devices()) == 2


async def test_a_number_outlives_the_place_of_its_message(stage: Stage) -> None:
    watches = await with_two_watches(stage)
    await let_two_messages_expire(stage, watches)
    for _ in range(4):
        await deliver(watches, "watch-2", b"{}")
    assert await heirs_number(stage, watches) == 3


async def test_a_place_is_not_used_again_before_the_number_is_stored(stage: Stage) -> None:
    watches = await with_two_watches(stage)
    await let_two_messages_expire(stage, watches)
    parts = iter([1.0])  # the first record, a watch's, does not arrive; the messages do
    stage.store.tear = lambda: next(parts, 0.0)
    for _ in range(2):
        watches.deliver_to("watch-2", b"{}")
    while stage.store.tear is not None:
        await asyncio.sleep(0)
    assert await heirs_number(stage, watches) == 3


async def test_the_number_of_a_message_that_was_never_stored_is(stage: Stage) -> None:
    watches = await with_two_watches(stage)
    large = b'{"x":"%s"}' % (b"x" * 100)
    await deliver(watches, "watch-1", large, large)
    assert await current(watches) == 2
    assert await heirs_number(stage, watches) == 3


async def test_a_connect_is_stored_in_the_end(stage: Stage) -> None:
    watches = stage.watches()
    await watches.call(State(**WATCHES[0]))
    stage.store.fail_puts = 1
    await watches.call(Connect(**WATCHES[0]))
    await watches.close()
    assert (await stage.watches().call(State(**WATCHES[0])))["connected"]


async def test_large_messages_do_not_wait_for_their_expiry(stage: Stage) -> None:
    stage.limits = QueueLimits(pace=0.0)
    watches = await with_two_watches(stage)
    await deliver(watches, "watch-1", b'{"x":"%s"}' % (b"x" * 2_000_000))
    await watches.call(Messages(**WATCHES[0], since=1))
    await watches.registry.settle()
    assert max(len(value) for value, _, _ in stage.store.records.values()) < 1000


async def poll(watches: WatchOperations, since: int = 0) -> tuple[list[int], bool]:
    answer = await watches.call(Messages(**WATCHES[0], since=since))
    return [item["sequence"] for item in json.loads(answer["messages_json"])], answer[
        "may_have_missed_messages"
    ]


async def test_what_the_store_never_takes_is_a_gap_and_blocks_nothing(stage: Stage) -> None:
    stage.limits = QueueLimits(pace=0.0)
    watches = await with_two_watches(stage)
    stage.store.too_large = 1000
    await deliver(watches, "watch-1", b'{"n":1}', b'{"x":"%s"}' % (b"x" * 2000), b'{"n":3}')
    assert await poll(watches) == ([1, 3], True)
    assert await poll(watches, 2) == ([3], False)
    await watches.close()
    assert await poll(stage.watches(), 3) == ([], True)


async def test_nothing_is_dropped_while_the_store_takes_nothing_at_all(stage: Stage) -> None:
    watches = await with_two_watches(stage)
    stage.store.too_large = 0
    watches.deliver_to("watch-1", b'{"n":1}')
    while stage.store.refusals < 2:
        await asyncio.sleep(0)
    stage.store.too_large = 1 << 30
    await watches.registry.settle()
    assert await poll(watches) == ([1], False)


async def test_a_store_of_little_room_is_filled_in_portions(stage: Stage) -> None:
    stage.limits = QueueLimits(pace=0.0)
    watches = await with_two_watches(stage)
    stage.store.room = 4000
    stage.store.away = True
    for number in range(20):
        watches.deliver_to("watch-1", b'{"n":%d,"x":"%s"}' % (number, b"x" * 500))
    stage.store.away = False
    await watches.registry.settle()
    assert await poll(watches) == (list(range(1, 21)), False)
    assert max(stage.store.batches) < 2000
