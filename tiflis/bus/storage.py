"""The share of an account's storage that a stream may take, so that as much is left for the directory.

An account does not always say what it has: a server's own ``max_file_store`` shows only in refusals. So twice
what the stream will keep is asked for, less and less, until the server reserves it; then it keeps half.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from tiflis.bus.errors import LinkUnavailable
from tiflis.bus.nats.servers import options

log = logging.getLogger(__name__)

LEAST_ROOM = 64 * 1024  # bytes: with less a stream is of no use
LITTLE_ROOM = 64 * 2**20  # bytes: one full queue; with less an operator has to know
RELIEF_PAUSE = 1.0  # seconds between two times that a stream gives room back
REGROW_PAUSE = 300.0  # seconds until it asks for its full share again

REPLICAS = 3  # in a cluster that has so many servers
ANSWER_SECONDS = 2.0  # for one call
CONNECT_SECONDS = 1  # for one server
CLOSE_SECONDS = 2.0

NAME_IN_USE = 10058
NO_PEERS = 10005  # of a cluster: also while it has not found its servers yet
NO_ROOM = frozenset({10002, 10023, 10028, 10047, 10077, 10113, 10120, 10122})
"""Refusals for lack of storage, of an account, a server, a stream or a disk."""


@contextlib.asynccontextmanager
async def administration(urls: str, name: str) -> AsyncIterator[Client]:
    """Connect with nats-py for as long as streams are made or changed; no data goes this way. Raises
    LinkUnavailable for whatever goes wrong meanwhile."""
    client = Client()
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await client.connect(
                **options(urls),
                name=name,
                error_cb=_on_error,
                connect_timeout=CONNECT_SECONDS,
                reconnect_time_wait=0.05,  # type: ignore[arg-type]  # seconds; its hint says int
                max_reconnect_attempts=-1,
            )
        yield client
    except (nats.errors.Error, OSError) as error:  # OSError: TimeoutError too
        raise LinkUnavailable(str(error) or type(error).__name__) from error
    finally:
        with contextlib.suppress(nats.errors.Error, OSError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close()


async def _on_error(error: Exception) -> None:
    # Only its kind: the text may repeat a URL.
    log.debug("JetStream connection", extra={"reason": type(error).__name__})


class Allotment:
    """One stream's share of what there is: ``room`` bytes. The oldest of its messages go when it is full."""

    def __init__(self, urls: str, name: str, most: int) -> None:
        """``urls``: as NATS_URL. ``name``: of the connection. ``most``: bytes that the stream may need."""
        self._urls = urls
        self._name = name
        self._most = most
        self._lock = asyncio.Lock()
        self._relieved_at = float("-inf")
        self.room = most
        self.reduced = False

    @property
    def may_grow(self) -> bool:
        """Return whether the share was reduced, and some time ago."""
        return self.reduced and asyncio.get_running_loop().time() - self._relieved_at > REGROW_PAUSE

    async def make(self, config: api.StreamConfig, patient: bool) -> None:
        """Make the stream, or bring it up to date, with its share. Raises LinkUnavailable if there is none
        afterwards. ``patient``: a cluster may still be looking for its servers."""
        assert config.name is not None
        async with administration(self._urls, self._name) as client:
            js, there = client.jetstream(timeout=ANSWER_SECONDS), None
            with contextlib.suppress(NotFoundError):
                there = await js.stream_info(config.name)
            replicas = REPLICAS if len(client.servers) >= REPLICAS else 1
            config = config.evolve(num_replicas=max(replicas, (there and there.config.num_replicas) or 1))
            try:
                await self._make(js, config, there, patient)
            except (nats.errors.Error, TimeoutError) as error:
                if there is None:
                    raise
                log.warning("watch store keeps its settings", extra={"reason": str(error)})

    async def _make(
        self, js: JetStreamContext, config: api.StreamConfig, there: api.StreamInfo | None, patient: bool
    ) -> None:
        if there is not None and there.config.max_bytes == self._most:
            with contextlib.suppress(APIError):
                await js.update_stream(config.evolve(max_bytes=self._most))
                self._settled(self._most)
                return
        share = await self._reserve(js, config, there is not None, patient)
        if share < min(self._most, LITTLE_ROOM):
            log.warning("little storage for watches", extra={"stream": config.name, "bytes": share})

    async def _reserve(
        self, js: JetStreamContext, config: api.StreamConfig, exists: bool, patient: bool
    ) -> int:
        refusals = NO_ROOM if patient else NO_ROOM | {NO_PEERS}
        asked = await self._beginning(js)
        while True:
            write = js.update_stream if exists else js.add_stream
            try:
                await write(config.evolve(max_bytes=asked))
                break
            except APIError as error:
                if error.err_code == NAME_IN_USE and not exists:
                    exists = True
                elif error.err_code in refusals and asked >= 4 * LEAST_ROOM:
                    asked //= 2
                else:
                    raise
        share = min(asked // 2, self._most)
        await js.update_stream(config.evolve(max_bytes=share))
        self._settled(share)
        return share

    async def _beginning(self, js: JetStreamContext) -> int:
        """Return twice ``most``, or the limit of the account if that is less."""
        limit = -1
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            limit = (await js.account_info()).limits.max_storage
        return min(2 * self._most, limit) if limit > 0 else 2 * self._most

    def _settled(self, room: int) -> None:
        self.room, self.reduced = room, False

    def found(self, max_bytes: int) -> None:
        """Note the bound that the stream has now: another worker may have changed it."""
        self.room = max_bytes if max_bytes > 0 else self._most

    async def relieve(self, stream: str) -> None:
        """Give back half of what the stream takes: others need it. Raises LinkUnavailable."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if loop.time() - self._relieved_at < RELIEF_PAUSE:
                return
            self._relieved_at = loop.time()
            async with administration(self._urls, self._name) as client:
                await self._reduce(client.jetstream(timeout=ANSWER_SECONDS), stream)

    async def _reduce(self, js: JetStreamContext, stream: str) -> None:
        info = await js.stream_info(stream)
        room = max(LEAST_ROOM, min(self.room, info.state.bytes) // 2)
        try:
            await js.update_stream(info.config.evolve(max_bytes=room))
        except APIError as error:
            if error.err_code not in NO_ROOM:
                raise
            # A server that has less now than it has promised changes no stream.
            await js.purge_stream(stream, keep=info.state.messages // 2)
        self.room, self.reduced = room, True
        log.warning("stream reduced", extra={"stream": stream, "bytes": room})
