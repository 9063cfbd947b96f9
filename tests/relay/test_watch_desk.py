"""A tunnel's watches: what their calls do, and that a change of home takes nothing back."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.relay.watch_fakes import KEY, Stage
from tiflis.protocol.errors import InvalidPayload, SendFailed, WorkstationOffline
from tiflis.relay.pinned import Pinned, Shares
from tiflis.relay.watch.interfaces import QueueLimits
from tiflis.relay.watch.operations import WatchOperations
from tiflis.relay.watch.queue import Bounds

WHO = {"device_id": "watch-1", "auth_key": KEY}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.close()


async def poll(watches: WatchOperations, **arguments: Any) -> dict[str, Any]:
    answer = await watches.call("messages", {**WHO, **arguments})
    answer["messages"] = json.loads(answer.pop("messages_json"))
    return answer


async def connected(stage: Stage) -> WatchOperations:
    watches = stage.watches()
    await watches.call("connect", WHO)
    return watches


async def deliver(watches: WatchOperations, *texts: bytes) -> None:
    for text in texts:
        watches.deliver(text)
    await watches.registry.settle()


def data(answer: dict[str, Any]) -> list[Any]:
    return [message["data"] for message in answer["messages"]]


def numbers(answer: dict[str, Any]) -> list[int]:
    return [message["sequence"] for message in answer["messages"]]


async def test_connect_answers_and_introduces_the_watch(stage: Stage) -> None:
    answer = await stage.watches().call("connect", WHO)
    assert answer == {
        "success": True,
        "tunnel_id": "tunnel-1",
        "workstation_online": True,
        "workstation_name": "desk at home",
    }
    [(text, device_id, _)] = stage.home.sent
    assert json.loads(text) == {"type": "auth", "payload": {"auth_key": KEY, "device_id": "watch-1"}}
    assert device_id == "watch-1"


async def test_what_the_workstation_says_is_numbered_and_polled(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b'{"type":"a"}', b'{"type":"b"}')
    answer = await poll(watches)
    assert answer == {
        "messages": [
            {"sequence": 1, "timestamp": "2026-01-15T12:00:00.000Z", "data": {"type": "a"}},
            {"sequence": 2, "timestamp": "2026-01-15T12:00:00.000Z", "data": {"type": "b"}},
        ],
        "current_sequence": 2,
        "workstation_online": True,
        "oldest_available_sequence": 1,
        "may_have_missed_messages": False,
    }


async def test_numbers_keep_their_digits(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b'{"n":123456789012345678901234567890,"x":1.10}')
    answer = await watches.call("messages", WHO)
    assert '"data":{"n":123456789012345678901234567890,"x":1.10}}' in answer["messages_json"]


@pytest.mark.parametrize("text", [b"[1]", b'"text"', b"{", b"", b'{"a":NaN}', b"[" * 100_000])
async def test_what_is_no_object_is_not_queued(stage: Stage, text: bytes) -> None:
    watches = await connected(stage)
    await deliver(watches, text, b'{"type":"fine"}')
    assert data(await poll(watches)) == [{"type": "fine"}]


async def test_lone_surrogates_are_replaced(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, rb'{"a":"\ud83d","b":"\ud83d\ude00","c":"\\ud83d"}', b'{"d":"\xed\xa0\xbd"}')
    first, second = data(await poll(watches))
    assert first == {"a": "\ufffd", "b": "\U0001f600", "c": "\\ud83d"}
    assert set(second["d"]) == {"\ufffd"}


async def test_a_message_for_one_device_reaches_it_alone(stage: Stage) -> None:
    watches = await connected(stage)
    await watches.call("connect", {**WHO, "device_id": "watch-2"})
    assert watches.deliver_to("watch-2", b'{"for":2}')
    assert not watches.deliver_to("watch-3", b'{"for":3}')
    await deliver(watches, b'{"for":"all"}')
    assert data(await poll(watches)) == [{"for": "all"}]
    assert data(await poll(watches, device_id="watch-2")) == [{"for": 2}, {"for": "all"}]
    assert sorted(watches.devices()) == ["watch-1", "watch-2"]


async def test_ack_and_since_both_take_messages_away(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, *[b"{}"] * 4)
    assert numbers(await poll(watches, ack=1)) == [2, 3, 4]
    assert numbers(await poll(watches, since=3)) == [4]
    assert numbers(await poll(watches)) == [4]
    assert (await watches.call("state", WHO))["queue_size"] == 1


async def test_a_growing_answer_is_one_message(stage: Stage) -> None:
    watches = await connected(stage)
    for length in range(1, 120):
        text = {"type": "session.output", "streaming_message_id": "s", "payload": {"content": "x" * length}}
        watches.deliver(json.dumps(text).encode())
    await deliver(watches, b'{"type":"other"}')
    answer = await poll(watches)
    assert [len(message.get("payload", {}).get("content", "")) for message in data(answer)] == [119, 0]
    assert not answer["may_have_missed_messages"]
    assert sum(name.startswith("m-") for name in stage.store.log) <= 3


async def test_terminal_output_is_never_replaced(stage: Stage) -> None:
    watches = await connected(stage)
    text = b'{"type":"session.output","streaming_message_id":"s","payload":{"content_type":"terminal"}}'
    await deliver(watches, text, text)
    assert numbers(await poll(watches)) == [1, 2]


async def test_the_stream_of_a_message_may_be_named_in_its_payload(stage: Stage) -> None:
    watches = await connected(stage)
    text = b'{"type":"session.output","payload":{"streaming_message_id":"s","content_type":"agent"}}'
    await deliver(watches, text, text)
    assert numbers(await poll(watches)) == [2]


async def test_overflow_is_announced(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, *[b"{}"] * 101)
    answer = await poll(watches)
    assert (len(answer["messages"]), answer["oldest_available_sequence"]) == (100, 2)
    assert answer["may_have_missed_messages"]


async def test_a_watch_that_is_back_has_not_left(stage: Stage) -> None:
    stage.home.workstation_online = False
    watches = await connected(stage)
    await watches.call("disconnect", WHO)
    await watches.call("connect", WHO)
    assert (stage.home.left, stage.home.came) == (["watch-1"], ["watch-1"] * 2)


async def test_a_new_connect_starts_afresh(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b'{"old":1}')
    await watches.call("connect", WHO)
    await deliver(watches, b'{"new":1}')
    answer = await poll(watches)
    assert data(answer) == [{"new": 1}]
    assert answer["current_sequence"] == 1


async def test_a_command_is_spliced_and_sent(stage: Stage) -> None:
    watches = await connected(stage)
    stage.home.sent.clear()
    text = b'{"type":"sync","id":"q1","device_id":"forged","n":123456789012345678901234567890 }'
    assert await watches.call("command", WHO, text) == {"success": True}
    [(sent, device_id, request_id)] = stage.home.sent
    assert sent == text[:-1] + b',"device_id":"watch-1"}'
    assert (device_id, request_id) == ("watch-1", b'"q1"')


@pytest.mark.parametrize("kind", ["workstation.register", "client.disconnected", "connect", "pong", "error"])
async def test_a_command_may_not_forge_control_messages(stage: Stage, kind: str) -> None:
    watches = await connected(stage)
    with pytest.raises(InvalidPayload):
        await watches.call("command", WHO, json.dumps({"type": kind}).encode())


@pytest.mark.parametrize("payload", [{}, {"auth_key": KEY, "device_id": "other"}, {"auth_key": KEY}])
async def test_an_auth_command_must_be_the_watchs_own(stage: Stage, payload: dict[str, str]) -> None:
    watches = await connected(stage)
    stage.home.sent.clear()
    with pytest.raises(InvalidPayload):
        await watches.call("command", WHO, json.dumps({"type": "auth", "payload": payload}).encode())
    assert stage.home.sent == []


async def test_a_ping_is_answered_into_the_queue(stage: Stage) -> None:
    watches = await connected(stage)
    await watches.call("command", WHO, b'{"type":"ping","timestamp":1.50}')
    await watches.registry.settle()
    assert data(await poll(watches)) == [{"type": "pong", "timestamp": 1.5}]


async def test_a_command_to_an_offline_workstation_is_refused(stage: Stage) -> None:
    watches = await connected(stage)
    stage.home.workstation_online = False
    with pytest.raises(WorkstationOffline):
        await watches.call("command", WHO, b'{"type":"sync"}')


async def test_the_watch_is_introduced_once_per_registration(stage: Stage) -> None:
    stage.home.workstation_online = False
    watches = await connected(stage)
    stage.home.workstation_online = True
    for _ in range(2):
        await watches.call("command", WHO, b'{"type":"sync"}')
    assert [json.loads(text)["type"] for text, *_ in stage.home.sent] == ["auth", "sync", "sync"]
    stage.home.sent.clear()
    watches.workstation_registered(KEY)
    await watches.call("command", WHO, b'{"type":"sync"}')
    assert [json.loads(text)["type"] for text, *_ in stage.home.sent] == ["auth", "sync"]


async def test_disconnect_tells_the_workstation_once(stage: Stage) -> None:
    watches = await connected(stage)
    assert await watches.call("disconnect", WHO) == {"success": True}
    assert await watches.call("disconnect", WHO) == {"success": False}
    assert stage.home.left == ["watch-1"]
    assert watches.devices() == []


async def test_a_straggling_poll_does_not_connect_again(stage: Stage) -> None:
    watches = await connected(stage)
    await watches.call("disconnect", WHO)
    assert (await poll(watches, since=3))["may_have_missed_messages"]
    assert not (await watches.call("state", WHO))["connected"]


async def test_a_poll_of_a_forgotten_watch_connects_it(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b"{}")
    stage.clock.now += 301
    watches.registry.sweep()
    assert (stage.home.left, watches.devices()) == (["watch-1"], [])
    assert (await poll(watches, since=1))["may_have_missed_messages"]
    assert watches.devices() == ["watch-1"]


async def test_a_watch_is_remembered_for_five_minutes_after_each_call(stage: Stage) -> None:
    watches = await connected(stage)
    for _ in range(3):
        stage.clock.now += 299
        watches.registry.sweep()
        assert (await watches.call("state", WHO))["connected"]


async def test_a_long_poll_is_answered_by_the_next_message(stage: Stage) -> None:
    watches = await connected(stage)
    waiting = asyncio.create_task(poll(watches, wait=20))
    await asyncio.sleep(0)
    watches.deliver(b'{"at":"last"}')
    async with asyncio.timeout(2):
        assert data(await waiting) == [{"at": "last"}]


async def test_a_long_poll_ends_by_itself(stage: Stage) -> None:
    watches = await connected(stage)
    async with asyncio.timeout(2):
        assert numbers(await poll(watches, wait=0.01)) == []


async def test_a_long_poll_ends_with_the_watch_and_with_the_desk(stage: Stage) -> None:
    watches = await connected(stage)
    for end in (lambda: watches.call("disconnect", WHO), watches.release):
        await watches.call("connect", WHO)
        waiting = asyncio.create_task(poll(watches, wait=20))
        await asyncio.sleep(0)
        async with asyncio.timeout(2):
            await end()
            await waiting


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
    await watches.call("state", WHO)
    await watches.release()
    stage.clock.now += 2
    answer = await poll(stage.watches())
    assert (numbers(answer), answer["current_sequence"]) == ([], 1)
    assert answer["may_have_missed_messages"]


async def test_numbers_never_go_back_over_many_crashes(stage: Stage) -> None:
    watches, current = await connected(stage), 0
    for life in range(12):
        await watches.call("state", WHO)
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
    await watches.call("disconnect", WHO)
    await watches.close()
    assert not (await stage.watches().call("state", WHO))["connected"]


async def test_a_recovered_watch_is_introduced_to_a_workstation_that_registered_meanwhile(
    stage: Stage,
) -> None:
    watches = await connected(stage)
    await watches.close()
    stage.home.sent.clear()
    successor = stage.watches()
    successor.workstation_registered(KEY)
    await successor.call("state", WHO)
    assert [json.loads(text)["type"] for text, *_ in stage.home.sent] == ["auth"]


async def test_a_handed_over_watch_is_introduced_to_a_workstation_that_registers_anew(stage: Stage) -> None:
    await (await connected(stage)).release()
    stage.home.sent.clear()
    successor = stage.watches()
    successor.workstation_registered(KEY)
    await successor.call("state", WHO)
    assert [json.loads(text)["type"] for text, *_ in stage.home.sent] == ["auth"]


async def test_messages_wait_while_the_desk_looks_into_the_store(stage: Stage) -> None:
    await (await connected(stage)).release()
    successor = stage.watches()
    successor.registry.open()
    successor.deliver(b'{"early":1}')
    await successor.call("state", WHO)
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
    await successor.call("state", WHO)
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
    async with asyncio.timeout(3):
        assert data(await poll(watches, wait=2)) == [{"n": 1}]


async def test_connect_fails_loudly_without_the_store(stage: Stage) -> None:
    watches = await connected(stage)
    stage.store.away = True
    with pytest.raises(SendFailed):
        await watches.call("connect", WHO)


async def test_a_tunnel_without_watches_costs_one_look(stage: Stage) -> None:
    watches = stage.watches()
    await watches.call("state", WHO)
    for _ in range(50):
        watches.deliver(b'{"type":"x"}')
    await watches.release()
    assert (stage.store.looks, stage.store.log) == (1, [])


async def test_a_tunnel_with_a_new_id_costs_no_look_and_has_watches(stage: Stage) -> None:
    watches = stage.watches()
    watches.begin_empty()
    watches.workstation_registered(KEY)
    await watches.call("connect", WHO)
    await deliver(watches, b'{"n":1}')
    assert stage.store.looks == 0
    await watches.release()
    stage.home.generation = 2
    assert data(await poll(stage.watches())) == [{"n": 1}]


async def test_the_number_of_watches_is_bounded(stage: Stage) -> None:
    stage.limits = QueueLimits(Bounds(), pace=0.0, watches=2)
    watches = stage.watches()
    for number in range(3):
        stage.clock.now += 1
        await watches.call("connect", {"device_id": f"watch-{number}", "auth_key": KEY})
    assert watches.devices() == ["watch-1", "watch-2"]
    assert stage.home.left == ["watch-0"]


async def crowded_out(stage: Stage) -> WatchOperations:
    """One watch too many: the first has gone, with one message that it has and one that it has not."""
    stage.limits = QueueLimits(Bounds(), pace=0.0, watches=2)
    watches = await connected(stage)
    await deliver(watches, b'{"n":1}')
    await poll(watches)
    await deliver(watches, b'{"n":2}')
    for number in (2, 3):
        stage.clock.now += 1
        await watches.call("connect", {"device_id": f"watch-{number}", "auth_key": KEY})
    assert watches.devices() == ["watch-2", "watch-3"]
    return watches


@pytest.mark.parametrize("since", [0, 1])
async def test_a_watch_that_was_crowded_out_is_told_of_a_gap_and_no_lower_number(
    stage: Stage, since: int
) -> None:
    watches = await crowded_out(stage)
    assert (await watches.call("state", WHO))["current_sequence"] == 2
    answer = await poll(watches, since=since)
    assert answer["current_sequence"] > 2
    assert answer["may_have_missed_messages"]
    await deliver(watches, b'{"n":3}')
    assert data(await poll(watches, since=answer["current_sequence"])) == [{"n": 3}]


@pytest.mark.parametrize("orderly", [True, False])
async def test_the_next_home_knows_the_numbers_of_a_watch_that_was_crowded_out(
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
    await watches.call("connect", WHO)
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


async def test_a_desk_opens_with_the_first_message_and_holds_on_to_nothing(stage: Stage) -> None:
    watches = stage.watches()
    for _ in range(3):
        watches.deliver(b'{"type":"x"}')
    async with asyncio.timeout(2):
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
        await watches.call("connect", {"device_id": name, "auth_key": KEY})
    texts = [b'{"type":"n","n":%d,"x":"%s"}' % (n, b"x" * 40_000) for n in range(5)]
    watches.deliver(texts[0])
    assert 40_000 < account.kinds["queues"] < 41_000  # once, though two queues hold it
    for text in texts[1:]:
        watches.deliver_to("sleeps", text)
    assert account.kinds["queues"] <= 100_000
    await watches.registry.settle()
    kept = await watches.call("messages", {"device_id": "reads", "auth_key": KEY})
    assert (kept["may_have_missed_messages"], len(json.loads(kept["messages_json"]))) == (False, 1)
    trimmed = await watches.call("messages", {"device_id": "sleeps", "auth_key": KEY})
    assert trimmed["may_have_missed_messages"]
    await watches.close()
    assert account.total == 0
