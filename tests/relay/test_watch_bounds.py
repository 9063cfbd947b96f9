"""Bounds of a tunnel's watches: their number, their memory, and a store that fails."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.patience import patience
from tests.relay.watch_fakes import KEY, WHO, Stage, connected, data, deliver, numbers, poll
from tiflis.relay.pinned import Pinned, Shares
from tiflis.relay.watch.calls import Connect, Messages, State
from tiflis.relay.watch.interfaces import QueueLimits
from tiflis.relay.watch.operations import WatchOperations
from tiflis.relay.watch.queue import Bounds


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.close()


async def test_the_number_of_watches_is_bounded(stage: Stage) -> None:
    stage.limits = QueueLimits(Bounds(), pace=0.0, watches=2)
    watches = stage.watches()
    for number in range(3):
        stage.clock.now += 1
        await watches.call(Connect(device_id=f"watch-{number}", auth_key=KEY))
    assert watches.devices() == ["watch-1", "watch-2"]
    assert stage.home.left == ["watch-0"]


async def crowded_out(stage: Stage) -> WatchOperations:
    """Connect one watch too many: the first has gone, with one message that it has and one that it has
    not."""
    stage.limits = QueueLimits(Bounds(), pace=0.0, watches=2)
    watches = await connected(stage)
    await deliver(watches, b'{"n":1}')
    await poll(watches)
    await deliver(watches, b'{"n":2}')
    for number in (2, 3):
        stage.clock.now += 1
        await watches.call(Connect(device_id=f"watch-{number}", auth_key=KEY))
    assert watches.devices() == ["watch-2", "watch-3"]
    return watches


@pytest.mark.parametrize("since", [0, 1])
async def test_a_watch_that_was_crowded_out_receives_a_gap_and_no_lower_number(
    stage: Stage, since: int
) -> None:
    watches = await crowded_out(stage)
    assert (await watches.call(State(**WHO)))["current_sequence"] == 2
    answer = await poll(watches, since=since)
    assert answer["current_sequence"] > 2
    assert answer["may_have_missed_messages"]
    await deliver(watches, b'{"n":3}')
    assert data(await poll(watches, since=answer["current_sequence"])) == [{"n": 3}]


@pytest.mark.parametrize("orderly", [True, False])
async def test_the_next_home_has_the_numbers_of_a_watch_that_was_crowded_out(
    stage: Stage, orderly: bool
) -> None:
    watches = await crowded_out(stage)
    await watches.registry.settle()
    await (watches.release() if orderly else watches.close())
    answer = await poll(stage.watches())
    assert answer["current_sequence"] > 2
    assert answer["may_have_missed_messages"]


async def test_a_watch_that_connects_again_begins_with_one_though_it_was_crowded_out(stage: Stage) -> None:
    watches = await crowded_out(stage)
    await watches.call(Connect(**WHO))
    answer = await poll(watches)
    assert (answer["current_sequence"], answer["may_have_missed_messages"]) == (0, False)


async def test_numbers_go_on_above_those_of_the_device_when_everything_else_is_forgotten(
    stage: Stage,
) -> None:
    answer = await poll(stage.watches(), since=57)
    assert answer["current_sequence"] > 57
    assert answer["may_have_missed_messages"]


async def test_what_comes_during_a_release_is_taken_along(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b'{"n":1}')
    release = asyncio.create_task(watches.release())
    while not watches.registry._writer._stopped:
        await asyncio.sleep(0)
    watches.deliver(b'{"n":2}')
    await release
    answer = await poll(stage.watches())
    assert (data(answer), answer["may_have_missed_messages"]) == ([{"n": 1}, {"n": 2}], False)


async def test_a_crash_before_the_first_write_of_a_new_home_takes_nothing_back(stage: Stage) -> None:
    watches = await connected(stage)
    stage.store.fail_heads = 1
    watches.deliver(b'{"n":1}')
    while "m-1" not in stage.store.log:
        await asyncio.sleep(0)
    await watches.close()

    for _ in range(3):
        stage.store.fail_puts = 1
        successor = stage.watches()
        answer = await poll(successor)
        assert (data(answer), answer["current_sequence"]) == ([{"n": 1}], 2)
        await successor.close()
        assert stage.store.fail_puts == 0


async def test_a_registry_opens_with_the_first_message_and_keeps_nothing(stage: Stage) -> None:
    watches = stage.watches()
    for _ in range(3):
        watches.deliver(b'{"type":"x"}')
    async with patience():
        while watches.registry._early is not None:
            await asyncio.sleep(0)
    assert stage.store.looks == 1


async def test_records_that_cannot_be_read_are_left_out(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b'{"n":1}')
    await watches.release()
    for place, (_, revision, at) in stage.store.records.items():
        stage.store.records[place] = (b"rubbish", revision, at)
    successor = stage.watches()
    assert (await poll(successor, since=1))["may_have_missed_messages"]
    await deliver(successor, b'{"n":2}')
    assert data(await poll(successor)) == [{"n": 2}]


async def test_an_outage_of_the_store_does_not_pile_up_snapshots(stage: Stage) -> None:
    watches = await connected(stage)
    stage.store.away = True
    for number in range(2000):
        watches.deliver(b'{"type":"x","streaming_message_id":"s","n":%d}' % number)
    pending = watches.registry._journal._unsent
    assert len(pending) < 300
    assert sum(len(message.text) for message in pending) < 100
    stage.store.away = False
    await watches.registry.settle()
    assert numbers(await poll(watches)) == [2000]


async def test_the_queues_of_a_tunnel_share_a_part_of_its_memory(stage: Stage) -> None:
    account = Pinned(Shares(tunnel=400_000)).account("tunnel-1")
    watches = stage.watches(account)
    for name in ("reads", "sleeps"):
        await watches.call(Connect(device_id=name, auth_key=KEY))
    texts = [b'{"type":"n","n":%d,"x":"%s"}' % (n, b"x" * 40_000) for n in range(5)]
    watches.deliver(texts[0])
    assert 40_000 < account.kinds["queues"] < 41_000  # once, though two queues hold it
    for text in texts[1:]:
        watches.deliver_to("sleeps", text)
    assert account.kinds["queues"] <= 100_000
    await watches.registry.settle()
    kept = await watches.call(Messages(device_id="reads", auth_key=KEY))
    assert (kept["may_have_missed_messages"], len(json.loads(kept["messages_json"]))) == (False, 1)
    trimmed = await watches.call(Messages(device_id="sleeps", auth_key=KEY))
    assert trimmed["may_have_missed_messages"]
    await watches.close()
    assert account.total == 0
