"""Follows a bucket: every change once and in order, also after the server was away, restarted or replaced."""

import asyncio
import contextlib
import logging
from typing import Protocol

from nats.aio.msg import Msg
from nats.js import api

from tiflis.bus.store import Failure, Store, reason_of, value_of

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 3.0
"""Three heartbeats: then the consumer is gone and another one takes over where it stopped."""
LOOK_SECONDS = 0.25
PAUSE_SECONDS = 0.1
ABANDONED_SECONDS = 30.0
"""The server removes a consumer that nobody listens to."""


class Audience(Protocol):
    """Who is told."""

    def changed(self, key: str, value: bytes | None, revision: int) -> None:
        """A key has this value (None: deleted) since this revision."""

    def replaced(self) -> None:
        """Another bucket, or an older state of it: everything is told again from the start."""

    def complete(self, keys: set[str] | None) -> None:
        """All that is stored has been told; with `keys`, these are all that there are."""


class _Broken(Exception):
    """This consumer cannot be trusted any more."""


class Follower:
    """Tells an audience what is stored and every change after it.

    We keep the position ourselves. A consumer lives as long as it delivers without a gap; then the next one
    begins behind the last revision seen, or from the start when the bucket is another one.
    """

    def __init__(self, store: Store, audience: Audience) -> None:
        self._store = store
        self._audience = audience
        self._seen = 0
        self._created = ""
        self._keys: set[str] | None = None
        self._delivered = 0
        self._heard_at = 0.0
        self._fault = ""
        self.current = False

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._store.connected.wait()
                await self._follow()
            except (*Failure, _Broken) as error:
                log.debug("directory watch renewed", extra={"reason": str(error) or reason_of(error)})
            except Exception:  # outermost frame of this task
                log.exception("directory watch failed")
            self.current = False
            await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self) -> None:
        """One consumer's life."""
        info = await self._store.ensure()
        self._position(info)
        inbox = self._store.client.new_inbox()
        self._delivered, self._fault = 0, ""
        subscription = await self._store.client.subscribe(inbox, cb=self._message)
        try:
            consumer = await self._store.jetstream().add_consumer(self._store.stream, self._config(inbox))
            if not consumer.num_pending:
                self._caught_up()
            await self._attend(self._store.reconnects)
        finally:
            with contextlib.suppress(*Failure):
                await subscription.unsubscribe()

    def _position(self, info: api.StreamInfo) -> None:
        """Go on where we were, or from the start if this is not the bucket we know."""
        created = str(info.created)
        if self._seen and (created != self._created or info.state.last_seq < self._seen):
            self._seen = 0
            self._audience.replaced()
        if self._seen == 0:
            self._keys = set()
        self._created = created

    def _config(self, inbox: str) -> api.ConsumerConfig:
        return api.ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._seen + 1,
            ack_policy=api.AckPolicy.NONE,
            max_deliver=1,
            idle_heartbeat=HEARTBEAT_SECONDS,
            inactive_threshold=ABANDONED_SECONDS,
            num_replicas=1,
            mem_storage=True,
        )

    async def _attend(self, reconnects: int) -> None:
        """Watch over the consumer; returns by raising."""
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._store.reconnects != reconnects or not self._store.connected.is_set():
                raise _Broken("reconnected")
            if self._fault:
                raise _Broken(self._fault)
            if loop.time() - self._heard_at > SILENCE_SECONDS:
                raise _Broken("silence")

    async def _message(self, message: Msg) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if self._fault:
            return
        if not message.reply or not message.reply.startswith("$JS.ACK."):
            self._heartbeat(message)
            return
        meta = message.metadata
        if meta.sequence.consumer != self._delivered + 1:
            self._fault = "gap"
            return
        self._delivered += 1
        self._apply(message, meta.sequence.stream)
        if meta.num_pending == 0:
            self._caught_up()

    def _heartbeat(self, message: Msg) -> None:
        last = (message.headers or {}).get("Nats-Last-Consumer")
        if last is not None and int(last) != self._delivered:
            self._fault = "gap before a heartbeat"

    def _apply(self, message: Msg, revision: int) -> None:
        key = message.subject.removeprefix(self._store.prefix)
        value = value_of(message.data, message.headers)
        self._seen = revision
        if self._keys is not None and value is not None:
            self._keys.add(key)
        self._audience.changed(key, value, revision)

    def _caught_up(self) -> None:
        if not self.current:
            keys, self._keys = self._keys, None
            self.current = True
            self._audience.complete(keys)
