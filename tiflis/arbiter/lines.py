"""The lines of the control socket: one JSON object each, with its verb in `do`."""

import asyncio
import json
from typing import Any

Message = dict[str, Any]

SOCKET_NAME = "main.sock"  # in the run folder
LINE_BYTES = 4 * 2**20  # a status of 10,000 tunnels is 2 MB


def encode(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n"


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None at the end. Raises ValueError for what is none."""
    line = await reader.readline()
    if not line.endswith(b"\n"):
        return None
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message
