"""The simplest correct relay on Sanic's native WebSocket: what the stock framework costs."""

from __future__ import annotations

import json
import secrets
from typing import Any

from sanic import Request, Sanic, Websocket

app: Any = Sanic("bench_native")
app.config.WEBSOCKET_MAX_SIZE = 1 << 26
app.config.WEBSOCKET_PING_INTERVAL = None
app.config.MOTD = False

workstations: dict[str, Websocket] = {}
devices: dict[str, dict[str, Websocket]] = {}


@app.websocket("/ws")  # type: ignore[untyped-decorator]  # Sanic's are
async def relay(_: Request, socket: Websocket) -> None:
    hello = json.loads(await socket.recv() or "")
    if hello["type"] == "workstation.register":
        await serve_workstation(socket)
    else:
        await serve_client(socket, hello["payload"])


async def serve_workstation(socket: Websocket) -> None:
    tunnel = secrets.token_hex(6)
    workstations[tunnel], devices[tunnel] = socket, {}
    await socket.send(json.dumps({"type": "workstation.registered", "payload": {"tunnel_id": tunnel}}))
    async for text in socket:
        message = json.loads(text)
        if message["type"] == "forward.to_device":
            await devices[tunnel][message["device_id"]].send(message["payload"])
        else:
            for device in devices[tunnel].values():
                await device.send(text)


async def serve_client(socket: Websocket, who: dict[str, str]) -> None:
    devices[who["tunnel_id"]][who["device_id"]] = socket
    await socket.send(json.dumps({"type": "connected"}))
    workstation = workstations[who["tunnel_id"]]
    async for text in socket:
        await workstation.send(json.dumps(json.loads(text) | {"device_id": who["device_id"]}))
