"""WebSocket clients for tests: each remembers every message it saw."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Self

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed

from tests.patience import PATIENCE, patience

if TYPE_CHECKING:
    from tests.harness import Server

REGISTRATION_KEY = "test-registration-key-0123456789abcdef"
AUTH_KEY = "test-auth-key-0123456789"


class Peer:
    """A WebSocket client that remembers every message it saw, in order.

    `next` hands each message out once; `seen` keeps them all. `closed` is (code, reason) after the end.
    """

    _stamps = itertools.count(1)

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []
        self.raw: list[str] = []
        self.kinds: set[type] = set()  # str for text frames, bytes for binary ones
        self.closed: tuple[int, str] | None = None
        self._unread: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls, server: Server, *, worker: int | None = None, headers: dict[str, str] | None = None
    ) -> Peer:
        """Connect; with `worker`, to that worker process."""
        hold = server.accepting_only(worker) if worker else contextlib.nullcontext()
        async with patience():
            with hold:
                socket = await open_websocket(
                    server.ws_url,
                    compression=None,
                    max_size=None,
                    ping_interval=None,
                    open_timeout=None,
                    close_timeout=2,
                    proxy=None,
                    additional_headers=headers,
                )
        return cls(socket)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def local_port(self) -> int:
        return int(self.socket.local_address[1])

    async def send(self, message: dict[str, Any] | str | bytes) -> None:
        """Send an object as JSON, or text and bytes just as they are."""
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def next(
        self,
        type: str | None = None,
        deadline: float = PATIENCE,
        where: Callable[[dict[str, Any]], object] | None = None,
    ) -> dict[str, Any]:
        """Return the first message not handed out yet that is of this `type` and fits `where`."""

        def fits(message: dict[str, Any]) -> bool:
            return (type is None or message.get("type") == type) and (where is None or bool(where(message)))

        try:
            async with patience(deadline), self._news:
                while True:
                    for index, message in enumerate(self._unread):
                        if fits(message):
                            return self._unread.pop(index)
                    if self.closed is not None:
                        raise AssertionError(
                            f"closed {self.closed} before {type or 'a message'}{self._kept()}"
                        )
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {type or 'message'} within {deadline} s{self._kept()}") from None

    async def settle(self, deadline: float = PATIENCE) -> None:
        """Make a round trip through the server: what it had sent to this peer before is here afterwards."""
        stamp = next(self._stamps)
        await self.send({"type": "ping", "timestamp": stamp})
        await self.next("pong", deadline, lambda message: message.get("timestamp") == stamp)

    async def silent(self, type: str | None = None) -> None:
        """Check, after a round trip, that nothing (of this `type`) lies unread."""
        await self.settle()
        unread = [message for message in self._unread if type is None or message.get("type") == type]
        assert not unread, f"expected silence, got {unread}"

    def unread(self, type: str | None = None) -> list[dict[str, Any]]:
        return [message for message in self._unread if type is None or message.get("type") == type]

    async def until_closed(self, deadline: float = PATIENCE) -> tuple[int, str]:
        """Wait for the end: (close code, reason); 1006 when the connection just broke."""
        try:
            async with patience(deadline), self._news:
                await self._news.wait_for(lambda: self.closed is not None)
        except TimeoutError:
            raise AssertionError(f"still open after {deadline} s{self._kept()}") from None
        assert self.closed is not None
        return self.closed

    async def close(self) -> None:
        # One whose sending was cut off by the end would still try to say goodbye.
        if self.closed is None:
            await self.socket.close()
        await self._reader

    def abort(self) -> None:
        """Break the connection as a lost network does: no close frame."""
        self.socket.transport.abort()

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                self.kinds.add(type(text))
                await self._remember(text if isinstance(text, str) else text.decode())
        except ConnectionClosed:
            pass
        finally:
            self.closed = (self.socket.close_code or 1006, self.socket.close_reason or "")
            async with self._news:
                self._news.notify_all()

    async def _remember(self, text: str) -> None:
        message = json.loads(text)
        async with self._news:
            self.raw.append(text)
            self.seen.append(message)
            self._unread.append(message)
            self._news.notify_all()

    def _kept(self) -> str:
        return f"; unread: {[str(message)[:200] for message in self._unread[-10:]]}"


async def register(
    server: Server,
    *,
    name: str = "desk",
    auth_key: str = AUTH_KEY,
    api_key: str = REGISTRATION_KEY,
    previous: str | None = None,
    worker: int | None = None,
    deadline: float = PATIENCE,
) -> tuple[Peer, str]:
    """Register a workstation; return its peer and its tunnel id. `previous` asks for that id again."""
    peer = await Peer.open(server, worker=worker)
    payload: dict[str, Any] = {"api_key": api_key, "name": name, "auth_key": auth_key}
    if previous is not None:
        payload |= {"reconnect": True, "previous_tunnel_id": previous}
    await peer.send({"type": "workstation.register", "payload": payload})
    answer = await peer.next("workstation.registered", deadline)
    return peer, str(answer["payload"]["tunnel_id"])


async def connect(
    server: Server,
    tunnel_id: str,
    *,
    device_id: str = "phone-1",
    auth_key: str = AUTH_KEY,
    reconnect: bool = False,
    worker: int | None = None,
    deadline: float = PATIENCE,
) -> Peer:
    """Connect a client; return it once it has received `connected`."""
    peer = await Peer.open(server, worker=worker)
    payload: dict[str, Any] = {"tunnel_id": tunnel_id, "auth_key": auth_key, "device_id": device_id}
    if reconnect:
        payload["reconnect"] = True
    await peer.send({"type": "connect", "payload": payload})
    await peer.next("connected", deadline)
    return peer


class Crowd:
    """The peers of one test; all are closed when it ends."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._stack = contextlib.AsyncExitStack()

    async def workstation(self, **options: Any) -> tuple[Peer, str]:
        peer, tunnel_id = await register(self.server, **options)
        return await self._stack.enter_async_context(peer), tunnel_id

    async def client(self, tunnel_id: str, **options: Any) -> Peer:
        return await self._stack.enter_async_context(await connect(self.server, tunnel_id, **options))

    async def socket(self, **options: Any) -> Peer:
        """Open a peer without a role."""
        return await self._stack.enter_async_context(await Peer.open(self.server, **options))

    async def leave(self) -> None:
        await self._stack.aclose()


@contextlib.asynccontextmanager
async def crowd(server: Server) -> AsyncIterator[Crowd]:
    """Peers at `server` for the length of a `with` block."""
    people = Crowd(server)
    try:
        yield people
    finally:
        await people.leave()
