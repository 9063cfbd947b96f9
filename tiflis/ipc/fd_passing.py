"""Passing of live sockets between workers of one host: descriptors and state over a private Unix socket.

A parcel is a small head (its length and how many descriptors it carries), the descriptors in groups that the
kernel takes at once, and a body. The receiver answers each parcel with one of its own, without descriptors.
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from tiflis.clock import running_clock
from tiflis.ipc.patience import pause_after, reason_of
from tiflis.ipc.run_folder import socket_address

log = logging.getLogger(__name__)

GROUP = 128  # descriptors in one message; Linux takes at most 253
BODY_LIMIT = 512 * 1024 * 1024  # bytes: a tunnel with a few sockets that each have 100 MiB on the way
PIECE = 64 * 1024
TOGETHER = 64 * 1024  # bytes: a body up to it is written with its head
SOCKET_BUFFER = 1024 * 1024

_HEAD = struct.Struct("!IIH")  # parcel number, length of the body, number of descriptors

Serve = Callable[[bytes, list[int]], Awaitable[bytes]]


class HandoffFailed(Exception):
    """The other worker did not take the sockets. Unless it is ``undecided``, they are ours alone."""

    def __init__(self, reason: str, undecided: bool = False) -> None:
        """``undecided``: no answer came in time, so the other worker may have taken the sockets."""
        super().__init__(reason)
        self.undecided = undecided


class _Line:
    """One end of a connection that carries messages with descriptors both ways."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            line.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()
        self._buffer = bytearray()  # of messages that have not been received yet, as the next
        self._descriptors: list[int] = []
        self._news = asyncio.Event()
        self._problem: OSError | None = None
        self._ended = False
        self._loop.add_reader(line.fileno(), self._readable)

    async def send(self, number: int, body: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send the head with the first group of descriptors; each further group goes with a byte of its
        own."""
        async with self._sending:
            head = _HEAD.pack(number, len(body), len(descriptors))
            if len(descriptors) <= GROUP and len(body) <= TOGETHER:
                head, body = head + body, b""
            body = head[await self._send_group(head, descriptors[:GROUP]) :] + body
            for start in range(GROUP, len(descriptors), GROUP):
                await self._send_group(b"\0", descriptors[start : start + GROUP])
            if body:
                await self._loop.sock_sendall(self._line, body)

    async def _send_group(self, data: bytes, descriptors: Sequence[int]) -> int:
        """Send bytes with their descriptors; return how many the kernel took: of a few all or none."""
        while True:
            try:
                return socket.send_fds(self._line, [data], descriptors)
            except BlockingIOError:
                await self._until_writable()

    async def _until_writable(self) -> None:
        writable: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_writer(self._line.fileno(), _settle, writable)
        try:
            await writable
        finally:
            self._loop.remove_writer(self._line.fileno())

    def _readable(self) -> None:
        """Read what has come; messages are taken out of it by ``receive``."""
        try:
            data, found, flags, _ = socket.recv_fds(self._line, PIECE, GROUP, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError as problem:
            self._end(problem)
            return
        self._buffer += data
        self._descriptors += found
        self._news.set()
        if flags & socket.MSG_CTRUNC:
            self._end(ConnectionError("descriptors were cut off"))
        elif not data:
            self._end()

    def _end(self, problem: OSError | None = None) -> None:
        self._loop.remove_reader(self._line.fileno())
        self._problem, self._ended = problem, True
        self._news.set()

    async def receive(self) -> tuple[int, bytes, list[int]] | None:
        """Return the next message: number, body, descriptors; None at the end."""
        while (message := self._next()) is None:
            if self._problem is not None:
                raise self._problem
            if self._ended and self._buffer:
                raise ConnectionError("cut off in a parcel")
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        return message

    def _next(self) -> tuple[int, bytes, list[int]] | None:
        if len(self._buffer) < _HEAD.size:
            return None
        number, size, count = _HEAD.unpack_from(self._buffer)
        if size > BODY_LIMIT:
            raise ConnectionError("not a parcel")
        start = _HEAD.size + max(0, count - 1) // GROUP
        if len(self._buffer) < start + size:
            return None
        if len(self._descriptors) < count:
            raise ConnectionError("descriptors are missing")
        body = bytes(memoryview(self._buffer)[start : start + size])
        del self._buffer[: start + size]
        descriptors, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return number, body, descriptors

    def close(self) -> None:
        if not self._ended:
            self._end()
        self._line.close()
        close_all(self._descriptors)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def close_all(descriptors: Sequence[int]) -> None:
    """Close our copies of the descriptors."""
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


class HandoffServer:
    """Takes sockets from the other workers of this host."""

    def __init__(self, path: Path, serve: Serve) -> None:
        """``serve(body, descriptors)`` owns the descriptors and returns the answer; a failure refuses all."""
        self._path, self._serve = path, serve
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None

    async def start(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.setblocking(False)
        self._path.unlink(missing_ok=True)
        with socket_address(self._path) as address:
            listener.bind(address)
        self._path.chmod(0o600)
        listener.listen(64)
        self._listener = listener
        self._spawn(self._accept(listener))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            try:
                peer, _ = await loop.sock_accept(listener)
                line = _Line(peer)
            except OSError as problem:  # no descriptor, no memory: the peer waits, or falls back
                failures += 1
                fields = {"reason": reason_of(problem), "wait": pause_after(failures)}
                log.warning("handoff connection not accepted", extra=fields)
                await asyncio.sleep(pause_after(failures))
            else:
                failures = 0
                self._spawn(self._take(line))

    async def _take(self, line: _Line) -> None:
        """Serve one peer's messages; several may be under way at once."""
        try:
            while (request := await line.receive()) is not None:
                self._spawn(self._answer(line, *request))
        except OSError as problem:
            log.warning("handoff line broken", extra={"reason": reason_of(problem)})
        finally:
            line.close()

    async def _answer(self, line: _Line, number: int, body: bytes, descriptors: list[int]) -> None:
        try:
            answer = await self._serve(body, descriptors)
        except Exception:  # outermost frame of a parcel: the sender keeps what was in it
            log.exception("parcel refused")
            close_all(descriptors)
            answer = b""
        with contextlib.suppress(OSError):
            await line.send(number, answer)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            self._path.unlink(missing_ok=True)


class HandoffClient:
    """A connection to one other worker of this host."""

    def __init__(self, path: Path, seconds: float) -> None:
        """``seconds``: the longest wait for an answer."""
        self._path, self._seconds = path, seconds
        self._line: _Line | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self._last = 0
        self._connecting = asyncio.Lock()

    async def send(self, body: bytes, descriptors: Sequence[int]) -> bytes:
        """Send a message and return the answer; the descriptors stay open here. Raise HandoffFailed."""
        loop = asyncio.get_running_loop()
        self._last = number = (self._last + 1) & 0xFFFFFFFF
        answer: asyncio.Future[bytes] = loop.create_future()
        try:
            async with running_clock().timeout(self._seconds):
                line = await self._connected()
                self._answers[number] = answer
                await line.send(number, body, descriptors)
                taken = await answer
        except TimeoutError as problem:  # a kind of OSError
            raise HandoffFailed("no answer in time", undecided=number in self._answers) from problem
        except OSError as problem:
            raise HandoffFailed(str(problem) or type(problem).__name__) from problem
        finally:
            self._answers.pop(number, None)
        if not taken:
            raise HandoffFailed("refused")
        return taken

    async def _connected(self) -> _Line:
        async with self._connecting:
            if self._line is None:
                line = socket.socket(socket.AF_UNIX)
                line.setblocking(False)
                try:
                    with socket_address(self._path) as address:
                        await asyncio.get_running_loop().sock_connect(line, address)
                except BaseException:
                    line.close()
                    raise
                self._line = _Line(line)
                self._reader = asyncio.get_running_loop().create_task(self._read(self._line))
            return self._line

    async def _read(self, line: _Line) -> None:
        with contextlib.suppress(OSError):
            while (request := await line.receive()) is not None:
                number, body, _ = request
                answer = self._answers.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(body)
        self._line = None
        line.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the other worker has gone"))

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._line is not None:
            self._line.close()
