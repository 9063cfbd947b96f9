"""The control socket: each worker keeps one connection to the main process, each command opens its own.

Each line is one JSON object with a verb in `do`. The first line decides the kind of a connection: `hello`
makes it a worker's, anything else is a command, which gets one line as its answer. A worker whose
connection breaks while the main process lives connects again, and repeats `hello` and `ready`.

    worker -> main    hello {slot, pid, worker_id} · ready · answer {ask, status} · pulse · leave
    main -> worker    gone {worker_id} · status {ask} · pulse
    main -> worker    end {ask, what, names}
    command -> main   end {what, names} -> {ok, ended}
    command -> main   devices {what, names} -> {ok, rows or entries or found}; main asks a worker in turn
    command -> main   status -> {ok, status, arbiter} or {ok: false, error}

With --single-process the only worker hosts the socket and is its own client.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol

from tiflis.clock import running_clock
from tiflis.ipc.control_client import LINE_BYTES, SOCKET_NAME, Message, encode, receive
from tiflis.ipc.processes import CpuWait, is_alive
from tiflis.ipc.run_folder import RunFolder, socket_address

log = logging.getLogger(__name__)

Command = Callable[[Message], Awaitable[Message]]

UNREAD_BYTES = 2**20  # unread output above which a worker counts as hanging
STATUS_SECONDS = 3.0
DEVICES_SECONDS = 12.0  # for a change that every worker confirms
FIRST_LINE_SECONDS = 5.0
BACK_SECONDS = 0.5  # for a living worker whose connection broke to connect again


class WorkerObserver(Protocol):
    """Is notified when workers connect, become ready and leave."""

    def joined(self, session: "WorkerSession") -> None: ...

    def ready(self, session: "WorkerSession") -> None: ...

    def left(self, session: "WorkerSession") -> None: ...

    def leaving(self, session: "WorkerSession") -> None:
        """Note that the worker ends; reply with `successor`, the worker that takes its place."""

    def handed(self, session: "WorkerSession", report: Message) -> None:
        """Record the outcome of the handover of its sockets."""


class WorkerSession:
    """The main process's end of one worker's connection."""

    def __init__(self, hello: Message, writer: asyncio.StreamWriter) -> None:
        self.slot = str(hello["slot"])
        self.pid = int(hello["pid"])
        self.worker_id = str(hello["worker_id"])
        self.ready = False
        self.leaving = False  # it has announced its end
        self.unanswered = 0  # pulses since its last message
        self.cpu_wait = CpuWait(self.pid)
        self.waited = 0.0  # seconds that it had waited for a CPU by then
        self._writer = writer
        self._asks = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}

    def send(self, message: Message) -> None:
        """Send a message; cut the connection of a worker that does not read, which then has to connect
        again."""
        if self._writer.transport.get_write_buffer_size() > UNREAD_BYTES:
            log.error("worker does not read its control connection", extra={"worker": self.worker_id})
            self._writer.transport.abort()
        elif not self._writer.is_closing():
            self._writer.write(encode(message))

    async def ask(self, message: Message, seconds: float) -> Message:
        """Send a question and return its answer. Raise TimeoutError or ConnectionError."""
        number = next(self._asks)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self.send({**message, "ask": number})
            async with running_clock().timeout(seconds):
                return await answer
        finally:
            del self._answers[number]

    def answered(self, message: Message) -> None:
        waiting = self._answers.get(message.get("ask", 0))
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def broke(self) -> None:
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the worker has gone"))


class ControlServer:
    """The main process's side of the control socket; used from one event loop.

    `sessions` contains the connected workers by worker id. `commands` maps a verb to its handler.
    """

    def __init__(self, folder: RunFolder, observer: WorkerObserver) -> None:
        self._folder = folder
        self._observer = observer
        self._server: asyncio.Server | None = None
        self._inode = 0  # of the socket's name
        self._connections: set[asyncio.Task[None]] = set()
        self.sessions: dict[str, WorkerSession] = {}
        self.commands: dict[str, Command] = {}

    async def start(self) -> None:
        """Listen. A socket left behind by a killed server is replaced: the folder's lock is ours."""
        self._folder.remove(SOCKET_NAME)
        listener = socket.socket(socket.AF_UNIX)
        with socket_address(self._folder.path / SOCKET_NAME) as address:
            listener.bind(address)
        (self._folder.path / SOCKET_NAME).chmod(0o600)
        self._inode = os.stat(self._folder.path / SOCKET_NAME).st_ino
        self._server = await asyncio.start_unix_server(self._accepted, sock=listener, limit=LINE_BYTES)

    def in_place(self) -> bool:
        """Return whether the socket's name is still in the run folder."""
        return self._server is None or (self._folder.path / SOCKET_NAME).exists()

    async def listen_again(self) -> None:
        """Listen under the socket's name again: it was deleted, or taken by a successor that is gone."""
        if self._server is not None:
            self._server.close()
        await self.start()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(OSError):
            if os.stat(self._folder.path / SOCKET_NAME).st_ino == self._inode:  # not a successor's
                self._folder.remove(SOCKET_NAME)
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def announce_gone(self, worker_id: str) -> None:
        """Notify every other worker that this one has ended."""
        for session in self.sessions.values():
            if session.worker_id != worker_id:
                session.send({"do": "gone", "worker_id": worker_id})

    async def end(self, message: Message) -> Message:
        """Have a ready worker close the sockets that the message names, in all workers; return how many."""
        for session in list(self.sessions.values()):
            if session.ready:
                with contextlib.suppress(TimeoutError, ConnectionError):
                    answer = await session.ask(message, STATUS_SECONDS)
                    return {"ended": int(answer.get("ended", 0))}
        raise ConnectionError("no worker answers")

    async def devices(self, message: Message) -> Message:
        """Return a ready worker's answer to a question about device keys or the audit."""
        for session in list(self.sessions.values()):
            if session.ready:
                with contextlib.suppress(TimeoutError, ConnectionError):
                    answer = (await session.ask(message, DEVICES_SECONDS)).get("answer")
                    return answer if isinstance(answer, dict) else {"ok": False}
        raise ConnectionError("no worker answers")

    async def worker_status(self) -> Message | None:
        """Return a ready worker's status of the whole server; None if none answers in time."""
        for session in list(self.sessions.values()):
            if session.ready:
                with contextlib.suppress(TimeoutError, ConnectionError):
                    answer = await session.ask({"do": "status"}, STATUS_SECONDS)
                    status = answer.get("status")
                    return status if isinstance(status, dict) else None
        return None

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError, ValueError, KeyError) as problem:
            log.debug("control connection broken", extra={"reason": repr(problem)})
        except asyncio.CancelledError:
            pass  # the server closes; streams would report the cancellation as an error
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with running_clock().timeout(FIRST_LINE_SECONDS):
            first = await receive(reader)
        if first is None:
            return
        if first.get("do") == "hello":
            await self._serve_worker(WorkerSession(first, writer), reader)
        else:
            writer.write(encode(await self._command(first)))
            await writer.drain()

    async def _serve_worker(self, session: WorkerSession, reader: asyncio.StreamReader) -> None:
        self.sessions[session.worker_id] = session
        self._observer.joined(session)
        try:
            while (message := await receive(reader)) is not None:
                try:
                    self._from_worker(session, message)
                except Exception:  # the outermost frame of a message: the worker is to stay connected
                    log.exception("message from a worker failed", extra={"worker": session.worker_id})
        finally:
            if self.sessions.get(session.worker_id) is session:
                del self.sessions[session.worker_id]
            session.broke()
            self._observer.left(session)
            # At once if it is dead: other workers with clients of its tunnels wait for this message.
            await self._announce_unless_back(session)

    async def _announce_unless_back(self, session: WorkerSession) -> None:
        """Notify the other workers that this one has ended, unless it lives and connects again."""
        end, pause = running_clock().time() + BACK_SECONDS, 0.002
        while not session.leaving and is_alive(session.pid) and running_clock().time() < end:
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)
            if session.worker_id in self.sessions:
                return
        self.announce_gone(session.worker_id)

    def _from_worker(self, session: WorkerSession, message: Message) -> None:
        session.unanswered = 0
        match message.get("do"):
            case "pulse":
                pass
            case "ready":
                session.ready = True
                self._observer.ready(session)
            case "answer":
                session.answered(message)
            case "leave":
                session.leaving = True
            case "successor":
                self._observer.leaving(session)
            case "handed":
                self._observer.handed(session, message["report"])
            case verb:
                log.warning(
                    "worker says something unknown", extra={"worker": session.worker_id, "verb": verb}
                )

    async def _command(self, message: Message) -> Message:
        command = self.commands.get(str(message.get("do")))
        if command is None:
            return {"ok": False, "error": f"unknown command; known: {', '.join(sorted(self.commands))}"}
        try:
            return {"ok": True, **await command(message)}
        except Exception:  # the outermost frame of a command
            log.exception("command failed")
            return {"ok": False, "error": "the command failed: see the server's log"}
