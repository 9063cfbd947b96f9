"""The demo workstation behind a real server: a device pairs, talks, types and survives faults."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiflis_workstation.workstation import DemoWorkstation, Options

from tests.demo.device import Device
from tests.demo.people import NewDevice, demo_workstation, devices_of
from tests.harness import AUTH_KEY, REGISTRATION_KEY, Server, eventually
from tests.patience import PATIENCE, WALL_PATIENCE


@pytest.fixture
async def workstation(server: Server) -> AsyncIterator[DemoWorkstation]:
    async with demo_workstation(server.ws_url) as made:
        yield made


@pytest.fixture
async def new_device(workstation: DemoWorkstation) -> AsyncIterator[NewDevice]:
    async with devices_of(workstation) as new:
        yield new


@pytest.fixture
def mortal() -> Iterator[Server]:
    """Run a server whose processes a test may kill."""
    with Server(workers=2) as running:
        yield running


def numbers(device: Device) -> list[int]:
    return [one["payload"]["sequence"] for one in device.seen if one["type"] == "session.output"]


def tiflis(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    place = ("--port", str(server.port), "--data-dir", str(server.data_dir))
    command = [sys.executable, "-m", "tiflis.cli", *arguments, *place]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=WALL_PATIENCE,
        cwd=server.folder,
        env=environment,
    )


async def test_two_devices_share_the_supervisor_and_get_their_own_answers(new_device: NewDevice) -> None:
    phone, tablet = await new_device("phone-1"), await new_device("tablet-1")
    await phone.post("supervisor.command", {"command": "code"})
    own = await phone.answer("supervisor.output")
    other = await tablet.answer("supervisor.output")
    assert own[-1] == other[-1]
    assert [one["sequence"] for one in own] == [one["sequence"] for one in other]
    assert (await tablet.next("supervisor.user_message"))["payload"]["content"] == "code"
    assert not tablet.unread("response")
    assert not tablet.unread("message.ack")


async def test_ten_thousand_lines_come_in_order(new_device: NewDevice) -> None:
    phone = await new_device("phone-1")
    session_id = (await phone.sessions())["terminal"]["session_id"]
    await phone.subscribe(session_id)
    await phone.typed(session_id, "big\r")
    await phone.screen_until(" 10000")
    seen = numbers(phone)
    assert seen == list(range(seen[0], seen[0] + len(seen)))


async def test_a_recording_of_some_megabytes_comes_back_whole(new_device: NewDevice) -> None:
    phone = await new_device("phone-1")
    recording = "UklG" * 2**20
    await phone.post(
        "supervisor.command", {"audio": recording, "audio_format": "wav", "message_id": "voice-1"}
    )
    await phone.next("supervisor.transcription")
    kept = await phone.ask("audio.request", {"message_id": "voice-1", "audio_type": "input"})
    assert kept["payload"]["audio"] == recording


async def test_a_device_that_leaves_is_forgotten_by_the_workstation(
    new_device: NewDevice, workstation: DemoWorkstation
) -> None:
    phone = await new_device("phone-1")
    await phone.close()
    await eventually(
        lambda: "phone-1" not in workstation.desk.devices.present, PATIENCE, "client.disconnected"
    )


async def test_an_answer_goes_on_when_the_workstation_loses_its_link_for_a_moment(
    new_device: NewDevice, workstation: DemoWorkstation
) -> None:
    phone = await new_device("phone-1")
    workstation.desk.stage.speed = 20.0
    await phone.post("supervisor.command", {"command": "long"})
    await phone.next("supervisor.output")
    tunnel_id = workstation.tunnel_id
    workstation.link.abort()
    whole = await phone.next("supervisor.output", 15, lambda m: m["payload"]["is_complete"])
    assert "put the phone away after five" in whole["payload"]["content"]
    assert workstation.tunnel_id == tunnel_id


async def test_the_tunnel_survives_the_death_of_every_worker(mortal: Server) -> None:
    workstation = DemoWorkstation(mortal.ws_url, REGISTRATION_KEY, AUTH_KEY, options=Options(speed=math.inf))
    await workstation.start()
    before = workstation.registration
    for pid in mortal.worker_pids().values():
        mortal.kill_worker(pid)
    await eventually(lambda: workstation.online and workstation.registration is not before, 15, "back")
    assert before is not None
    assert workstation.tunnel_id == before.tunnel_id
    assert workstation.registration is not None
    assert workstation.registration.restored
    async with await Device.pair(workstation.pairing) as phone:
        assert await phone.sessions()
    await workstation.stop()


async def test_status_shows_the_tunnel(server: Server, workstation: DemoWorkstation) -> None:
    shown = await asyncio.to_thread(tiflis, server, "status")
    assert (shown.returncode, workstation.tunnel_id in shown.stdout) == (0, True)
    assert AUTH_KEY not in shown.stdout
    told: dict[str, Any] = json.loads((await asyncio.to_thread(tiflis, server, "status", "--json")).stdout)
    assert len(told["arbiter"]["workers"]) == 2


async def test_reload_replaces_the_workers_and_closes_nothing(mortal: Server) -> None:
    workstation = DemoWorkstation(mortal.ws_url, REGISTRATION_KEY, AUTH_KEY, options=Options(speed=math.inf))
    await workstation.start()
    before = mortal.worker_pids()
    async with await Device.pair(workstation.pairing) as phone:
        shown = await asyncio.to_thread(tiflis, mortal, "reload")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert not set(mortal.worker_pids().values()) & set(before.values())
        assert (await phone.ask("sync"))["type"] == "sync.state"
        assert phone.closed is None
    assert workstation.failure is None
    await workstation.stop()
