"""A plain relay on the `websockets` library, in one process on uvloop: python plain.py PORT"""

from __future__ import annotations

import json
import secrets
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

workstations: dict[str, ServerConnection] = {}
devices: dict[str, dict[str, ServerConnection]] = {}


async def relay(socket: ServerConnection) -> None:
    hello = json.loads(await socket.recv())
    if hello["type"] == "workstation.register":
        await serve_workstation(socket)
    else:
        await serve_client(socket, hello["payload"])


async def serve_workstation(socket: ServerConnection) -> None:
    tunnel = secrets.token_hex(6)
    workstations[tunnel], devices[tunnel] = socket, {}
    await socket.send(json.dumps({"type": "workstation.registered", "payload": {"tunnel_id": tunnel}}))
    async for text in socket:
        message = json.loads(text)
        if message["type"] == "forward.to_device":
            await devices[tunnel][message["device_id"]].send(message["payload"])
        else:
            broadcast(devices[tunnel].values(), text)


async def serve_client(socket: ServerConnection, who: dict[str, str]) -> None:
    devices[who["tunnel_id"]][who["device_id"]] = socket
    await socket.send(json.dumps({"type": "connected"}))
    workstation = workstations[who["tunnel_id"]]
    async for text in socket:
        await workstation.send(json.dumps(json.loads(text) | {"device_id": who["device_id"]}))


async def main(port: int) -> None:
    async with serve(
        relay, "127.0.0.1", port, compression=None, max_size=1 << 26, ping_interval=None, backlog=4096
    ) as server:
        await server.serve_forever()


uvloop.run(main(int(sys.argv[1])))
