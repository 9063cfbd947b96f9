"""An operator follows the documents: nginx with TLS, a workstation, an upgrade, status and metrics."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect as open_websocket

from tests.harness import Server, free_port, wait_until
from tests.patience import WALL_PATIENCE, patience
from tests.peers import AUTH_KEY
from tests.system.nginx import Nginx
from tests.test_metrics import expressions
from tests.tool import settings_of, tool

STATUS_TOKEN = "status-token-0123456789"


def environment(server: Server, nginx: Nginx) -> dict[str, str]:
    return {**settings_of(server), "STATUS_TOKEN": STATUS_TOKEN, "SSL_CERT_FILE": str(nginx.ca)}


@contextmanager
def demo(server: Server, nginx: Nginx, folder: Path) -> Iterator[str]:
    """Run the demo workstation behind the proxy; return its tunnel's id."""
    told = folder / "demo.txt"
    with told.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tiflis.cli", "demo"),
                *("--url", nginx.ws_url, "--auth-key", AUTH_KEY, "--state", str(folder / "demo.json")),
            ],
            env=environment(server, nginx),
            cwd=folder,
            stdout=output,
            stderr=output,
        )
        try:
            wait_until(lambda: "Waiting for devices" in told.read_text(), 20, "the demo is registered")
            found = re.search(r"^tunnel (\S+)$", told.read_text(), re.MULTILINE)
            assert found, told.read_text()
            yield found[1]
        finally:
            process.terminate()
            process.wait(WALL_PATIENCE)


class Phone:
    """A client that connects through the proxy."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def ask(self, message: dict[str, Any], answer: str) -> dict[str, Any]:
        await self._socket.send(json.dumps(message))
        async with patience(20):
            while True:
                heard: dict[str, Any] = json.loads(await self._socket.recv())
                if heard["type"] == answer:
                    return heard


async def test_from_the_documents_alone_to_a_server_that_is_known_to_be_right(tmp_path: Path) -> None:
    port = free_port()
    env = {"TRUST_PROXY": "true", "METRICS_PORT": str(port), "STATUS_TOKEN": STATUS_TOKEN}
    with Server(workers=2, env=env) as server, Nginx(server, tls=True) as nginx:
        trusted, own = ssl.create_default_context(cafile=str(nginx.ca)), environment(server, nginx)
        with demo(server, nginx, tmp_path) as tunnel_id:
            async with open_websocket(nginx.ws_url, ssl=trusted, compression=None, proxy=None) as socket:
                phone = Phone(socket)
                payload = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "phone"}
                await phone.ask({"type": "connect", "payload": payload}, "connected")
                credentials = {"auth_key": AUTH_KEY, "device_id": "phone"}
                await phone.ask({"type": "auth", "payload": credentials}, "auth.success")
                before = await phone.ask({"type": "sync", "id": "1"}, "sync.state")

                shown = await asyncio.to_thread(tool, server, "reload", env=own)
                assert "yes" in shown
                after = await phone.ask({"type": "sync", "id": "2"}, "sync.state")
                assert after["payload"]["sessions"] == before["payload"]["sessions"]

                status = await asyncio.to_thread(tool, server, "status", env=own)
                assert tunnel_id in status
                assert "2 of 2 workers replaced" in status
                assert " 0 fell back" in status

        async with httpx.AsyncClient(timeout=WALL_PATIENCE) as http:
            text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        for expression in expressions():
            for name in re.findall(r"\btiflis_\w+", expression):
                assert re.search(rf"^{name}[ {{]", text, re.MULTILINE), f"{name} is asked for and not told"
        for told in (
            'frames_total{direction="in",path="',
            "handoff_pause_seconds_count",
            "relay_seconds_count",
        ):
            assert re.search(rf"^tiflis_{re.escape(told)}[^ ]* [1-9]", text, re.MULTILINE), told

        verdict = await asyncio.to_thread(
            tool, server, "doctor", nginx.url, "--ca", str(nginx.ca), "--idle", "6", env=own
        )
        assert "all is well" in verdict
        assert "the server sees you as 127.0.0.1" in verdict
