"""One bucket of JetStream's key-value store: connection, reads from the leader, compare-and-set writes."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError
from nats.js.errors import Error as JetStreamError

from tiflis.bus.errors import DirectoryUnavailable

log = logging.getLogger(__name__)

CONNECT_SECONDS = 1
REQUEST_SECONDS = 0.7
"""For one attempt, so that a second one fits into what a caller waits (2 s)."""
PAUSE_SECONDS = 0.05
REPLICAS_SECONDS = 5.0
"""How long a young cluster may take to find places for all replicas before one has to do."""

WRONG_LAST_SEQUENCE = (10071, 10164)
REPLICAS_NOT_SUPPORTED = 10074
_OPERATION = "KV-Operation"
_MARKER = "Nats-Marker-Reason"

T = TypeVar("T")

Failure = (NatsError, JetStreamError, OSError, TimeoutError)


class Entry(NamedTuple):
    """What is stored under a key; `value` None is a marker that it was deleted."""

    value: bytes | None
    revision: int


class WrongRevision(Exception):
    """The key is not at the revision that was expected."""


def value_of(data: bytes, headers: dict[str, str] | None) -> bytes | None:
    """None when the message only says that the key was deleted."""
    if headers and (headers.get(_OPERATION) in ("DEL", "PURGE") or _MARKER in headers):
        return None
    return data


class Store:
    """A bucket. It connects by itself, again and again; `connected` says whether it is now."""

    def __init__(self, urls: str, name: str, bucket: str, max_age: float, replicas: int = 3) -> None:
        self._urls = [url.strip() for url in urls.split(",") if url.strip()]
        self._name = name
        self._max_age = max_age
        self._replicas = replicas
        self._client: Client | None = None
        self.stream = f"KV_{bucket}"
        self.prefix = f"$KV.{bucket}."
        self.connected = asyncio.Event()
        self.reconnects = 0

    # -- connection

    @property
    def client(self) -> Client:
        if self._client is None:
            raise DirectoryUnavailable("the directory is not connected")
        return self._client

    def jetstream(self) -> JetStreamContext:
        return self.client.jetstream(timeout=REQUEST_SECONDS)

    async def connect(self) -> None:
        """One attempt, with a deadline; afterwards the client reconnects by itself."""
        client = Client()
        try:
            async with asyncio.timeout(CONNECT_SECONDS * 2):
                await client.connect(
                    self._urls,
                    name=self._name,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                    connect_timeout=CONNECT_SECONDS,
                    reconnect_time_wait=0.05,  # type: ignore[arg-type]  # seconds; its hint says int
                    max_reconnect_attempts=-1,
                    ping_interval=1,
                    max_outstanding_pings=2,
                )
        except BaseException:
            with contextlib.suppress(*Failure):
                await client.close()
            raise
        self._client = client
        self.connected.set()

    @property
    def lost_for_good(self) -> bool:
        """The client has given up; connect again."""
        return self._client is None or self._client.is_closed

    async def close(self) -> None:
        self.connected.clear()
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(*Failure):
                await client.close()

    async def _on_error(self, error: Exception) -> None:
        # Only its kind: the text may repeat a URL.
        log.debug("directory connection", extra={"reason": type(error).__name__})

    async def _on_disconnected(self) -> None:
        self.connected.clear()

    async def _on_reconnected(self) -> None:
        self.reconnects += 1
        self.connected.set()

    # -- the bucket

    async def ensure(self) -> api.StreamInfo:
        """The bucket exists, with the best replication that the servers allow."""
        wanted = self._replicas if len(self.client.servers) > 1 else 1
        try:
            info = await self.jetstream().stream_info(self.stream)
        except NotFoundError:
            return await self._create(wanted)
        if (info.config.num_replicas or 1) < wanted:
            with contextlib.suppress(*Failure):
                info = await self.jetstream().update_stream(info.config, num_replicas=wanted)
        return info

    async def _create(self, replicas: int) -> api.StreamInfo:
        end = asyncio.get_running_loop().time() + REPLICAS_SECONDS
        while True:
            try:
                return await self.jetstream().add_stream(self._config(replicas))
            except APIError as error:
                late = asyncio.get_running_loop().time() > end
                if replicas == 1 or not (late or error.err_code == REPLICAS_NOT_SUPPORTED):
                    raise
                log.warning("directory without replicas", extra={"reason": error.description})
                replicas = 1

    def _config(self, replicas: int) -> api.StreamConfig:
        return api.StreamConfig(
            name=self.stream,
            subjects=[f"{self.prefix}>"],
            max_msgs_per_subject=1,
            max_age=self._max_age,
            storage=api.StorageType.FILE,
            discard=api.DiscardPolicy.NEW,
            num_replicas=replicas,
            allow_rollup_hdrs=True,
            deny_delete=True,
            allow_direct=True,
        )

    # -- keys

    async def read(self, key: str, deadline: float) -> Entry | None:
        """From the leader, so never stale. DirectoryUnavailable after `deadline` seconds."""

        async def attempt(seconds: float) -> Entry | None:
            try:
                message = await self.client.jetstream(timeout=seconds).get_last_msg(
                    self.stream, f"{self.prefix}{key}"
                )
            except NotFoundError:
                return None
            return Entry(value_of(message.data or b"", message.headers), message.seq or 0)

        return await self._persist(attempt, deadline)

    async def write(self, key: str, value: bytes, revision: int, deadline: float) -> int:
        """Store if the key is at `revision` (0: not stored); returns the new one.

        WrongRevision also when an earlier attempt of this very call has got through after all.
        DirectoryUnavailable after `deadline` seconds: it may or may not have been stored.
        """

        async def attempt(seconds: float) -> int:
            headers = {api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(revision)}
            try:
                stored = await self.jetstream().publish(
                    f"{self.prefix}{key}", value, timeout=seconds, headers=headers
                )
            except APIError as error:
                if error.err_code in WRONG_LAST_SEQUENCE:
                    raise WrongRevision from None
                raise
            return stored.seq

        return await self._persist(attempt, deadline)

    async def _persist(self, attempt: Callable[[float], Awaitable[T]], deadline: float) -> T:
        """Try until it works or the deadline has passed."""
        loop = asyncio.get_running_loop()
        end, reason = loop.time() + deadline, "not connected"
        while (left := end - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self.connected.wait()
                    return await attempt(min(left, REQUEST_SECONDS))
            except Failure as error:
                reason = getattr(error, "description", None) or reason_of(error)
            await asyncio.sleep(min(PAUSE_SECONDS, max(0.0, end - loop.time())))
        raise DirectoryUnavailable(f"the directory did not answer within {deadline:g} s: {reason}")


def reason_of(error: BaseException) -> str:
    """An error's kind: its text may hold a URL."""
    return type(error).__name__
