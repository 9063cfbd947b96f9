"""The terminal's buffer, and a real shell on a pseudo-terminal."""

from __future__ import annotations

import math

import pytest
from tiflis_workstation.output_buffer import BUFFER_SIZE, OutputBuffer
from tiflis_workstation.terminal import CHUNK
from tiflis_workstation.workstation import DemoWorkstation, Options

from tests.demo.device import Device
from tests.demo.relay import Relay
from tests.peers import AUTH_KEY, REGISTRATION_KEY


def filled(count: int, size: int = 10) -> OutputBuffer:
    buffer = OutputBuffer()
    for number in range(1, count + 1):
        buffer.add("x" * size, number * 1_000)
    return buffer


def test_replay_gives_what_came_after() -> None:
    replay = filled(10).replay(since_sequence=7)
    assert [one["sequence"] for one in replay["messages"]] == [8, 9, 10]
    assert (replay["first_sequence"], replay["last_sequence"], replay["has_more"]) == (8, 10, False)


def test_replay_comes_in_pages() -> None:
    replay = filled(10).replay(since_sequence=2, limit=3)
    assert ([one["sequence"] for one in replay["messages"]], replay["has_more"]) == ([3, 4, 5], True)


def test_replay_by_time() -> None:
    assert len(filled(10).replay(since_timestamp=8_000)["messages"]) == 2


def test_replay_of_nothing_new_has_no_range() -> None:
    replay = filled(3).replay(since_sequence=3)
    assert replay == {"messages": [], "has_more": False, "current_sequence": 3}


def test_the_buffer_is_bounded_and_numbers_go_on() -> None:
    count = BUFFER_SIZE // CHUNK + 10
    replay = filled(count, CHUNK).replay(limit=1_000)
    assert len(replay["messages"]) == BUFFER_SIZE // CHUNK
    assert replay["last_sequence"] == count


@pytest.fixture
def plain_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/sh")
    monkeypatch.setenv("TUNNEL_REGISTRATION_API_KEY", "canary-canary-canary-canary-canary")


@pytest.mark.usefixtures("plain_shell")
async def test_a_real_shell_runs_resizes_and_ends(relay: Relay) -> None:
    options = Options(speed=math.inf, shell=True)
    workstation = DemoWorkstation(relay.url, REGISTRATION_KEY, AUTH_KEY, options=options)
    await workstation.start()
    async with await Device.pair(workstation.pairing) as device:
        session_id = (await device.sessions())["terminal"]["session_id"]
        await device.subscribe(session_id)
        size = {"cols": 101, "rows": 31}
        await device.send({"type": "session.resize", "session_id": session_id, "payload": size})
        await device.next("session.resized")
        await device.typed(session_id, 'stty size; echo "<$((40 + 2))$TUNNEL_REGISTRATION_API_KEY>"\r')
        shown = await device.screen_until("<42>")
        assert "31 101" in shown
        await device.typed(session_id, "exit\r")
        await device.next("session.terminated")
    await workstation.stop()


@pytest.mark.usefixtures("plain_shell")
async def test_stopping_ends_a_shell_that_is_busy(relay: Relay) -> None:
    options = Options(speed=math.inf, shell=True)
    workstation = DemoWorkstation(relay.url, REGISTRATION_KEY, AUTH_KEY, options=options)
    await workstation.start()
    async with await Device.pair(workstation.pairing) as device:
        session_id = (await device.sessions())["terminal"]["session_id"]
        await device.subscribe(session_id)
        await device.typed(session_id, "echo started; while :; do echo y; done\r")
        await device.screen_until("\r\ny")
    await workstation.stop()
    assert not any(session.terminal and session.terminal.alive for session in workstation.desk.sessions)
