"""The lines of the control socket: one JSON object each, with its verb in `do`."""

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any

from tiflis.ipc.run_folder import socket_address

Message = dict[str, Any]

SOCKET_NAME = "main.sock"  # in the run folder
LINE_BYTES = 4 * 2**20  # a status of 10,000 tunnels is 2 MB


def encode(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n"


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """Return the next message; None at the end. Raise ValueError for a line that is not a message."""
    line = await reader.readline()
    if not line.endswith(b"\n"):
        return None
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


class NoServer(Exception):
    """No server answers on the control socket."""


def request(run_dir: Path, do: str, seconds: float = 10.0, **more: object) -> Message:
    """Send the running server a command and return its answer. Raise NoServer. Blocks, for the command line.

    `run_dir` is `RunFolder(data_dir, port).path`.
    """
    with socket.socket(socket.AF_UNIX) as line, contextlib.ExitStack() as stack:
        line.settimeout(seconds)
        try:
            line.connect(stack.enter_context(socket_address(run_dir / SOCKET_NAME)))
            line.sendall(encode({"do": do, **more}))
            with line.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        except (OSError, ValueError) as problem:
            raise NoServer(f"no server answers in {run_dir}") from problem
    return answer if isinstance(answer, dict) else {}
