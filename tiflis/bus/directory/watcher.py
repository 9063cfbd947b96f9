"""Follow a bucket: every change once and in order, also after the server was away, restarted or replaced."""

import asyncio
import contextlib
import logging
from typing import Protocol

from tiflis.bus.directory.bucket import REQUEST_SECONDS, Bucket, value_of
from tiflis.bus.errors import BusError, LinkUnavailable
from tiflis.bus.nats.client import ConnectionListener, NatsClient
from tiflis.bus.nats.jetstream import Document, StoreRefused
from tiflis.clock import running_clock

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1
CHECK_SECONDS = 1.0
"""How often the consumer is compared with the leader: what it has must be here by the next time."""
SILENCE_SECONDS = 3.0
"""Three heartbeats: then the consumer is gone and another one takes over where it stopped."""
PAUSE_SECONDS = 0.1
OUTAGE_SECONDS = 1.0
"""A restarted server is without JetStream for a moment, which is not worth a line."""
REASONS_TOLD = 16
"""Different failures logged in one outage."""
AUDIT_SECONDS = 6 * 3600.0
"""Everything is reported anew this often: the expiry of a record is not announced."""
ABANDONED_SECONDS = 30
"""The server removes a consumer without a subscriber after this time."""
_NANOSECONDS = 1_000_000_000


class Listener(Protocol):
    """The receiver of changes."""

    def changed(self, key: str, value: bytes | None, revision: int) -> None:
        """Take the value of a key (None: deleted) since this revision."""

    def replaced(self) -> None:
        """Begin again: the bucket is another one or older, and everything is reported from the start."""

    def complete(self, keys: set[str] | None, revision: int) -> None:
        """Note that all records have been reported; `keys`: all keys that there were at that revision."""


class _Broken(BusError):
    """This consumer cannot be trusted any more."""


class BucketWatcher:
    """Reports to an audience what is stored and every change after it.

    We keep the position ourselves. A consumer lives as long as it delivers without a gap; then the next one
    begins behind the last revision seen, or from the start when the bucket is another one.
    """

    def __init__(self, link: NatsClient, store: Bucket, audience: Listener) -> None:
        self._link = link
        self._store = store
        self._audience = audience
        self._seen = 0
        self._created = ""
        self._keys: set[str] | None = None
        self._audit = False
        self._newest = 0
        self._pending = 0
        self._delivered = 0
        self._heard_at = 0.0
        self._fault = ""
        self._disturbed = asyncio.Event()
        self._failing_since = 0.0
        self._told: set[str] = set()  # logged in this outage
        self.reason = ""  # of the last failure
        self.current = False
        link.listen(ConnectionListener(on_up=self._link_up, on_down=self._link_down))

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow()
            except _Broken as error:
                log.debug("directory watch ended", extra={"reason": str(error)})
            except (LinkUnavailable, StoreRefused) as error:
                self._failed(str(error) or type(error).__name__)
            except Exception:  # outermost frame of this task
                log.exception("directory watch failed")
            self.current = self.current and self._audit
            await self._pause()

    def _failed(self, reason: str) -> None:
        """Log each reason once per outage, if it lasts; the NATS client logs that it is disconnected."""
        self.reason = reason
        now = asyncio.get_running_loop().time()
        self._failing_since = self._failing_since or now
        lasts = now - self._failing_since > OUTAGE_SECONDS
        if self._link.up and lasts and reason not in self._told and len(self._told) < REASONS_TOLD:
            self._told.add(reason)
            log.warning("directory unavailable", extra={"reason": reason})

    async def _pause(self) -> None:
        """Wait a moment; less if the client connects."""
        self._disturbed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_SECONDS):
                await self._disturbed.wait()

    def _link_up(self) -> None:
        self._disturbed.set()

    def _link_down(self) -> None:
        self.current = False
        self._break("the bus went away")

    def _break(self, fault: str) -> None:
        self._fault = self._fault or fault
        self._disturbed.set()

    async def _follow(self) -> None:
        """Run one consumer; ends by raising."""
        self._fault = ""
        self._disturbed.clear()
        self._position(await self._store.ensure(self._link.clustered))
        self._newest = await self._store.last_revision()
        self._delivered = 0
        inbox = self._store.jetstream.requests.new_inbox()
        sid = self._link.subscribe_whole(inbox, self._message)
        try:
            request = {"stream_name": self._store.stream, "config": self._config(inbox)}
            consumer = await self._store.jetstream.call(
                f"CONSUMER.CREATE.{self._store.stream}", request, REQUEST_SECONDS
            )
            self._pending = int(consumer.get("num_pending") or 0)
            self._caught_up()
            await self._attend()
        finally:
            self._link.unsubscribe(sid)

    def _position(self, info: Document) -> None:
        """Continue at the last revision, or from the start if this is not the known bucket."""
        created = str(info["created"])
        if self._created and (created != self._created or info["state"]["last_seq"] < self._seen):
            self._seen = 0
            self._audience.replaced()
        if self._seen == 0 or self._audit:
            self._seen, self._keys, self._audit = 0, set(), False
        self._created = created

    def _config(self, inbox: str) -> Document:
        return {
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._seen + 1,
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "idle_heartbeat": HEARTBEAT_SECONDS * _NANOSECONDS,
            "inactive_threshold": ABANDONED_SECONDS * _NANOSECONDS,
            "num_replicas": 1,
            "mem_storage": True,
        }

    async def _attend(self) -> None:
        """Check the consumer until it fails: it must deliver heartbeats, and all that the leader has."""
        clock = running_clock()
        self._heard_at = clock.time()
        audit_at = clock.time() + AUDIT_SECONDS
        while not self._fault:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._disturbed.wait()
            if clock.time() - self._heard_at > SILENCE_SECONDS:
                self._break("silence")
            elif clock.time() > audit_at:
                self._audit = True
                self._break("audit")
            elif not self._fault:
                await self._compare()
        raise _Broken(self._fault)

    async def _compare(self) -> None:
        """Check that everything the leader had at the last comparison has come."""
        if self._seen < self._newest:
            self._break("behind the leader")
        else:
            self._newest = max(self._seen, await self._store.last_revision())

    # -- what the consumer delivers

    def _message(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        self._heard_at = running_clock().time()
        if self._fault or not reply.startswith(b"$JS.ACK."):
            return  # a heartbeat
        # $JS.ACK.[domain.account.]stream.consumer.delivered.sequence.number.time.pending[.token]
        words = reply.split(b".")
        first = 5 if len(words) == 9 else 7
        revision, number, _, pending = (int(word) for word in words[first : first + 4])
        if number != self._delivered + 1:
            self._break("gap")
            return
        self._delivered = number
        self._apply(subject.decode(), value_of(headers, payload), revision)
        self._pending = pending
        self._caught_up()

    def _apply(self, subject: str, value: bytes | None, revision: int) -> None:
        key = subject.removeprefix(self._store.prefix)
        self._seen = revision
        if self._keys is not None and value is not None:
            self._keys.add(key)
        self._audience.changed(key, value, revision)

    def _caught_up(self) -> None:
        """Report completeness if all has come. On a lagging replica a consumer has nothing pending too
        early."""
        if self.current and self._keys is None:
            return
        if not self._pending and self._seen >= self._newest:
            keys, self._keys = self._keys, None
            self.current = True
            if self._told:
                log.info("directory available again")
            self._failing_since, self.reason = 0.0, ""
            self._told.clear()
            self._audience.complete(keys, self._newest)
