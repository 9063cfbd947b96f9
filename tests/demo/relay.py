"""A tiny tunnel server for one tunnel: joins the demo workstation with devices, without the real server.

Run it for development with `python -m tests.demo.relay --port 3001`. It binds to loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import secrets
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

LOOPBACK = "127.0.0.1"
MESSAGE_BYTES = 64 * 2**20
Message = dict[str, Any]


class Relay:
    """One tunnel. Use as `async with Relay() as relay`, then `relay.url`."""

    def __init__(self, port: int = 0, api_key: str | None = None, verbose: bool = False) -> None:
        self.tunnel_id = ""
        self.auth_key = ""
        self.api_key = api_key
        self.registrations: list[Message] = []
        self.answers_pings = True
        self.pings = 0
        self.paths: set[str] = set()  # that sockets were opened at
        self.workstation: ServerConnection | None = None
        self.devices: dict[ServerConnection, str] = {}
        self._askers: dict[str, str] = {}
        self._waiting: dict[ServerConnection, str] = {}
        self._port = port
        self._verbose = verbose
        self._server: Server | None = None

    async def __aenter__(self) -> Relay:
        self._server = await serve(
            self._accept, LOOPBACK, self._port, max_size=MESSAGE_BYTES, compression=None, ping_interval=None
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"ws://{LOOPBACK}:{self._port}/ws"

    async def _accept(self, socket: ServerConnection) -> None:
        if socket.request is not None:
            self.paths.add(socket.request.path)
        try:
            async for text in socket:
                await self._received(socket, text if isinstance(text, str) else text.decode())
        except ConnectionClosed:
            pass
        finally:
            await self._closed(socket)

    async def _received(self, socket: ServerConnection, text: str) -> None:
        message = json.loads(text)
        kind = message.get("type")
        if kind == "ping":
            self.pings += 1
            if self.answers_pings:
                await self._send(socket, {"type": "pong", "timestamp": message["timestamp"]})
        elif kind == "workstation.register":
            await self._register(socket, message["payload"])
        elif kind == "connect":
            await self._connect(socket, message["payload"])
        elif socket is self.workstation:
            await self._from_workstation(message, text)
        elif socket in self.devices:
            await self._from_device(socket, message)
        else:
            await self._error(socket, "INVALID_PAYLOAD", "no role yet", message.get("id"))

    async def _register(self, socket: ServerConnection, payload: Message) -> None:
        self.registrations.append(payload)
        if self.api_key is not None and payload["api_key"] != self.api_key:
            await self._error(socket, "INVALID_API_KEY", "wrong key")
            return
        previous = payload.get("previous_tunnel_id") if payload.get("reconnect") else None
        restored = previous is not None and previous == self.tunnel_id
        self.tunnel_id = previous or secrets.token_urlsafe(9)
        self.auth_key = payload["auth_key"]
        self.workstation = socket
        granted: Message = {"tunnel_id": self.tunnel_id, "public_url": self.url}
        if restored:
            granted["restored"] = True
        await self._send(socket, {"type": "workstation.registered", "payload": granted})
        self._say(f"workstation online: {payload['name']}, tunnel {self.tunnel_id}")
        await self._workstation_online()

    async def _workstation_online(self) -> None:
        await self._announce(True)
        for device_id in set(self.devices.values()):
            await self._to_workstation(self._auth(device_id))
        for socket, device_id in list(self._waiting.items()):
            del self._waiting[socket]
            await self._admit(socket, device_id)

    def _auth(self, device_id: str) -> Message:
        return {"type": "auth", "payload": {"auth_key": self.auth_key, "device_id": device_id}}

    async def _connect(self, socket: ServerConnection, payload: Message) -> None:
        if payload["tunnel_id"] != self.tunnel_id:
            await self._error(socket, "TUNNEL_NOT_FOUND", "no such tunnel")
        elif payload["auth_key"] != self.auth_key:
            await self._error(socket, "INVALID_AUTH_KEY", "wrong key")
        elif self.workstation is None:
            self._waiting[socket] = payload["device_id"]
            await self._error(socket, "WORKSTATION_OFFLINE", "the workstation is not connected")
        else:
            await self._admit(socket, payload["device_id"])

    async def _admit(self, socket: ServerConnection, device_id: str) -> None:
        self.devices[socket] = device_id
        self._say(f"device online: {device_id}")
        granted = {"tunnel_id": self.tunnel_id, "tunnel_version": "0.0.0", "protocol_version": "1.0.0"}
        await self._send(socket, {"type": "connected", "payload": granted})

    async def _from_workstation(self, message: Message, text: str) -> None:
        if message["type"] == "forward.to_device":
            await self._to_devices(message["payload"], message["device_id"])
        elif message["type"] == "auth.success":
            await self._to_devices(text, message["payload"].get("device_id"))
        else:
            await self._to_devices(text, self._askers.get(message.get("id", "")))

    async def _from_device(self, socket: ServerConnection, message: Message) -> None:
        device_id = self.devices[socket]
        if isinstance(message.get("id"), str):
            self._askers[message["id"]] = device_id
        if self.workstation is None:
            await self._error(socket, "WORKSTATION_OFFLINE", "not connected", message.get("id"))
        else:
            await self._to_workstation({**message, "device_id": device_id})

    async def _to_workstation(self, message: Message) -> None:
        if self.workstation is not None:
            await self._send(self.workstation, message)

    async def _to_devices(self, text: str, device_id: str | None = None) -> None:
        for socket, its_id in list(self.devices.items()):
            if device_id in (None, its_id):
                with contextlib.suppress(ConnectionClosed):
                    await socket.send(text)

    async def _closed(self, socket: ServerConnection) -> None:
        self._waiting.pop(socket, None)
        device_id = self.devices.pop(socket, None)
        if device_id is not None and device_id not in self.devices.values():
            self._say(f"device offline: {device_id}")
            gone = {"device_id": device_id, "tunnel_id": self.tunnel_id}
            await self._to_workstation({"type": "client.disconnected", "payload": gone})
        if socket is self.workstation:
            self.workstation = None
            self._say("workstation offline")
            await self._announce(False)

    async def _announce(self, online: bool) -> None:
        kind = "connection.workstation_online" if online else "connection.workstation_offline"
        for message in (
            {"type": kind, "payload": {"tunnel_id": self.tunnel_id}},
            {"type": "workstation.status", "payload": {"online": online}},
        ):
            await self._to_devices(json.dumps(message))

    async def _error(
        self, socket: ServerConnection, code: str, reason: str, message_id: object = None
    ) -> None:
        error: Message = {"type": "error", "payload": {"code": code, "message": reason}}
        await self._send(socket, error if message_id is None else {**error, "id": message_id})

    async def _send(self, socket: ServerConnection, message: Message) -> None:
        with contextlib.suppress(ConnectionClosed):
            await socket.send(json.dumps(message))

    def _say(self, line: str) -> None:
        if self._verbose:
            print(line, flush=True)


async def _run(port: int) -> None:
    async with Relay(port, verbose=True) as relay:
        print(f"relay at {relay.url}", flush=True)
        await asyncio.get_running_loop().create_future()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3001)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args().port))


if __name__ == "__main__":
    main()
