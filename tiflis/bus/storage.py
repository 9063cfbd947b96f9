"""The share of an account's storage that a stream may take, so that as much is left for the directory.

An account does not always say what it has: a server's own ``max_file_store`` shows only in refusals. So twice
what the stream will keep is asked for, less and less, until the server reserves it; then it keeps half.
"""

import asyncio
import contextlib
import logging
from typing import Any

from tiflis.bus.errors import LinkUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.nats.jetstream import NOT_FOUND, Document, JetStream, StoreRefused

log = logging.getLogger(__name__)

LEAST_ROOM = 64 * 1024  # bytes: with less a stream is of no use
LITTLE_ROOM = 64 * 2**20  # bytes: one full queue; with less an operator has to know
RELIEF_PAUSE = 1.0  # seconds between two times that a stream gives room back
REGROW_PAUSE = 300.0  # seconds until it asks for its full share again

REPLICAS = 3  # in a cluster that has so many servers
ANSWER_SECONDS = 2.0  # for one call

NAME_IN_USE = 10058
NO_PEERS = 10005  # of a cluster: also while it has not found its servers yet
NO_ROOM = frozenset({10002, 10023, 10028, 10047, 10077, 10113, 10120, 10122})
"""Refusals for lack of storage, of an account, a server, a stream or a disk."""


class Allotment:
    """One stream's share of what there is: ``room`` bytes. The oldest of its messages go when it is full."""

    def __init__(self, link: NatsClient, jetstream: JetStream, most: int) -> None:
        """``jetstream``: over the link. ``most``: bytes that the stream may need."""
        self._link = link
        self._jetstream = jetstream
        self._most = most
        self._lock = asyncio.Lock()
        self._relieved_at = float("-inf")
        self.room = most
        self.reduced = False

    @property
    def may_grow(self) -> bool:
        """Return whether the share was reduced, and some time ago."""
        return self.reduced and asyncio.get_running_loop().time() - self._relieved_at > REGROW_PAUSE

    async def make(self, config: Document, patient: bool) -> None:
        """Make the stream of this configuration, or bring it up to date, with its share.

        Raise LinkUnavailable if there is none afterwards. ``patient``: a cluster may still be looking for its
        servers.
        """
        there = None
        try:
            there = await self._info(config["name"])
            replicas = REPLICAS if self._link.servers >= REPLICAS else 1
            config = {**config, "num_replicas": max(replicas, _given(there, "num_replicas", 1))}
            await self._make(config, there, patient)
        except (StoreRefused, LinkUnavailable) as error:
            if there is None:
                raise LinkUnavailable(str(error)) from error
            log.warning("watch store keeps its settings", extra={"reason": str(error)})

    async def _info(self, stream: str) -> Document | None:
        try:
            return await self._call("INFO", stream)
        except StoreRefused as refused:
            if refused.code != NOT_FOUND:
                raise
            return None

    async def _call(self, verb: str, stream: str, **request: Any) -> Document:
        return await self._jetstream.call(f"STREAM.{verb}.{stream}", request, ANSWER_SECONDS)

    async def _write(self, config: Document, max_bytes: int, exists: bool = True) -> None:
        await self._call(
            "UPDATE" if exists else "CREATE", config["name"], **{**config, "max_bytes": max_bytes}
        )

    async def _make(self, config: Document, there: Document | None, patient: bool) -> None:
        if there is not None and _given(there, "max_bytes", -1) == self._most:
            with contextlib.suppress(StoreRefused):
                await self._write(config, self._most)
                self._settled(self._most)
                return
        share = await self._reserve(config, there is not None, patient)
        if share < min(self._most, LITTLE_ROOM):
            log.warning("little storage for watches", extra={"stream": config["name"], "bytes": share})

    async def _reserve(self, config: Document, exists: bool, patient: bool) -> int:
        refusals = NO_ROOM if patient else NO_ROOM | {NO_PEERS}
        asked = await self._beginning()
        while True:
            try:
                await self._write(config, asked, exists)
                break
            except StoreRefused as refused:
                if refused.reason == NAME_IN_USE and not exists:
                    exists = True
                elif refused.reason in refusals and asked >= 4 * LEAST_ROOM:
                    asked //= 2
                else:
                    raise
        share = min(asked // 2, self._most)
        await self._write(config, share)
        self._settled(share)
        return share

    async def _beginning(self) -> int:
        """Return twice ``most``, or the limit of the account if that is less."""
        limit = -1
        with contextlib.suppress(StoreRefused, LinkUnavailable):
            account = await self._jetstream.call("INFO", {}, ANSWER_SECONDS)
            limit = int(account["limits"]["max_storage"])
        return min(2 * self._most, limit) if limit > 0 else 2 * self._most

    def _settled(self, room: int) -> None:
        self.room, self.reduced = room, False

    def found(self, max_bytes: int) -> None:
        """Note the bound that the stream has now: another worker may have changed it."""
        self.room = max_bytes if max_bytes > 0 else self._most

    async def relieve(self, stream: str) -> None:
        """Give back half of what the stream takes: others need it. Raise LinkUnavailable."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if loop.time() - self._relieved_at < RELIEF_PAUSE:
                return
            self._relieved_at = loop.time()
            try:
                await self._reduce(stream)
            except StoreRefused as refused:
                raise LinkUnavailable(str(refused)) from refused

    async def _reduce(self, stream: str) -> None:
        info = await self._call("INFO", stream)
        room = max(LEAST_ROOM, min(self.room, int(info["state"]["bytes"])) // 2)
        try:
            await self._write(info["config"], room)
        except StoreRefused as refused:
            if refused.reason not in NO_ROOM:
                raise
            # A server that has less now than it has promised changes no stream.
            await self._call("PURGE", stream, keep=int(info["state"]["messages"]) // 2)
        self.room, self.reduced = room, True
        log.warning("stream reduced", extra={"stream": stream, "bytes": room})


def _given(stream: Document | None, setting: str, otherwise: int) -> int:
    """Return a number of a stream's configuration."""
    return int(stream["config"].get(setting, otherwise)) if stream else otherwise
