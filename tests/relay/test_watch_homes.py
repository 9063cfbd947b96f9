"""A change of a watch's home takes nothing back: numbers, messages and gaps."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.patience import patience
from tests.relay.watch_fakes import KEY, WHO, Stage, connected, data, deliver, numbers, poll
from tiflis.protocol.errors import SendFailed
from tiflis.relay.watch.calls import Connect, Disconnect, State


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.close()


async def test_numbers_are_not_shown_before_they_are_stored(stage: Stage) -> None:
    watches = await connected(stage)
    stage.store.away = True
    watches.deliver(b"{}")
    assert (await poll(watches))["current_sequence"] == 0
    stage.store.away = False
    await watches.registry.settle()
    assert numbers(await poll(watches)) == [1]


async def test_a_crash_loses_nothing_that_was_stored_and_announces_a_gap(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b'{"n":1}', b'{"n":2}', b'{"n":3}')
    await poll(watches, ack=1)
    await deliver(watches, b'{"n":4}')
    await watches.close()

    successor = stage.watches()
    answer = await poll(successor, since=1)
    assert (data(answer), answer["current_sequence"]) == ([{"n": 2}, {"n": 3}, {"n": 4}], 5)
    assert answer["may_have_missed_messages"]
    await deliver(successor, b'{"n":6}')
    answer = await poll(successor, since=5)
    assert (numbers(answer), answer["may_have_missed_messages"]) == ([6], False)


async def test_an_orderly_release_leaves_no_gap(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b'{"n":1}')
    watches.deliver(b'{"n":2}')
    await watches.release()

    answer = await poll(stage.watches())
    assert (data(answer), answer["current_sequence"]) == ([{"n": 1}, {"n": 2}], 2)
    assert not answer["may_have_missed_messages"]


async def test_a_release_in_the_middle_of_an_answer_leaves_no_gap(stage: Stage) -> None:
    watches = await connected(stage)
    text = b'{"type":"session.output","streaming_message_id":"s","n":%d}'
    await deliver(watches, text % 1)
    watches.deliver(text % 2)
    await watches.release()

    answer = await poll(stage.watches())
    assert [item["n"] for item in data(answer)] == [2]
    assert not answer["may_have_missed_messages"]


async def test_a_home_that_dies_before_its_first_write_leaves_a_gap(stage: Stage) -> None:
    """It came after one that ended in good order, and nothing in the store tells of it."""
    await (await connected(stage)).release()
    stage.home.generation = 2
    short_lived = stage.watches()
    short_lived.deliver(b'{"n":1}')
    await short_lived.close()

    stage.home.generation = 3
    assert (await poll(stage.watches()))["may_have_missed_messages"]


async def test_the_next_home_after_an_orderly_one_announces_no_gap(stage: Stage) -> None:
    await (await connected(stage)).release()
    stage.home.generation = 2
    assert not (await poll(stage.watches()))["may_have_missed_messages"]


async def test_what_expired_between_two_homes_is_missed(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b'{"n":1}')
    stage.clock.now += 299
    await watches.call(State(**WHO))
    await watches.release()
    stage.clock.now += 2
    answer = await poll(stage.watches())
    assert (numbers(answer), answer["current_sequence"]) == ([], 1)
    assert answer["may_have_missed_messages"]


async def test_numbers_never_go_back_over_many_crashes(stage: Stage) -> None:
    watches, current = await connected(stage), 0
    for life in range(12):
        await watches.call(State(**WHO))
        for step in range(life % 4):
            watches.deliver(b'{"type":"x","streaming_message_id":"s"}' if step % 2 else b'{"type":"y"}')
            await watches.registry.settle()
        answer = await poll(watches, since=current)
        assert answer["current_sequence"] >= current
        current = answer["current_sequence"]
        if life % 3:
            await poll(watches, since=current)
            await watches.registry.settle()
        await watches.close()
        watches = stage.watches()
    assert (await poll(watches))["current_sequence"] >= current


async def test_places_in_the_store_are_used_again(stage: Stage) -> None:
    watches = await connected(stage)
    for number in range(1, 60):
        await deliver(watches, b"{}")
        await poll(watches, since=number)
    assert sum(name.startswith("m-") for _, _, name in stage.store.records) < 6


async def test_a_disconnected_watch_is_not_recovered(stage: Stage) -> None:
    watches = await connected(stage)
    await watches.call(Disconnect(**WHO))
    await watches.close()
    assert not (await stage.watches().call(State(**WHO)))["connected"]


async def test_a_recovered_watch_is_introduced_to_a_workstation_that_registered_meanwhile(
    stage: Stage,
) -> None:
    watches = await connected(stage)
    await watches.close()
    stage.home.sent.clear()
    successor = stage.watches()
    successor.workstation_registered(KEY)
    await successor.call(State(**WHO))
    assert [json.loads(text)["type"] for text, *_ in stage.home.sent] == ["auth"]


async def test_a_handed_over_watch_is_introduced_to_a_workstation_that_registers_anew(stage: Stage) -> None:
    await (await connected(stage)).release()
    stage.home.sent.clear()
    successor = stage.watches()
    successor.workstation_registered(KEY)
    await successor.call(State(**WHO))
    assert [json.loads(text)["type"] for text, *_ in stage.home.sent] == ["auth"]


async def test_messages_wait_while_the_registry_reads_the_store(stage: Stage) -> None:
    await (await connected(stage)).release()
    successor = stage.watches()
    successor.registry.open()
    successor.deliver(b'{"early":1}')
    await successor.call(State(**WHO))
    await successor.registry.settle()
    assert data(await poll(successor)) == [{"early": 1}]


async def test_after_a_release_that_took_too_long_nothing_goes_on(stage: Stage) -> None:
    """The store is away: beside the next home's desk this one must not write what it has meanwhile."""
    await (await connected(stage)).release()
    stage.store.away = True
    watches = stage.watches()
    watches.deliver(b'{"early":1}')
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await watches.release()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_home_that_was_overtaken_stops_answering(stage: Stage) -> None:
    old = await connected(stage)
    successor = stage.watches()
    await successor.call(State(**WHO))
    old.deliver(b'{"from":"the grave"}')
    with pytest.raises(SendFailed):
        await old.registry.settle()
    assert stage.home.lost == 1
    with pytest.raises(SendFailed):
        await poll(old)
    await deliver(successor, b'{"from":"here"}')
    await successor.close()
    assert data(await poll(stage.watches())) == [{"from": "here"}]


async def test_a_store_that_lost_its_data_is_filled_again(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b'{"n":1}')
    stage.store.heads.clear()
    stage.store.records.clear()
    await deliver(watches, b'{"n":2}')
    await watches.close()
    assert data(await poll(stage.watches())) == [{"n": 1}, {"n": 2}]


async def test_a_write_is_repeated_when_the_store_breaks_down_within_it(stage: Stage) -> None:
    watches = await connected(stage)
    stage.store.fail_heads = 1
    watches.deliver(b'{"n":1}')
    async with patience():
        assert data(await poll(watches, wait=2)) == [{"n": 1}]


async def test_connect_fails_loudly_without_the_store(stage: Stage) -> None:
    watches = await connected(stage)
    stage.store.away = True
    with pytest.raises(SendFailed):
        await watches.call(Connect(**WHO))


async def test_a_tunnel_without_watches_costs_one_read_of_the_store(stage: Stage) -> None:
    watches = stage.watches()
    await watches.call(State(**WHO))
    for _ in range(50):
        watches.deliver(b'{"type":"x"}')
    await watches.release()
    assert (stage.store.looks, stage.store.log) == (1, [])


async def test_a_tunnel_with_a_new_id_costs_no_read_and_has_watches(stage: Stage) -> None:
    watches = stage.watches()
    watches.begin_empty()
    watches.workstation_registered(KEY)
    await watches.call(Connect(**WHO))
    await deliver(watches, b'{"n":1}')
    assert stage.store.looks == 0
    await watches.release()
    stage.home.generation = 2
    assert data(await poll(stage.watches())) == [{"n": 1}]
