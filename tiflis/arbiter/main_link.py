"""A worker's connection to the main process over the control socket."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from tiflis.arbiter.lines import LINE_BYTES, SOCKET_NAME, Message, encode, receive
from tiflis.arbiter.processes import leave_at_once
from tiflis.arbiter.run_folder import socket_address
from tiflis.clock import running_clock

log = logging.getLogger(__name__)

SUCCESSOR_SECONDS = 6.0  # main answers when the newcomer is ready, or gives it up


class MainLink:
    """A worker's connection to the main process.

    `on_gone(worker_id)`: another worker died or left. `on_status()`: asked for this server's status;
    may be a coroutine. `on_lost()`: the main process died; this one then ends, unless told otherwise.
    """

    def __init__(
        self,
        run_dir: Path,
        slot: str,
        worker_id: str,
        on_gone: Callable[[str], None],
        on_status: Callable[[], Message | Awaitable[Message]],
        on_lost: Callable[[], None] = leave_at_once,
    ) -> None:
        self._path = run_dir / SOCKET_NAME
        self._hello = {"do": "hello", "slot": slot, "pid": os.getpid(), "worker_id": worker_id}
        self._on_gone = on_gone
        self._on_status = on_status
        self._on_lost = on_lost
        self._successor: asyncio.Future[str | None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect and say hello; raises OSError when no main process listens."""
        with socket_address(self._path) as address:
            reader, self._writer = await asyncio.open_unix_connection(address, limit=LINE_BYTES)
        self._send(self._hello)
        self._reading = asyncio.create_task(self._read(reader), name="main-link")

    def ready(self) -> None:
        """Tell main that this worker serves."""
        self._send({"do": "ready"})

    async def successor(self) -> str | None:
        """This worker ends: the id of the one that takes its place and is ready; None if nobody does."""
        self._successor = asyncio.get_running_loop().create_future()
        self._send({"do": "successor"})
        try:
            async with running_clock().timeout(SUCCESSOR_SECONDS):
                return await self._successor
        except TimeoutError:
            return None

    def tell_handed(self, report: Message) -> None:
        """How the handover went, for the operator."""
        self._send({"do": "handed", "report": report})

    async def close(self) -> None:
        """Leave; main then tells the others that this worker is gone."""
        tasks = [*self._answering, *([self._reading] if self._reading else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()

    def _send(self, message: Message) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            while (message := await receive(reader)) is not None:
                try:
                    self._from_main(message)
                except Exception:  # the outermost frame of a message
                    log.exception("message from the main process failed")
        log.error("connection to the main process lost")
        self._on_lost()

    def _from_main(self, message: Message) -> None:
        match message.get("do"):
            case "gone":
                self._on_gone(str(message["worker_id"]))
            case "successor":
                if self._successor is not None and not self._successor.done():
                    self._successor.set_result(message.get("worker_id"))
            case "pulse":
                self._send({"do": "pulse"})
            case "status":
                task = asyncio.create_task(self._answer(message))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case verb:
                log.warning("main says something unknown", extra={"verb": verb})

    async def _answer(self, message: Message) -> None:
        status: Message | None = None
        try:
            answer = self._on_status()
            status = await answer if isinstance(answer, Awaitable) else answer
        except Exception:  # the outermost frame of a task
            log.exception("status cannot be told")
        self._send({"do": "answer", "ask": message.get("ask"), "status": status})
