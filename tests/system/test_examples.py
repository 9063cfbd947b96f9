"""The programs of docs/examples, run as their page prints them, against a real server."""

from __future__ import annotations

import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path

import pytest

from hatch_build import system_node, wheel_node
from tests.demo.people import demo_workstation
from tests.harness import AUTH_KEY, REGISTRATION_KEY, ROOT, Server
from tests.patience import within

EXAMPLES = ROOT / "docs" / "examples"
PATIENCE = 30


def node() -> list[str]:
    """Return the command; Node 20 has WebSocket behind an option, which later ones accept."""
    binary, _ = system_node() or wheel_node()
    return [str(binary), "--experimental-websocket", "--no-warnings"]


COMMANDS = {"client.py": lambda: [sys.executable], "client.mjs": node}


async def run(name: str, *arguments: str) -> tuple[int | None, str, str]:
    command = [*COMMANDS[name](), str(EXAMPLES / name), *arguments]
    process = await create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    shown, errors = await within(process.communicate(), PATIENCE)
    return process.returncode, shown.decode(), errors.decode()


@pytest.mark.parametrize("name", ["client.py", "client.mjs", "workstation.py"])
def test_the_page_prints_the_file(name: str) -> None:
    language = {".py": "python", ".mjs": "javascript"}[Path(name).suffix]
    printed = f"\n```{language}\n{(EXAMPLES / name).read_text()}```\n"
    assert printed in (ROOT / "docs" / "clients.md").read_text()


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_client_prints_the_answer_of_the_demo_workstation(server: Server, name: str) -> None:
    async with demo_workstation(server.ws_url) as workstation:
        code, shown, errors = await run(name, server.ws_url, workstation.tunnel_id, AUTH_KEY, "code")
        assert (code, "A small function first" in shown) == (0, True), shown + errors
        code, shown, errors = await run(name, server.ws_url, workstation.tunnel_id, "x" * 16, "code")
        assert (code != 0, "INVALID_AUTH_KEY" in errors, shown) == (True, True, "")


async def test_the_workstation_lets_both_clients_in_and_answers(server: Server) -> None:
    command = [sys.executable, str(EXAMPLES / "workstation.py"), server.ws_url, REGISTRATION_KEY, AUTH_KEY]
    parrot = await create_subprocess_exec(*command, stdout=PIPE)
    try:
        assert parrot.stdout is not None
        tunnel_id = (await within(parrot.stdout.readline(), PATIENCE)).decode().strip()
        for name in COMMANDS:
            done = await run(name, server.ws_url, tunnel_id, AUTH_KEY, "polly")
            assert done[:2] == (0, "You said: polly\n"), done[2]
    finally:
        parrot.kill()
        await parrot.wait()
