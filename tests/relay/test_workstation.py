"""Messages of a workstation to one device."""

from __future__ import annotations

import json

from pytest import MonkeyPatch

from tests.relay.stage import Stage
from tiflis.protocol.long_text import LONG, EscapedText


def test_a_long_text_for_a_device_arrives_like_a_short_one() -> None:
    stage = Stage()
    workstation, client = stage.workstation(), stage.client("phone")
    client.take()
    text = json.dumps({"type": "big", "pad": '"\\ ä😀\n' * (LONG // 8) + "b" * LONG}, ensure_ascii=False)
    workstation.say({"type": "forward.to_device", "device_id": "phone", "payload": text})
    assert client.take() == [json.loads(text)]


def test_a_long_text_for_a_device_that_takes_too_little_is_not_copied(monkeypatch: MonkeyPatch) -> None:
    stage = Stage()
    workstation, client = stage.workstation(), stage.client("phone")
    client.take()
    sent: list[EscapedText] = []
    monkeypatch.setattr(client, "send_large", sent.append)
    client.high_water = True
    text = json.dumps({"type": "big", "pad": "b" * LONG})
    workstation.say({"type": "forward.to_device", "device_id": "phone", "payload": text})
    assert [one.whole() for one in sent] == [text.encode()]


def test_a_long_message_without_a_text_for_the_device_is_refused() -> None:
    stage = Stage()
    workstation, client = stage.workstation(), stage.client("phone")
    workstation.take()
    client.take()
    payload = {"type": "big", "pad": "b" * LONG}
    workstation.say({"type": "forward.to_device", "device_id": "phone", "payload": payload})
    (refusal,) = workstation.take()
    assert refusal["payload"]["details"] == {"payload": "a string is required"}
    assert client.take() == []
