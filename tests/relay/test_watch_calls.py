"""Watches call their tunnel's home: connect, poll, command, disconnect (protocol, section 4)."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.patience import patience
from tests.relay.watch_fakes import KEY, WHO, Stage, connected, data, deliver, numbers, poll
from tiflis.protocol.errors import InvalidPayload, WorkstationOffline
from tiflis.relay.watch.calls import Command, Connect, Disconnect, Messages, State
from tiflis.relay.watch.interfaces import WatchesMoved


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.close()


async def test_connect_answers_and_introduces_the_watch(stage: Stage) -> None:
    answer = await stage.watches().call(Connect(**WHO))
    assert answer == {
        "success": True,
        "tunnel_id": "tunnel-1",
        "workstation_online": True,
        "workstation_name": "desk at home",
    }
    [(text, device_id, _)] = stage.home.sent
    assert json.loads(text) == {"type": "auth", "payload": {"auth_key": KEY, "device_id": "watch-1"}}
    assert device_id == "watch-1"


@pytest.mark.parametrize("call", [Connect(**WHO), Command(**WHO, text=b'{"type":"x"}')])
async def test_a_call_waits_for_a_workstation_that_may_be_back_in_a_moment(
    stage: Stage, call: Connect | Command
) -> None:
    watches = await connected(stage)
    stage.home.workstation_online, stage.home.presence.expected = False, True
    answer = asyncio.ensure_future(watches.call(call))
    done, _ = await asyncio.wait([answer], timeout=0.2)
    assert not done
    stage.home.workstation_online, stage.home.presence.expected = True, False
    async with patience():
        assert (await answer)["success"] is True


async def test_a_call_that_waits_is_repeated_at_the_tunnels_next_home(stage: Stage) -> None:
    watches = await connected(stage)
    stage.home.workstation_online, stage.home.presence.expected = False, True
    answer = asyncio.ensure_future(watches.call(Command(**WHO, text=b'{"type":"x"}')))
    await asyncio.sleep(0)
    await watches.close()
    with pytest.raises(WatchesMoved):
        async with patience():
            await answer


async def test_messages_of_the_workstation_are_numbered_and_polled(stage: Stage) -> None:
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
    answer = await watches.call(Messages(**WHO))
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
    await watches.call(Connect("watch-2", KEY))
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
    assert (await watches.call(State(**WHO)))["queue_size"] == 1


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
    await watches.call(Disconnect(**WHO))
    await watches.call(Connect(**WHO))
    assert (stage.home.left, stage.home.came) == (["watch-1"], ["watch-1"] * 2)


async def test_a_new_connect_starts_afresh(stage: Stage) -> None:
    watches = await connected(stage)
    await deliver(watches, b'{"old":1}')
    await watches.call(Connect(**WHO))
    await deliver(watches, b'{"new":1}')
    answer = await poll(watches)
    assert data(answer) == [{"new": 1}]
    assert answer["current_sequence"] == 1


async def test_a_command_is_spliced_and_sent(stage: Stage) -> None:
    watches = await connected(stage)
    stage.home.sent.clear()
    text = b'{"type":"sync","id":"q1","device_id":"forged","n":123456789012345678901234567890 }'
    assert await watches.call(Command(**WHO, text=text)) == {"success": True}
    [(sent, device_id, request_id)] = stage.home.sent
    assert sent == text[:-1] + b',"device_id":"watch-1"}'
    assert (device_id, request_id) == ("watch-1", b'"q1"')


@pytest.mark.parametrize("kind", ["workstation.register", "client.disconnected", "connect", "pong", "error"])
async def test_a_command_may_not_forge_control_messages(stage: Stage, kind: str) -> None:
    watches = await connected(stage)
    with pytest.raises(InvalidPayload):
        await watches.call(Command(**WHO, text=json.dumps({"type": kind}).encode()))


@pytest.mark.parametrize("payload", [{}, {"auth_key": KEY, "device_id": "other"}, {"auth_key": KEY}])
async def test_an_auth_command_must_be_the_watchs_own(stage: Stage, payload: dict[str, str]) -> None:
    watches = await connected(stage)
    stage.home.sent.clear()
    with pytest.raises(InvalidPayload):
        await watches.call(Command(**WHO, text=json.dumps({"type": "auth", "payload": payload}).encode()))
    assert stage.home.sent == []


async def test_a_ping_is_answered_into_the_queue(stage: Stage) -> None:
    watches = await connected(stage)
    await watches.call(Command(**WHO, text=b'{"type":"ping","timestamp":1.50}'))
    await watches.registry.settle()
    assert data(await poll(watches)) == [{"type": "pong", "timestamp": 1.5}]


async def test_a_command_to_an_offline_workstation_is_refused(stage: Stage) -> None:
    watches = await connected(stage)
    stage.home.workstation_online = False
    with pytest.raises(WorkstationOffline):
        await watches.call(Command(**WHO, text=b'{"type":"sync"}'))


async def test_the_watch_is_introduced_once_per_registration(stage: Stage) -> None:
    stage.home.workstation_online = False
    watches = await connected(stage)
    stage.home.workstation_online = True
    for _ in range(2):
        await watches.call(Command(**WHO, text=b'{"type":"sync"}'))
    assert [json.loads(text)["type"] for text, *_ in stage.home.sent] == ["auth", "sync", "sync"]
    stage.home.sent.clear()
    watches.workstation_registered(KEY)
    await watches.call(Command(**WHO, text=b'{"type":"sync"}'))
    assert [json.loads(text)["type"] for text, *_ in stage.home.sent] == ["auth", "sync"]


async def test_disconnect_tells_the_workstation_once(stage: Stage) -> None:
    watches = await connected(stage)
    assert await watches.call(Disconnect(**WHO)) == {"success": True}
    assert await watches.call(Disconnect(**WHO)) == {"success": False}
    assert stage.home.left == ["watch-1"]
    assert watches.devices() == []


async def test_a_straggling_poll_does_not_connect_again(stage: Stage) -> None:
    watches = await connected(stage)
    await watches.call(Disconnect(**WHO))
    assert (await poll(watches, since=3))["may_have_missed_messages"]
    assert not (await watches.call(State(**WHO)))["connected"]


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
        assert (await watches.call(State(**WHO)))["connected"]


async def test_a_long_poll_is_answered_by_the_next_message(stage: Stage) -> None:
    watches = await connected(stage)
    waiting = asyncio.create_task(poll(watches, wait=20))
    await asyncio.sleep(0)
    watches.deliver(b'{"at":"last"}')
    async with patience():
        assert data(await waiting) == [{"at": "last"}]


async def test_a_long_poll_ends_by_itself(stage: Stage) -> None:
    watches = await connected(stage)
    async with patience():
        assert numbers(await poll(watches, wait=0.01)) == []


async def test_a_long_poll_ends_with_the_watch_and_with_the_registry(stage: Stage) -> None:
    watches = await connected(stage)
    for end in (lambda: watches.call(Disconnect(**WHO)), watches.release):
        await watches.call(Connect(**WHO))
        waiting = asyncio.create_task(poll(watches, wait=20))
        await asyncio.sleep(0)
        async with patience():
            await end()
            await waiting
