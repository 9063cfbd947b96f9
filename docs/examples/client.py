"""Ask a workstation: python client.py wss://tunnel.example.org/ws TUNNEL_ID AUTH_KEY "help me" """

import asyncio
import json
import sys

from websockets.asyncio.client import connect  # pip install websockets


async def ask(url: str, tunnel_id: str, auth_key: str, command: str) -> str:
    device = {"auth_key": auth_key, "device_id": "example-python"}
    # The server closes a socket that is silent for 15 s; messages may have 50 MiB.
    async with connect(url, ping_interval=5, max_size=50 * 2**20) as socket:
        await socket.send(json.dumps({"type": "connect", "payload": {"tunnel_id": tunnel_id, **device}}))
        async for text in socket:
            message = json.loads(text)
            payload = message.get("payload", {})
            match message["type"]:
                case "connected":
                    await socket.send(json.dumps({"type": "auth", "payload": device}))
                case "auth.success":
                    request = {"type": "supervisor.command", "id": "1", "payload": {"command": command}}
                    await socket.send(json.dumps(request))
                case "supervisor.output" if payload["is_complete"]:
                    return payload["content"]
                case "error" | "auth.error":
                    raise SystemExit(f"{payload['code']}: {payload['message']}")
    raise SystemExit("closed before the answer was complete")


if __name__ == "__main__":
    print(asyncio.run(ask(*sys.argv[1:])))
