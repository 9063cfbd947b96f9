"""The client protocol, spoken by a device with the demo workstation through a relay."""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import wave

import pytest
from tiflis_workstation.workstation import DemoWorkstation, Options

from tests.demo.device import Device
from tests.demo.people import NewDevice
from tests.demo.relay import Relay
from tests.peers import AUTH_KEY, REGISTRATION_KEY

SOUND = base64.b64encode(b"not really opus").decode()


async def test_auth_names_the_workstation(workstation: DemoWorkstation) -> None:
    async with await Device.reach(workstation.pairing) as device:
        await device.send({"type": "auth", "payload": {"auth_key": AUTH_KEY, "device_id": "phone-1"}})
        payload = (await device.next("auth.success"))["payload"]
    assert payload["device_id"] == "phone-1"
    assert payload["workstation_name"] == "Demo"
    assert "restored_subscriptions" not in payload


async def test_a_wrong_key_is_an_auth_error(workstation: DemoWorkstation) -> None:
    async with await Device.reach(workstation.pairing) as device:
        await device.send({"type": "auth", "payload": {"auth_key": "x" * 20, "device_id": "phone-1"}})
        assert (await device.next("auth.error"))["payload"]["code"] == "INVALID_AUTH_KEY"


async def test_without_auth_nothing_is_answered(workstation: DemoWorkstation) -> None:
    async with await Device.reach(workstation.pairing) as device:
        assert (await device.ask("sync"))["payload"]["code"] == "UNAUTHENTICATED"


async def test_sync_lists_what_is_there(device: Device) -> None:
    payload = (await device.ask("sync"))["payload"]
    types = [one["session_type"] for one in payload["sessions"]]
    assert types == ["claude", "claude", "cursor", "backlog-agent", "terminal"]
    assert payload["subscriptions"] == []
    assert payload["supervisorIsExecuting"] is False
    assert {agent["name"] for agent in payload["availableAgents"] if agent["is_alias"]} == {"reviewer"}
    assert payload["hiddenBaseTypes"] == ["opencode", "backlog-agent"]
    assert "null" not in device.raw[-1]


async def test_heartbeat_is_acknowledged(device: Device) -> None:
    ack = await device.ask("heartbeat", timestamp=1)
    assert ack["type"] == "heartbeat.ack"
    assert ack["workstation_uptime_ms"] >= 0


async def test_a_lone_surrogate_breaks_nothing(device: Device) -> None:
    await device.send(r'{"type":"supervisor.command","id":"x","payload":{"command":"a\ud83d b"}}')
    assert (await device.next("supervisor.user_message"))["payload"]["content"] == "a\ud83d b"
    assert (await device.answer("supervisor.output"))[-1]["payload"]["is_complete"]


async def test_a_bug_in_a_handler_costs_one_message_only(
    device: Device, workstation: DemoWorkstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workstation.desk.sessions, "find", None)
    await device.send({"type": "session.subscribe", "session_id": "x"})
    assert (await device.ask("heartbeat"))["type"] == "heartbeat.ack"


async def test_an_unknown_type_is_an_error_with_its_id(device: Device) -> None:
    assert (await device.ask("supervisor.dance"))["payload"]["code"] == "INVALID_PAYLOAD"


async def test_a_command_is_acknowledged_and_answered_by_growing_snapshots(device: Device) -> None:
    command_id = await device.post("supervisor.command", {"command": "think"})
    assert (await device.next("message.ack"))["payload"] == {"message_id": command_id, "status": "received"}
    assert (await device.next("response"))["payload"] == {"acknowledged": True}
    snapshots = await device.answer("supervisor.output")
    sizes = [sum(len(block["content"]) for block in one["payload"]["content_blocks"]) for one in snapshots]
    assert sizes == sorted(sizes)
    assert len({one["streaming_message_id"] for one in snapshots}) == 1
    numbers = [one["sequence"] for one in snapshots]
    assert numbers == sorted(set(numbers))
    kinds = [block["block_type"] for block in snapshots[-1]["payload"]["content_blocks"]]
    assert kinds == ["thinking", "text"]


async def test_tools_run_and_then_complete_or_fail(device: Device) -> None:
    await device.post("supervisor.command", {"command": "tool"})
    snapshots = await device.answer("supervisor.output")
    states = [
        block["metadata"]["tool_status"]
        for one in snapshots
        for block in one["payload"]["content_blocks"]
        if block["block_type"] == "tool"
    ]
    assert {"running", "completed", "failed"} == set(states)


async def test_the_other_devices_see_the_command_and_the_answer(
    device: Device, new_device: NewDevice
) -> None:
    other = await new_device("tablet-1")
    await device.post("supervisor.command", {"command": "table"})
    said = (await other.next("supervisor.user_message"))["payload"]
    assert (said["content"], said["from_device_id"]) == ("table", "phone-1")
    assert (await other.answer("supervisor.output"))[-1]["payload"]["content"]
    assert not other.unread("response")


async def test_a_retry_is_acknowledged_but_not_run_again(device: Device) -> None:
    message = {"type": "supervisor.command", "id": "same", "payload": {"command": "table"}}
    await device.send(message)
    await device.answer("supervisor.output")
    await device.send(message)
    for _ in range(2):
        await device.next("message.ack", where=lambda m: m["payload"]["message_id"] == "same")
    history = await device.ask("history.request", {})
    contents = [entry["content"] for entry in history["payload"]["history"]]
    assert contents.count("table") == 1


async def test_cancel_ends_the_answer_with_a_cancel_block(
    device: Device, workstation: DemoWorkstation
) -> None:
    workstation.desk.stage.speed = 1.0
    await device.post("supervisor.command", {"command": "slow"})
    await device.next("supervisor.output")
    assert (await device.ask("supervisor.cancel"))["payload"] == {"cancelled": True}
    last = (await device.answer("supervisor.output"))[-1]
    assert last["payload"]["content_blocks"][-1]["block_type"] == "cancel"
    assert (await device.ask("supervisor.cancel"))["payload"] == {"cancelled": False}


async def test_a_cancel_leaves_no_tool_running_and_nothing_follows(
    device: Device, workstation: DemoWorkstation
) -> None:
    gate = asyncio.Event()
    calls = itertools.count(1)

    async def stop_at_the_tool() -> None:
        if next(calls) == 4:  # two snapshots of words, one of the running tool
            await gate.wait()

    workstation.desk.stage.writable = stop_at_the_tool
    await device.post("supervisor.command", {"command": "tool"})
    await device.next("supervisor.output", where=lambda m: '"tool_status": "running"' in json.dumps(m))
    await device.ask("supervisor.cancel")
    last = await device.next("supervisor.output", where=lambda m: m["payload"]["is_complete"])
    tool = last["payload"]["content_blocks"][-2]
    assert tool["metadata"]["tool_status"] == "failed"
    gate.set()
    await device.post("supervisor.command", {"command": "long"})
    await device.next("supervisor.output", where=lambda m: m["payload"]["is_complete"])
    same = [m for m in device.seen if m.get("streaming_message_id") == last["streaming_message_id"]]
    assert same[-1] == last


async def test_clear_context_empties_the_history_for_all(device: Device, new_device: NewDevice) -> None:
    other = await new_device("tablet-1")
    await device.post("supervisor.command", {"command": "table"})
    await device.answer("supervisor.output")
    assert (await device.ask("supervisor.clear_context"))["payload"] == {"success": True}
    await other.next("supervisor.context_cleared")
    assert (await device.ask("history.request", {}))["payload"]["history"] == []


async def test_a_busy_session_says_so(device: Device, workstation: DemoWorkstation) -> None:
    workstation.desk.stage.speed = 1.0
    session_id = (await device.sessions())["claude"]["session_id"]
    await device.post("session.execute", {"content": "slow"}, session_id=session_id)
    await device.next("response")
    assert (await device.sessions())["claude"]["status"] == "busy"
    refused = await device.ask("session.execute", {"content": "code"}, session_id=session_id)
    assert refused["payload"]["code"] == "SESSION_BUSY"
    await device.ask("session.cancel", session_id=session_id)
    assert (await device.sessions())["claude"]["status"] == "idle"


async def test_a_session_answers_those_who_subscribed(device: Device, new_device: NewDevice) -> None:
    other = await new_device("tablet-1")
    session_id = (await device.sessions())["claude"]["session_id"]
    subscribed = await device.subscribe(session_id)
    assert subscribed["payload"]["is_executing"] is False
    accepted = await device.ask("session.execute", {"content": "code"}, session_id=session_id)
    assert accepted["payload"] == {"accepted": True, "session_id": session_id}
    last = (await device.answer("session.output"))[-1]
    assert last["payload"]["content_type"] == "agent"
    assert [block["metadata"]["language"] for block in last["payload"]["content_blocks"][1::2]] == [
        "python",
        "bash",
    ]
    assert not other.unread("session.output")


async def test_a_crash_is_an_error_of_the_session(device: Device) -> None:
    session_id = (await device.sessions())["claude"]["session_id"]
    await device.subscribe(session_id)
    await device.post("session.execute", {"content": "crash"}, session_id=session_id)
    assert (await device.next("session.error"))["payload"]["code"] == "INTERNAL_ERROR"
    assert (await device.sessions())["claude"]["status"] == "idle"


async def test_a_late_device_joins_an_answer_half_way(
    device: Device, new_device: NewDevice, workstation: DemoWorkstation
) -> None:
    workstation.desk.stage.speed = 1.0
    session_id = (await device.sessions())["claude"]["session_id"]
    await device.subscribe(session_id)
    await device.post("session.execute", {"content": "slow"}, session_id=session_id)
    shown = await device.next("session.output")
    late = await (await new_device("tablet-1")).subscribe(session_id)
    assert late["payload"]["is_executing"] is True
    assert late["payload"]["streaming_message_id"] == shown["streaming_message_id"]
    assert late["payload"]["current_streaming_blocks"]


async def test_history_comes_in_pages_until_there_is_no_more(device: Device) -> None:
    session_id = (await device.sessions())["claude"]["session_id"]
    seen: list[int] = []
    before: dict[str, int] = {}
    while True:
        page = (await device.ask("history.request", {"session_id": session_id, **before}))["payload"]
        seen = [entry["sequence"] for entry in page["history"]] + seen
        if not page["has_more"]:
            break
        before = {"before_sequence": page["oldest_sequence"]}
    assert seen == list(range(1, 61))


async def test_history_of_an_unknown_session_is_empty_with_an_error(device: Device) -> None:
    payload = (await device.ask("history.request", {"session_id": "nowhere"}))["payload"]
    assert payload["history"] == []
    assert payload["error"]


async def test_a_recording_is_transcribed_answered_aloud_and_kept(device: Device) -> None:
    await device.post("supervisor.command", {"audio": SOUND, "audio_format": "webm", "message_id": "voice-1"})
    heard = (await device.next("supervisor.transcription"))["payload"]
    assert heard["message_id"] == "voice-1"
    assert heard["text"]
    spoken = (await device.next("supervisor.voice_output"))["payload"]
    kept = await device.ask("audio.request", {"message_id": spoken["message_id"], "audio_type": "output"})
    assert kept["payload"]["audio"] == spoken["audio"]
    own = await device.ask("audio.request", {"message_id": "voice-1", "audio_type": "input"})
    assert own["payload"]["audio"] == SOUND
    with wave.open(io.BytesIO(base64.b64decode(spoken["audio"]))) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(spoken["duration"], abs=0.01)


async def test_a_lost_sound_is_an_error_in_the_answer(device: Device) -> None:
    answer = await device.ask("audio.request", {"message_id": "nothing", "audio_type": "output"})
    assert answer["payload"]["error"]


async def test_a_session_is_created_and_terminated_for_all(device: Device, new_device: NewDevice) -> None:
    other = await new_device("tablet-1")
    wish = {"session_type": "reviewer", "workspace": "tiflis", "project": "notes"}
    made = (await device.ask("supervisor.create_session", wish))["payload"]
    created = await other.next("session.created")
    assert created["session_id"] == made["session_id"]
    assert created["payload"]["session_type"] == "claude"
    assert created["payload"]["agent_alias"] == "reviewer"
    ended = await device.ask("supervisor.terminate_session", {"session_id": made["session_id"]})
    assert ended["payload"] == {"session_id": made["session_id"], "terminated": True}
    assert (await other.next("session.terminated"))["session_id"] == made["session_id"]


@pytest.mark.parametrize(
    "wish",
    [
        {"session_type": "nobody", "workspace": "tiflis", "project": "notes"},
        {"session_type": "claude", "workspace": "tiflis", "project": "elsewhere"},
        {"session_type": "claude"},
        {},
    ],
)
async def test_a_session_that_cannot_be_is_refused(device: Device, wish: dict[str, str]) -> None:
    assert (await device.ask("supervisor.create_session", wish))["payload"]["code"] == "INVALID_PAYLOAD"


async def test_an_unknown_session_is_an_error_of_the_session(device: Device) -> None:
    await device.send({"type": "session.subscribe", "session_id": "nowhere"})
    assert (await device.next("session.error"))["payload"]["code"] == "SESSION_NOT_FOUND"


async def test_a_device_that_returns_is_still_subscribed(new_device: NewDevice) -> None:
    phone = await new_device()
    session_id = (await phone.sessions())["claude"]["session_id"]
    await phone.subscribe(session_id)
    await phone.close()
    returned = await new_device()
    restored = next(message for message in returned.seen if message["type"] == "auth.success")
    assert restored["payload"]["restored_subscriptions"] == [session_id]


async def test_the_first_subscriber_is_master_of_the_terminal(device: Device, new_device: NewDevice) -> None:
    other = await new_device("tablet-1")
    session_id = (await device.sessions())["terminal"]["session_id"]
    assert (await device.subscribe(session_id))["payload"] == {"is_master": True, "cols": 80, "rows": 24}
    assert (await other.subscribe(session_id))["payload"]["is_master"] is False
    size = {"cols": 100, "rows": 30}
    await other.send({"type": "session.resize", "session_id": session_id, "payload": size})
    assert (await other.next("session.resized"))["payload"]["reason"] == "not_master"
    await device.send({"type": "session.resize", "session_id": session_id, "payload": size})
    assert (await device.next("session.resized"))["payload"] == {"success": True, "cols": 100, "rows": 30}
    assert (await other.next("session.resized"))["payload"]["cols"] == 100


async def test_a_terminal_echoes_runs_and_replays(device: Device) -> None:
    session_id = (await device.sessions())["terminal"]["session_id"]
    await device.subscribe(session_id)
    await device.typed(session_id, "echo one two\r")
    shown = await device.screen_until("one two\r\n")
    assert shown.startswith("echo one two")
    await device.send({"type": "session.replay", "session_id": session_id, "payload": {"since_sequence": 0}})
    replayed = (await device.next("session.replay.data"))["payload"]
    numbers = [message["sequence"] for message in replayed["messages"]]
    assert numbers == list(range(1, replayed["current_sequence"] + 1))
    assert replayed["has_more"] is False


async def test_ten_thousand_lines_arrive_numbered_without_a_gap(device: Device) -> None:
    session_id = (await device.sessions())["terminal"]["session_id"]
    await device.subscribe(session_id)
    await device.typed(session_id, "big\r")
    await device.screen_until(" 10000")
    numbers = [one["payload"]["sequence"] for one in device.seen if one["type"] == "session.output"]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_ctrl_c_stops_what_ticks(device: Device) -> None:
    session_id = (await device.sessions())["terminal"]["session_id"]
    await device.subscribe(session_id)
    await device.typed(session_id, "top\r")
    await device.screen_until("tick 3")
    await device.typed(session_id, "\x03count\r")  # takes a while, so that a late tick would be seen
    shown = await device.screen_until("10\r\n")
    assert "tick" not in shown.partition("^C")[2]


async def test_leaving_the_shell_ends_the_session_for_all(device: Device, new_device: NewDevice) -> None:
    other = await new_device("tablet-1")
    session_id = (await device.sessions())["terminal"]["session_id"]
    await device.typed(session_id, "\x04")
    assert (await other.next("session.terminated"))["session_id"] == session_id
    assert "terminal" not in await device.sessions()


async def test_the_tunnel_is_the_same_after_the_link_broke(
    relay: Relay, workstation: DemoWorkstation, device: Device
) -> None:
    tunnel_id = workstation.tunnel_id
    assert relay.workstation is not None
    relay.workstation.transport.abort()
    await device.next("connection.workstation_offline")
    await device.next("connection.workstation_online")
    assert workstation.tunnel_id == tunnel_id
    assert relay.registrations[-1]["previous_tunnel_id"] == tunnel_id
    assert (await device.ask("sync"))["type"] == "sync.state"


async def test_a_refused_registration_says_why(relay: Relay) -> None:
    refused = DemoWorkstation(relay.url, REGISTRATION_KEY[::-1], AUTH_KEY)
    with pytest.raises(Exception, match="INVALID_API_KEY"):
        await refused.start(deadline=1)


def sessions_of(seed: int | None) -> list[str]:
    workstation = DemoWorkstation(
        "ws://127.0.0.1:1/ws", REGISTRATION_KEY, AUTH_KEY, options=Options(seed=seed)
    )
    stage = workstation.desk.stage
    return [stage.new_id("session") for _ in range(3)]


def test_ids_repeat_with_a_seed_and_only_then() -> None:
    assert sessions_of(7) == sessions_of(7)
    assert len({*sessions_of(None), *sessions_of(None), *sessions_of(7), *sessions_of(8)}) == 12
