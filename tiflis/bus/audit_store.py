"""The audit's stream on the bus: batches of entries by tunnel, the oldest of which go first."""

import base64
import json
import logging
from typing import Any

from tiflis.bus import subjects
from tiflis.bus.errors import LinkUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.nats.jetstream import NOT_FOUND, Document, JetStream, StoreRefused
from tiflis.bus.storage import NO_ROOM, REPLICAS

log = logging.getLogger(__name__)

STREAM = "tiflis_audit"
SUBJECT = "tiflis.audit"
ANSWER_SECONDS = 2.0
LEAST_BYTES = 1024 * 1024  # of the stream; with less room there is none
DUPLICATE_SECONDS = 120.0  # in which a batch that is sent again is recognised
READ_ENTRIES = 744  # of an answer, after which it ends; a batch has at most 256
FIELDS = 10  # of an entry
_NAME_IN_USE = 10058  # reason for which NATS refuses to create a stream
_NANOSECONDS = 1_000_000_000

Entry = tuple[str, list[Any]]
"""A tunnel, and an entry of it as the audit has given it."""


class AuditUnavailable(Exception):
    """The stream cannot be reached, or has no room."""


class AuditStore:
    """The stream, over a connection that belongs to the caller."""

    def __init__(self, link: NatsClient, days: float, most_bytes: int) -> None:
        self._link, self._days, self._most_bytes = link, days, most_bytes
        self._jetstream = JetStream(link)
        self._made = False

    async def append(self, tunnel_id: str, batch: bytes, name: str) -> None:
        """Store a batch: a JSON array of entries. ``name``: of the batch, so that it is stored once. Raise
        AuditUnavailable."""
        try:
            if not self._made:
                await self._make()
            headers = {"Nats-Msg-Id": name}
            await self._jetstream.publish(_subject(tunnel_id), batch, headers, ANSWER_SECONDS)
        except (LinkUnavailable, StoreRefused) as problem:
            self._made = False
            raise AuditUnavailable(str(problem)) from None

    async def read(self, tunnel_id: str, since: int) -> tuple[list[Entry], int, bool]:
        """Return the entries of a tunnel (empty: of all) after a position, the next
        position, and whether there may be more. Raise AuditUnavailable."""
        entries: list[Entry] = []
        while len(entries) < READ_ENTRIES:
            request = {"seq": since + 1, "next_by_subj": _subject(tunnel_id) if tunnel_id else f"{SUBJECT}.*"}
            try:
                answer = await self._jetstream.call(f"STREAM.MSG.GET.{STREAM}", request, ANSWER_SECONDS)
            except StoreRefused as refused:
                if refused.code == NOT_FOUND:  # nothing more, or no stream yet
                    return entries, since, False
                raise AuditUnavailable(str(refused)) from None
            except LinkUnavailable as problem:
                raise AuditUnavailable(str(problem)) from None
            since = int(answer["message"]["seq"])
            entries += _entries(answer["message"])
        return entries, since, True

    async def _make(self) -> None:
        """Make the stream with the room that there is, or bring its bounds up to date."""
        size, replicas = self._most_bytes, REPLICAS if self._link.clustered else 1
        verb = "CREATE"
        while True:
            try:
                await self._call(verb, size, replicas)
                break
            except StoreRefused as refused:
                if refused.reason in NO_ROOM and size >= 2 * LEAST_BYTES:
                    size //= 2
                elif replicas > 1:
                    replicas = 1
                elif verb == "CREATE" and refused.reason == _NAME_IN_USE:
                    verb = "UPDATE"
                else:
                    raise
        self._made = True

    async def _call(self, verb: str, size: int, replicas: int) -> None:
        config: Document = {
            "name": STREAM,
            "subjects": [f"{SUBJECT}.*"],
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "max_age": int(self._days * 86_400 * _NANOSECONDS),
            "max_bytes": size,
            "max_msgs": -1,
            "max_consumers": -1,
            "num_replicas": replicas,
            "duplicate_window": int(DUPLICATE_SECONDS * _NANOSECONDS),
        }
        await self._jetstream.call(f"STREAM.{verb}.{STREAM}", config, ANSWER_SECONDS)


def _subject(tunnel_id: str) -> str:
    return f"{SUBJECT}.{subjects.checked(tunnel_id)}"


def _entries(message: Document) -> list[Entry]:
    tunnel_id = str(message["subject"]).rpartition(".")[2]
    try:
        found = json.loads(base64.b64decode(message.get("data", "")))
    except ValueError:
        return []
    entries = found if isinstance(found, list) else []
    return [(tunnel_id, entry) for entry in entries if isinstance(entry, list) and len(entry) == FIELDS]
