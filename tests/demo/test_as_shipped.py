"""The demo as the shipped workstation: what it does where the specification says something else."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest
from tiflis_workstation.workstation import DemoWorkstation, Options

from tests.demo.device import Device, Message
from tests.demo.relay import Relay
from tests.peers import AUTH_KEY, REGISTRATION_KEY


@pytest.fixture
async def workstation(relay: Relay) -> AsyncIterator[DemoWorkstation]:
    options = Options(speed=math.inf, as_shipped=True)
    made = DemoWorkstation(relay.url, REGISTRATION_KEY, AUTH_KEY, options=options)
    await made.start()
    yield made
    await made.stop()


async def answered(device: Device, command: str) -> list[Message]:
    await device.post("supervisor.command", {"command": command})
    return await device.answer("supervisor.output")


def label(frame: Message) -> str | None:
    value = frame.get("streaming_message_id")
    assert value is None or isinstance(value, str)
    return value


async def newest(device: Device, session_id: str | None = None) -> list[Message]:
    payload = {"session_id": session_id} if session_id else {}
    answer = await device.ask("history.request", payload)
    history: list[Message] = answer["payload"]["history"]
    return history


async def test_an_answer_within_the_grace_begins_with_the_id_and_the_text_of_the_one_before(
    device: Device,
) -> None:
    first = await answered(device, "think")
    second = await answered(device, "table")
    assert label(second[0]) == label(second[-1]) == label(first[-1])
    assert second[0]["payload"]["content_blocks"] == first[-1]["payload"]["content_blocks"]
    assert second[0]["payload"]["is_complete"] is False
    assert "Three ways" in second[-1]["payload"]["content"]


async def test_the_id_changes_in_mid_answer_when_the_grace_of_the_one_before_ends(
    device: Device, workstation: DemoWorkstation
) -> None:
    workstation.desk.supervisor.accumulator.grace = 0.2
    workstation.desk.stage.speed = 20.0
    await answered(device, "table")
    second = await answered(device, "slow")
    assert len({label(frame) for frame in second}) == 2
    assert "Part 1" in second[-1]["payload"]["content"]


async def test_an_agents_second_answer_within_the_grace_has_no_last_frame_and_is_not_kept(
    device: Device,
) -> None:
    session_id = (await device.sessions())["cursor"]["session_id"]
    await device.subscribe(session_id)
    await device.post("session.execute", {"content": "think"}, session_id=session_id)
    await device.answer("session.output")
    await device.post("session.execute", {"content": "table"}, session_id=session_id)
    await device.next("session.output", where=lambda frame: "measured" in frame["payload"]["content"])
    assert (await device.subscribe(session_id))["is_executing"] is False
    assert [entry["role"] for entry in await newest(device, session_id)][-3:] == ["user", "assistant", "user"]


async def test_own_recordings_are_kept_under_the_entrys_own_id_and_asked_for_by_type(device: Device) -> None:
    await device.post("supervisor.command", {"audio": "AAAA", "audio_format": "webm", "message_id": "said"})
    await device.answer("supervisor.output")
    asked = next(entry for entry in reversed(await newest(device)) if entry["role"] == "user")
    assert "message_id" not in asked["content_blocks"][0]["metadata"]
    ask = {"message_id": asked["message_id"]}
    assert "error" in (await device.ask("audio.request", {**ask, "audio_type": "input"}))["payload"]
    assert (await device.ask("audio.request", {**ask, "type": "input"}))["payload"]["audio"] == "AAAA"


async def test_the_sound_of_an_answer_goes_by_the_id_of_its_question(device: Device) -> None:
    await device.post("supervisor.command", {"audio": "AAAA", "audio_format": "webm", "message_id": "said"})
    assert (await device.next("supervisor.voice_output"))["payload"]["message_id"] == "said"


async def test_a_stop_says_nothing_but_that(device: Device, workstation: DemoWorkstation) -> None:
    workstation.desk.stage.speed = 1.0
    await device.post("supervisor.command", {"command": "slow"})
    await device.next("supervisor.output", where=lambda frame: bool(frame["payload"]["content"]))
    await device.post("supervisor.cancel")
    last = (await device.answer("supervisor.output"))[-1]
    assert label(last) is None
    assert [block["block_type"] for block in last["payload"]["content_blocks"]] == ["cancel"]
