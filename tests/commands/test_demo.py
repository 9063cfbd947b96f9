"""`tiflis demo` as a process, against the small relay."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tiflis_workstation.pairing import Pairing

from tests.demo.device import Device
from tests.demo.relay import Relay
from tests.patience import patience

KEY = "test-registration-key-0123456789abcdef"
DEMO = ("-m", "tiflis.cli", "demo")
ALONE = ("-c", "from tiflis_workstation.command import main; main()")  # as tiflis-workstation does


@asynccontextmanager
async def demo(
    relay: Relay, folder: Path, key: str = KEY, program: Sequence[str] = DEMO
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the program at the relay's address, unless a `.env` names another."""
    dotenv = folder / ".env"
    where = [] if dotenv.exists() else ["--url", relay.url]
    command = [sys.executable, *program, *where, "--speed", "100"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "PORT": "", "WS_PATH": "", "TUNNEL_REGISTRATION_API_KEY": key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def shown_pairing(process: asyncio.subprocess.Process) -> Pairing:
    assert process.stdout is not None
    async with patience(15):
        async for line in process.stdout:
            if b"pairing JSON" in line:
                found = json.loads(line[line.index(b"{") :])
                return Pairing(found["tunnel_id"], found["url"], found["key"])
    raise AssertionError("no pairing was shown")


async def test_a_device_pairs_with_what_is_shown(tmp_path: Path) -> None:
    async with Relay(api_key=KEY) as relay, demo(relay, tmp_path) as process:
        async with await Device.pair(await shown_pairing(process)) as device:
            await device.post("supervisor.command", {"command": "table"})
            assert "ping every 5 s" in (await device.answer("supervisor.output"))[-1]["payload"]["content"]


async def test_a_restart_is_the_same_tunnel_with_the_same_key(tmp_path: Path) -> None:
    async with Relay(api_key=KEY) as relay:
        async with demo(relay, tmp_path) as process:
            first = await shown_pairing(process)
        async with demo(relay, tmp_path) as process:
            assert await shown_pairing(process) == first
    assert (tmp_path / ".tiflis" / "demo.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("program", [DEMO, ALONE])
async def test_port_and_path_come_from_the_env_file(tmp_path: Path, program: Sequence[str]) -> None:
    async with Relay(api_key=KEY) as relay:
        server = urlsplit(relay.url)
        (tmp_path / ".env").write_text(f"PORT={server.port}\nWS_PATH='/tunnel'\n")
        async with demo(relay, tmp_path, program=program) as process:
            found = await shown_pairing(process)
    assert (found.tunnel_id, relay.paths) == (relay.tunnel_id, {"/tunnel"})


async def test_it_works_where_nothing_can_be_remembered(tmp_path: Path) -> None:
    (tmp_path / ".tiflis").touch()  # a file where the folder should be
    async with Relay(api_key=KEY) as relay, demo(relay, tmp_path) as process:
        assert (await shown_pairing(process)).tunnel_id == relay.tunnel_id


async def test_a_wrong_registration_key_ends_it_with_a_reason(tmp_path: Path) -> None:
    async with Relay(api_key=KEY) as relay, demo(relay, tmp_path, KEY[::-1]) as process:
        assert process.stderr is not None
        async with patience(15):
            said = (await process.stderr.read()).decode()
            assert await process.wait() == 1
    assert "INVALID_API_KEY" in said
    assert KEY[::-1] not in said
