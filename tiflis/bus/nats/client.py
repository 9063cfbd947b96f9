"""The NATS client of a worker: it reconnects for ever, and reports when it is not connected."""

import asyncio
import contextlib
import errno
import json
import logging
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

from tiflis import metrics
from tiflis.bus.errors import LinkUnavailable
from tiflis.bus.nats.protocol import Handler, NatsProtocol, Refused, WholeHandler
from tiflis.bus.nats.servers import Server, ServerPool, default_tls
from tiflis.clock import Deadline, running_clock


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subject, shared with the others of its queue group if it has one."""

    sid: bytes
    subject: str
    queue: str | None

    def line(self) -> bytes:
        queue = f" {self.queue}" if self.queue else ""
        return b"SUB %b%b %b\r\n" % (self.subject.encode(), queue.encode(), self.sid)


class Subscriptions:
    """Handlers by their number on the wire, the `sid`."""

    def __init__(self) -> None:
        self.plain: dict[bytes, Handler] = {}
        self.whole: dict[bytes, WholeHandler] = {}
        self._all: dict[bytes, Subscription] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._all.values()))

    def add(self, subject: str, queue: str | None, handler: Handler) -> Subscription:
        subscription = self._new(subject, queue)
        self.plain[subscription.sid] = handler
        return subscription

    def add_whole(self, subject: str, handler: WholeHandler) -> Subscription:
        subscription = self._new(subject, None)
        self.whole[subscription.sid] = handler
        return subscription

    def _new(self, subject: str, queue: str | None) -> Subscription:
        self._last += 1
        sid = b"%d" % self._last
        self._all[sid] = Subscription(sid, subject, queue)
        return self._all[sid]

    def remove(self, sid: bytes) -> bool:
        """False when it was not there."""
        self.plain.pop(sid, None)
        self.whole.pop(sid, None)
        return self._all.pop(sid, None) is not None


log = logging.getLogger(__name__)

RECONNECT_SECONDS = 0.05
"""Between two attempts: an outage costs itself plus this."""
CONNECT_SECONDS = 1.0
"""For one attempt: a stopped server still accepts TCP but says nothing."""
REFUSED_SECONDS = 1.0
"""The same to a server that refuses us again: a wrong token is not right 50 ms later."""
STEADY_SECONDS = 1.0
"""A connection that lasted so long ended an outage: the next one is logged anew."""
PING_SECONDS = 0.9
"""Below one second, so that two unanswered pings are noticed within three seconds in the worst case."""
PINGS_UNANSWERED = 2
REASONS_TOLD = 16
"""Different failures logged in one outage: an attempt every 50 ms must not fill a disk."""
OVERSIZED_SECONDS = 60.0
"""Between two log lines on messages that the bus does not take."""
DEFAULT_MAX_PAYLOAD = 1024 * 1024
"""The default of NATS; replaced by the value in INFO."""


def _reason(error: Exception) -> str:
    """Return in words why a connection did not come about."""
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:g} s"
    if isinstance(error, ConnectionRefusedError):
        return os.strerror(errno.ECONNREFUSED)  # asyncio's text repeats the address
    return str(error) or type(error).__name__


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class ConnectionListener:
    """Callbacks for changes of the client's state, called inside the loop turn of the change."""

    on_up: Callable[[], None] = _nothing
    on_down: Callable[[], None] = _nothing
    on_writable: Callable[[], None] = _nothing


class NatsClient:
    """A NATS client with synchronous callbacks. What is published while it is down is dropped."""

    def __init__(
        self,
        urls: str,
        name: str,
        on_up: Callable[[], None] = _nothing,
        on_down: Callable[[], None] = _nothing,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._pool = ServerPool(urls)
        self._name = name
        self._tls = tls
        self._listeners = [ConnectionListener(on_up, on_down)]
        self._subscriptions = Subscriptions()
        self._protocol: NatsProtocol | None = None
        self._task: asyncio.Task[None] | None = None
        self._ping_timer: Deadline | None = None
        self._came_up = asyncio.Event()
        self._last_failure = "no attempt yet"
        self._told: set[tuple[tuple[str, int], str]] = set()  # logged in this outage
        self._been_up = False
        self._up_at = 0.0
        self._refusing: set[tuple[str, int]] = set()  # servers that refused us, since the link was up
        self._forbidden: set[str] = set()  # refusals logged
        self._oversized = 0.0  # when a message too large for the bus was last logged
        self.rtt = 0.0  # seconds, of the last ping
        self.up = False
        self.clustered = False  # the server belongs to a cluster
        self.max_payload = DEFAULT_MAX_PAYLOAD

    # -- life

    async def start(self, deadline: float = 10.0) -> None:
        """Connect within `deadline` seconds or raise LinkUnavailable; retries go on until `close`."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_connected(), name="bus-link")
        try:
            async with asyncio.timeout(deadline):
                await self._came_up.wait()
        except TimeoutError:
            raise LinkUnavailable(f"no bus within {deadline:g} s: {self._last_failure}") from None

    async def close(self) -> None:
        """Send what is waiting and end; no callback is called any more."""
        self._listeners.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        protocol = self._protocol
        self._disconnected()
        if protocol is not None and not protocol.lost.done():
            protocol.flush_writes()
            protocol.transport.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await asyncio.shield(protocol.lost)
            if not protocol.lost.done():
                protocol.transport.abort()

    def listen(self, listener: ConnectionListener) -> None:
        """Call this listener too when the client connects, disconnects, or can be written to again."""
        self._listeners.append(listener)

    # -- messages

    @property
    def writable(self) -> bool:
        """Return False while disconnected, or while more than a megabyte waits for the server to read it."""
        return self._protocol is not None and not self._protocol.paused

    def publish(self, subject: str, payload: bytes) -> None:
        """Publish at most once: dropped while disconnected, if the server reads nothing, or if it is too
        large."""
        if self._protocol is not None and self.fits(subject, len(payload)):
            self._protocol.publish(subject.encode(), len(payload), [payload])

    def publish_parts(self, subject: bytes, size: int, parts: list[bytes | memoryview]) -> bool:
        """Publish a payload of `size` bytes that lies in parts; return False when it was dropped."""
        return self._protocol is not None and self._protocol.publish(subject, size, parts)

    def publish_whole(self, subject: str, reply: str, headers: bytes, payload: bytes) -> None:
        """Publish with a reply subject and headers (in their wire form, or empty)."""
        if self._protocol is not None:
            self._protocol.publish_whole(subject.encode(), reply.encode(), headers, payload)

    def fits(self, subject: str, size: int) -> bool:
        """Return whether the server takes so many bytes in one message; a larger one would end the
        connection."""
        if size <= self.max_payload:
            return True
        now = asyncio.get_running_loop().time()
        if not self._oversized or now - self._oversized > OVERSIZED_SECONDS:
            self._oversized = now
            log.warning(
                "message too large for the bus, dropped",
                extra={"subject": subject, "size": size, "max_payload": self.max_payload},
            )
        return False

    def flush_writes(self) -> None:
        """Hand over to the kernel now instead of at the end of this loop turn."""
        if self._protocol is not None:
            self._protocol.flush_writes()

    def subscribe(self, subject: str, handler: Handler, queue: str | None = None) -> int:
        """Call `handler(subject, payload)` for each message, also after a reconnect; returns the `sid`."""
        return self._subscribe(self._subscriptions.add(subject, queue, handler))

    def subscribe_whole(self, subject: str, handler: WholeHandler) -> int:
        """Subscribe with a handler that also gets reply subject and headers."""
        return self._subscribe(self._subscriptions.add_whole(subject, handler))

    def _subscribe(self, subscription: Subscription) -> int:
        if self._protocol is not None:
            self._protocol.write(subscription.line())
        return int(subscription.sid)

    def unsubscribe(self, sid: int) -> None:
        """Call this handler no more."""
        key = b"%d" % sid
        if self._subscriptions.remove(key) and self._protocol is not None:
            self._protocol.write(b"UNSUB %b\r\n" % key)

    async def flush(self, deadline: float = 2.0) -> None:
        """Return once the server has processed all that was sent. Raise LinkUnavailable."""
        if self._protocol is None:
            raise LinkUnavailable("the bus is away")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._protocol.ping(waiter)
        try:
            async with running_clock().timeout(deadline):
                await waiter
        except TimeoutError:
            raise LinkUnavailable(f"the bus did not answer within {deadline:g} s") from None

    # -- events of the connection

    def informed(self, info: dict[str, Any]) -> None:
        """Take the INFO that came at the start, or after a change of the cluster."""
        self.max_payload = int(info.get("max_payload") or DEFAULT_MAX_PAYLOAD)
        self.clustered = "cluster" in info
        self._pool.learn(info.get("connect_urls") or ())
        if info.get("ldm") and len(self._pool) > 1 and self._protocol is not None:
            log.info("bus server is leaving, changing over")
            self._protocol.transport.abort()

    def writable_again(self) -> None:
        for listener in tuple(self._listeners):
            listener.on_writable()

    # -- keeping up

    async def _keep_connected(self) -> None:
        while True:
            server = self._pool.first()
            try:
                protocol = await self._connect(server)
            except Exception as error:  # noqa: BLE001 - outermost frame: whatever a server does, we go on trying
                self._failed(server, _reason(error))
                await asyncio.sleep(self._pause(server, error))
                continue
            self._connected(protocol)
            reason = await asyncio.shield(protocol.lost)
            self._disconnected()
            steady = asyncio.get_running_loop().time() - self._up_at >= STEADY_SECONDS
            if steady:
                self._told.clear()
            self._failed(server, reason)
            await asyncio.sleep(0 if steady else RECONNECT_SECONDS)

    def _pause(self, server: Server, error: Exception) -> float:
        """Return the seconds until the next attempt."""
        if not isinstance(error, Refused | ssl.SSLError):
            return RECONNECT_SECONDS
        again = server.address in self._refusing
        self._refusing.add(server.address)
        return REFUSED_SECONDS if again else RECONNECT_SECONDS

    def refused(self, text: str) -> None:
        """Log a refusal that does not end the connection; one that does is logged with its end."""
        known = text in self._forbidden or len(self._forbidden) >= REASONS_TOLD
        if "permissions violation" in text.lower() and not known:
            self._forbidden.add(text)
            log.warning("bus server refused", extra={"reason": text})

    def _failed(self, server: Server, reason: str) -> None:
        if (server.address, reason) not in self._told and len(self._told) < REASONS_TOLD:
            self._told.add((server.address, reason))
            log.warning("bus unavailable", extra={"host": server.host, "port": server.port, "reason": reason})
        self._last_failure = reason
        self._pool.failed(server)

    async def _connect(self, server: Server) -> NatsProtocol:
        loop, subscriptions = asyncio.get_running_loop(), self._subscriptions
        async with asyncio.timeout(CONNECT_SECONDS):
            _, protocol = await loop.create_connection(
                lambda: NatsProtocol(self, subscriptions.plain, subscriptions.whole),
                server.host,
                server.port,
                ssl=self._tls_context() if server.tls_first else None,
            )
            try:
                await self._introduce(protocol, server)
            except BaseException:
                protocol.transport.abort()
                raise
        return protocol

    async def _introduce(self, protocol: NatsProtocol, server: Server) -> None:
        info = await protocol.info
        if (server.tls or info.get("tls_required")) and not server.tls_first:
            await self._switch_to_tls(protocol, server)
        hello = {
            "verbose": False,
            "pedantic": False,
            "lang": "python",
            "version": "1",
            "protocol": 1,
            "headers": True,
            "no_responders": True,
            "echo": True,
            "name": self._name,
            **server.credentials(),
        }
        protocol.write(b"CONNECT %b\r\n" % json.dumps(hello).encode())
        welcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        protocol.ping(welcome)
        await welcome

    async def _switch_to_tls(self, protocol: NatsProtocol, server: Server) -> None:
        loop, context = asyncio.get_running_loop(), self._tls_context()
        transport = await loop.start_tls(protocol.transport, protocol, context, server_hostname=server.host)
        if transport is None:
            raise LinkUnavailable("the server went away during the TLS handshake")
        protocol.use(transport)

    def _tls_context(self) -> ssl.SSLContext:
        self._tls = self._tls or default_tls()
        return self._tls

    def _connected(self, protocol: NatsProtocol) -> None:
        for subscription in self._subscriptions:
            protocol.write(subscription.line())
        self._protocol = protocol
        self.up = True
        self._last_failure = ""
        self._refusing.clear()
        self._up_at = asyncio.get_running_loop().time()
        self._came_up.set()
        if self._been_up:
            metrics.count("bus_reconnects_total")
        self._been_up = True
        log.info("bus up", extra={"link": self._name})
        self._schedule_ping()
        for listener in tuple(self._listeners):
            listener.on_up()

    def _disconnected(self) -> None:
        was_up, self.up = self.up, False
        self._protocol = None
        self._came_up.clear()
        if self._ping_timer is not None:
            self._ping_timer.cancel()
        if was_up:
            for listener in tuple(self._listeners):
                listener.on_down()

    def _schedule_ping(self) -> None:
        self._ping_timer = running_clock().deadline(PING_SECONDS, self._ping)

    def _ping(self) -> None:
        protocol = self._protocol
        if protocol is None:
            return
        if protocol.unanswered >= PINGS_UNANSWERED:
            protocol.refusal = "no answer to pings"
            protocol.transport.abort()
            return
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pong.add_done_callback(partial(self._ponged, perf_counter()))
        protocol.ping(pong)
        self._schedule_ping()

    def _ponged(self, sent: float, pong: asyncio.Future[None]) -> None:
        if not pong.cancelled() and pong.exception() is None:
            self.rtt = perf_counter() - sent
