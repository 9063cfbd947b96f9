"""How much of an account's storage a stream may take, so that as much is left for the directory.

An account does not always say what it has: a server's own ``max_file_store`` shows only in refusals. So twice
what the stream will keep is asked for, less and less, until the server reserves it; then it keeps half.
"""

import asyncio
import contextlib
import logging

import nats.errors
from nats.js import JetStreamContext, api
from nats.js.errors import APIError

log = logging.getLogger(__name__)

LEAST_ROOM = 64 * 1024  # bytes: with less a stream is of no use
LITTLE_ROOM = 64 * 2**20  # bytes: one full queue; with less an operator has to know
RELIEF_PAUSE = 1.0  # seconds between two times that a stream gives room back
REGROW_PAUSE = 300.0  # seconds until it asks for its full share again

NAME_IN_USE = 10058
NO_PEERS = 10005  # of a cluster: also while it has not found its servers yet
NO_ROOM = frozenset({10002, 10023, 10028, 10047, 10077, 10113, 10120, 10122})
"""Refusals for lack of storage, of an account, a server, a stream or a disk."""


class Allotment:
    """One stream's share of what there is: ``room`` bytes. The oldest of its messages go when it is full."""

    def __init__(self, js: JetStreamContext, most: int) -> None:
        """``most``: bytes that the stream needs at most."""
        self._js = js
        self._most = most
        self._lock = asyncio.Lock()
        self._relieved_at = float("-inf")
        self.room = most
        self.reduced = False

    @property
    def may_grow(self) -> bool:
        """Whether room was given back, and some time ago."""
        return self.reduced and asyncio.get_running_loop().time() - self._relieved_at > REGROW_PAUSE

    async def make(self, config: api.StreamConfig, there: api.StreamInfo | None, patient: bool) -> None:
        """Make the stream, or bring it (``there``) up to date, with its share. Raises APIError.
        ``patient``: a cluster may still be looking for its servers."""
        if there is not None and there.config.max_bytes == self._most:
            with contextlib.suppress(APIError):
                await self._js.update_stream(config.evolve(max_bytes=self._most))
                self._settled(self._most)
                return
        share = await self._reserve(config, there is not None, patient)
        if share < min(self._most, LITTLE_ROOM):
            log.warning("little storage for watches", extra={"stream": config.name, "bytes": share})

    async def _reserve(self, config: api.StreamConfig, exists: bool, patient: bool) -> int:
        refusals = NO_ROOM if patient else NO_ROOM | {NO_PEERS}
        asked = await self._beginning()
        while True:
            write = self._js.update_stream if exists else self._js.add_stream
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
        await self._js.update_stream(config.evolve(max_bytes=share))
        self._settled(share)
        return share

    async def _beginning(self) -> int:
        """Twice the most, or all that the account may have in all."""
        limit = -1
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            limit = (await self._js.account_info()).limits.max_storage
        return min(2 * self._most, limit) if limit > 0 else 2 * self._most

    def _settled(self, room: int) -> None:
        self.room, self.reduced = room, False

    async def look(self, stream: str) -> None:
        """Bring ``room`` up to date: another worker may have changed it."""
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            room = (await self._js.stream_info(stream)).config.max_bytes
            self.room = room if room and room > 0 else self._most

    async def relieve(self, stream: str) -> None:
        """Give back half of what the stream takes: others need it. Raises what nats-py raises."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if loop.time() - self._relieved_at < RELIEF_PAUSE:
                return
            self._relieved_at = loop.time()
            info = await self._js.stream_info(stream)
            room = max(LEAST_ROOM, min(self.room, info.state.bytes) // 2)
            try:
                await self._js.update_stream(info.config.evolve(max_bytes=room))
            except APIError as error:
                if error.err_code not in NO_ROOM:
                    raise
                # A server that has less now than it has promised changes no stream.
                await self._js.purge_stream(stream, keep=info.state.messages // 2)
            self.room, self.reduced = room, True
            log.warning("stream reduced", extra={"stream": stream, "bytes": room})
