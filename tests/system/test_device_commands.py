"""The command line shows device keys and the audit, lets a workstation change its key, and invites."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.harness import AUTH_KEY, ROOT, Crowd, Server, connect
from tests.patience import WALL_PATIENCE, patience
from tests.system.device_keys import Owner, id_of, key_of

NEW_KEY = "another-auth-key-0123456789"


async def tiflis(server: Server, *arguments: str) -> tuple[int, list[Any]]:
    """Run a command; return its exit code, and its output as JSON lines where it is such."""
    place = ("--port", str(server.port), "--data-dir", str(server.data_dir))
    command = [sys.executable, "-m", "tiflis.cli", *arguments, *place]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        capture_output=True,
        text=True,
        timeout=WALL_PATIENCE,
        cwd=server.folder,
        env=env,
    )
    lines = done.stdout.splitlines()
    return done.returncode, [json.loads(line) if line.startswith("{") else line for line in lines]


async def test_keys_and_audit_are_shown_and_a_key_revoked(server: Server, crowd: Crowd) -> None:
    desk, tunnel = await crowd.workstation()
    async with Owner(server, tunnel) as owner:
        minted = await owner.mint(name="Phone", scope="chat")
        phone = await crowd.client(tunnel, device_id="p", auth_key=key_of(minted))
        await phone.send({"type": "session.execute", "session_id": "s"})
        await desk.next("session.execute")
        code, [row] = await tiflis(server, "devices", tunnel)
        assert (code, row["key_id"], row["device_id"]) == (0, id_of(minted), "p")
        assert "digest" not in row
        code, rows = await tiflis(server, "audit", tunnel)
        assert "session.execute" in [one["type"] for one in rows]
        assert (await tiflis(server, "devices", tunnel, "--revoke", id_of(minted)))[0] == 0
        assert (await phone.until_closed())[0] == 1008
        assert (await tiflis(server, "devices", tunnel, "--revoke", id_of(minted)))[0] == 1


async def test_a_workstation_changes_its_key_and_keeps_its_devices(server: Server, crowd: Crowd) -> None:
    desk, tunnel = await crowd.workstation()
    async with Owner(server, tunnel) as owner:
        key = key_of(await owner.mint())
    phone = await crowd.client(tunnel, device_id="p", auth_key=key)
    await desk.close()
    assert (await tiflis(server, "rekey", "no-such-tunnel"))[0] == 1
    assert (await tiflis(server, "rekey", tunnel))[0] == 0
    desk, again = await crowd.workstation(auth_key=NEW_KEY, previous=tunnel)
    assert again == tunnel
    await phone.send({"type": "auth", "payload": {"auth_key": key, "device_id": "p"}})
    auth = await desk.next("auth", where=lambda one: "device_id" in one)
    assert auth["payload"]["auth_key"] == NEW_KEY
    _, third = await crowd.workstation(auth_key=AUTH_KEY, previous=tunnel)
    assert third != tunnel, "it was for one registration"


async def test_the_demo_invites_one_device(server: Server, tmp_path: Path) -> None:
    env = {**os.environ, "TUNNEL_REGISTRATION_API_KEY": "", "PORT": "", "WS_PATH": ""}
    keys = ("--api-key", server._environment()["TUNNEL_REGISTRATION_API_KEY"])
    command = [sys.executable, "-m", "tiflis.cli", "demo", "--url", server.ws_url, *keys, "--invite", "view"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with patience(30):
            async for line in process.stdout:
                if b"pairing JSON" in line:
                    found = json.loads(line[line.index(b"{") :])
                    break
        assert found["key"].startswith("dk_")
        async with await connect(server, found["tunnel_id"], auth_key=found["key"]) as viewer:
            await viewer.send({"type": "session.input", "session_id": "s"})
            assert (await viewer.next("error"))["payload"]["code"] == "FORBIDDEN"
    finally:
        process.terminate()
        await process.communicate()
