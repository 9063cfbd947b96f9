"""A worker's connection to the main process over the control socket."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from tiflis.clock import running_clock
from tiflis.ipc.control_client import LINE_BYTES, SOCKET_NAME, Message, encode, receive
from tiflis.ipc.patience import pause_after
from tiflis.ipc.processes import leave_at_once, parent_lives
from tiflis.ipc.run_folder import socket_address

log = logging.getLogger(__name__)

SUCCESSOR_SECONDS = 6.0  # main answers when the successor is ready, or gives it up


async def _no_answer(what: str, names: list[str]) -> Message:
    return {"ok": False}


async def _nothing(what: str, names: list[str]) -> int:
    return 0


class MainLink:
    """A worker's connection to the main process.

    `on_gone(worker_id)`: another worker died or left. `on_status()`: asked for this server's status;
    may be a coroutine. `on_lost()`: the main process died; by default this process then ends.
    While `main_lives()`, a broken connection is only made again.
    """

    def __init__(
        self,
        run_dir: Path,
        slot: str,
        worker_id: str,
        on_gone: Callable[[str], None],
        on_status: Callable[[], Message | Awaitable[Message]],
        on_lost: Callable[[], None] = leave_at_once,
        main_lives: Callable[[], bool] = parent_lives,
    ) -> None:
        self._path = run_dir / SOCKET_NAME
        self._hello = {"do": "hello", "slot": slot, "pid": os.getpid(), "worker_id": worker_id}
        self._on_gone = on_gone
        self._on_status = on_status
        self._on_lost = on_lost
        self._main_lives = main_lives
        self._ready = False
        self._successor: asyncio.Future[str | None] | None = None
        self.on_end: Callable[[str, list[str]], Awaitable[int]] = _nothing
        self.on_devices: Callable[[str, list[str]], Awaitable[Message]] = _no_answer
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect and say hello; raises OSError when no main process listens."""
        reader = await self._connect()
        self._reading = asyncio.create_task(self._read(reader), name="main-link")

    async def _connect(self) -> asyncio.StreamReader:
        with socket_address(self._path) as address:
            reader, self._writer = await asyncio.open_unix_connection(address, limit=LINE_BYTES)
        self._send(self._hello)
        if self._ready:
            self._send({"do": "ready"})
        return reader

    def ready(self) -> None:
        """Report to the main process that this worker serves."""
        self._ready = True
        self._send({"do": "ready"})

    async def successor(self) -> str | None:
        """Announce that this worker ends; return the id of its successor, which is ready, or None."""
        self._successor = asyncio.get_running_loop().create_future()
        self._send({"do": "successor"})
        try:
            async with running_clock().timeout(SUCCESSOR_SECONDS):
                return await self._successor
        except TimeoutError:
            return None

    def tell_handed(self, report: Message) -> None:
        """Report the outcome of the handoff, for the operator."""
        self._send({"do": "handed", "report": report})

    async def close(self) -> None:
        """Announce the end and close; the main process then reports it to the other workers."""
        tasks = [*self._answering, *([self._reading] if self._reading else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._writer is not None:
            self._send({"do": "leave"})
            self._writer.close()

    def _send(self, message: Message) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Act on the main process's messages, over one connection after the other, until it has ended."""
        while True:
            with contextlib.suppress(ConnectionError, ValueError):
                while (message := await receive(reader)) is not None:
                    try:
                        self._from_main(message)
                    except Exception:  # the outermost frame of a message
                        log.exception("message from the main process failed")
            log.error("connection to the main process lost")
            if self._writer is not None:
                self._writer.close()
            again = await self._reconnect()
            if again is None:
                self._on_lost()
                return
            log.info("connected to the main process again")
            reader = again

    async def _reconnect(self) -> asyncio.StreamReader | None:
        """Return a new connection, or None once the main process has ended. Tries until then: the main
        process may lack descriptors or memory for a moment."""
        failures = 0
        while True:
            try:
                return await self._connect()
            except OSError:
                if not self._main_lives():
                    return None
            failures += 1
            await asyncio.sleep(pause_after(failures))

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
                self._begin(self._answer(message))
            case "end":
                self._begin(self._end(message))
            case "devices":
                self._begin(self._devices(message))
            case verb:
                log.warning("main says something unknown", extra={"verb": verb})

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _devices(self, message: Message) -> None:
        answer: Message = {"ok": False}
        try:
            answer = await self.on_devices(str(message["what"]), [str(name) for name in message["names"]])
        except Exception:  # the outermost frame of a task
            log.exception("question about devices failed")
        self._send({"do": "answer", "ask": message.get("ask"), "answer": answer})

    async def _end(self, message: Message) -> None:
        ended = 0
        try:
            ended = await self.on_end(str(message["what"]), [str(name) for name in message["names"]])
        except Exception:  # the outermost frame of a task
            log.exception("nothing ended")
        self._send({"do": "answer", "ask": message.get("ask"), "ended": ended})

    async def _answer(self, message: Message) -> None:
        status: Message | None = None
        try:
            answer = self._on_status()
            status = await answer if isinstance(answer, Awaitable) else answer
        except Exception:  # the outermost frame of a task
            log.exception("status cannot be told")
        self._send({"do": "answer", "ask": message.get("ask"), "status": status})
