"""A workstation that repeats: python workstation.py wss://tunnel.example.org/ws REGISTRATION_KEY AUTH_KEY"""

import asyncio
import json
import sys
import time

from websockets.asyncio.client import connect  # pip install websockets


async def serve(url: str, api_key: str, auth_key: str, name: str = "Parrot") -> None:
    register = {"api_key": api_key, "name": name, "auth_key": auth_key}
    async with connect(url, ping_interval=5, max_size=50 * 2**20) as socket:

        async def send(kind: str, payload: object, **fields: object) -> None:
            await socket.send(json.dumps({"type": kind, "payload": payload, **fields}))

        await send("workstation.register", register)
        async for text in socket:
            message = json.loads(text)
            payload = message.get("payload", {})
            match message["type"]:
                case "workstation.registered":  # a device needs this id and the auth key
                    print(payload["tunnel_id"], flush=True)
                case "auth":  # the server has compared the key; it routes the answer to this device alone
                    await send("auth.success", {"device_id": payload["device_id"], "workstation_name": name})
                case "supervisor.command":  # to all devices: one chat for all of them
                    said = f"You said: {payload['command']}"
                    answer = {"content_type": "supervisor", "content": said, "is_complete": True}
                    await send("supervisor.output", {**answer, "timestamp": int(time.time() * 1000)})
                case "error":
                    raise SystemExit(f"{payload['code']}: {payload['message']}")


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
