"""The audit: one entry for each command of a device and each change of a key, never contents or keys.

Entries are kept in memory and stored in batches, by tunnel, every few seconds. Entries that cannot be stored
wait, up to a bound; above it entries are lost, and counted.
"""

import logging
import re
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from itertools import count
from operator import itemgetter
from typing import Any, Protocol, TypeVar

import msgspec

from tiflis import metrics
from tiflis.protocol import scopes
from tiflis.protocol.errors import Unconfirmed
from tiflis.protocol.states import RULES, Act, Role

log = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0
ENTRIES_WAITING = 20_000  # of one worker
BATCH_ENTRIES = 256
WRITE_TRIES = 3  # of 2 s each; then the entries of this batch are lost
BATCHES_AT_ONCE = 200  # of one flush: the rest follows with the next
KIND_LENGTH = 64  # characters of a type, as in _KIND
KNOWN_KINDS = 256
SESSION_LOOKED_AT = 64 * 1024  # bytes of a message in which its session is looked for
_SESSION = b'"session_id":'
_SESSION_ID = re.compile(rb'[ \t\r\n]{0,8}"([A-Za-z0-9_.:-]{1,128})"')
_KIND = re.compile(r"[\x21-\x7e]{1,64}")
_time = itemgetter(0)  # of an entry
R = TypeVar("R")


class Store(Protocol):
    """The stream of the audit."""

    async def append(self, tunnel_id: str, batch: bytes, name: str) -> None: ...


# Time, type, outcome, device, key id, scope, session, bytes, about, by: as it is stored. A plain tuple, as
# one is made for every command; ``in_words`` names the fields when it is read.
_Entry = tuple[float, str, str, str, str, str, str, int, str, str]


class Author:
    """A device under one key and scope, with its entries that are not stored yet."""

    __slots__ = ("device_id", "entries", "key_id", "named", "place", "scope", "session", "tunnel_id")

    def __init__(self, tunnel_id: str, device_id: str, key_id: str, scope: str) -> None:
        self.tunnel_id, self.device_id, self.key_id, self.scope = tunnel_id, device_id, key_id, scope
        self.entries: list[_Entry] = []
        # The session that its last command named, the bytes that named it, and where they stood: a device
        # writes all its commands in the same form, so that the session need not be looked for each time.
        self.session, self.named, self.place = "", _SESSION, slice(0, 0)

    def find(self, text: bytes) -> str:
        """Return the session that a command names, as shipped clients write it; empty for none."""
        at = text.find(_SESSION, 0, SESSION_LOOKED_AT)
        found = _SESSION_ID.match(text, at + len(_SESSION)) if at >= 0 else None
        if found is None:
            return ""
        self.place = slice(at, found.end())
        self.session, self.named = found[1].decode(), text[self.place]
        return self.session


class AuditedRules:
    """The acts of a client with every type, by type; commands are entered in the audit."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[str, Act] = {}

    def act(self, kind: str) -> Act:
        """Return the act for a message of type ``kind``."""
        act = RULES[Role.CLIENT].act(kind)
        if act is Act.RELAY and is_command(kind):
            act = Act.COMMAND
        if len(self.known) < KNOWN_KINDS and len(kind) <= KIND_LENGTH:
            self.known[kind] = act
        return act


AUDITED = AuditedRules()


def is_command(kind: str) -> bool:
    """Return whether a message of this type may change something at the workstation."""
    return kind not in scopes.READING


class Audit:
    """The entries of one worker that are not stored yet."""

    def __init__(
        self,
        store: Store,
        worker_id: str,
        later: Callable[[float, Callable[[], None]], object],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """``later``: as ``loop.call_later``. ``now``: the time of day."""
        self._store, self._worker_id = store, worker_id
        self._later, self._spawn, self._now = later, spawn, now
        self._authors: list[Author] = []  # those with entries
        self._waiting = 0  # entries, those that are being stored among them
        self._writing: dict[str, int] = {}  # entries by tunnel that are being stored
        self._due = False
        self._numbers = count(1)

    def command(
        self, author: Author, kind: str, text: bytes, outcome: str = "relayed", size: int = 0
    ) -> None:
        """Enter a command of a device: its type, its session and its size, and its outcome. ``size``: of the
        command, if ``text`` is only its beginning."""
        entries, size = author.entries, size or len(text)
        if (not entries or self._waiting >= ENTRIES_WAITING) and not self._begin(author):
            return
        self._waiting += 1
        if len(kind) > KIND_LENGTH:
            kind = kind[:KIND_LENGTH]
        session = author.session if text[author.place] == author.named else author.find(text)
        device_id, key_id, scope = author.device_id, author.key_id, author.scope
        entries.append((self._now(), kind, outcome, device_id, key_id, scope, session, size, "", ""))

    def change(self, author: Author, kind: str, about: str = "", by: str = "") -> None:
        """Enter a change of a key or of a tunnel's settings. ``by``: the caller's name at a trusted proxy, in
        whatever encoding."""
        by = by.encode(errors="replace").decode()
        if self._begin(author):
            self._waiting += 1
            device_id, key_id, scope = author.device_id, author.key_id, author.scope
            author.entries.append((self._now(), kind, "done", device_id, key_id, scope, "", 0, about, by))

    def _begin(self, author: Author) -> bool:
        """Return whether there is room for another entry; remember an author that has none yet."""
        if self._waiting >= ENTRIES_WAITING:
            metrics.count("audit_entries_total", "lost")
            return False
        if not author.entries:
            self._authors.append(author)
            self._flush_later()
        return True

    def _flush_later(self) -> None:
        if not self._due:
            self._due = True
            self._later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._due = False
        self._spawn(self.flush())

    def waiting(self, tunnel_id: str) -> int:
        """Return how many entries of a tunnel (empty: of all) are not stored yet."""
        if not tunnel_id:
            return self._waiting
        mine = sum(len(author.entries) for author in self._authors if author.tunnel_id == tunnel_id)
        return mine + self._writing.get(tunnel_id, 0)

    async def flush(self, tunnel_id: str = "") -> None:
        """Store the entries that wait; of one tunnel only, if it is named."""
        taken = self._take(tunnel_id)
        for name, entries in taken.items():
            self._writing[name] = self._writing.get(name, 0) + len(entries)
        for name, entries in taken.items():
            for at in range(0, len(entries), BATCH_ENTRIES):
                await self._write(name, entries[at : at + BATCH_ENTRIES])
        if self._authors:
            self._flush_later()

    def _take(self, tunnel_id: str) -> dict[str, list[_Entry]]:
        """Return entries by tunnel, in the order of their times; they wait no more."""
        taken: dict[str, list[_Entry]] = {}
        left: list[Author] = []
        for author in self._authors:
            name = author.tunnel_id
            if name == tunnel_id or (not tunnel_id and (name in taken or len(taken) < BATCHES_AT_ONCE)):
                taken.setdefault(name, []).extend(author.entries)
                author.entries = []
            else:
                left.append(author)
        self._authors = left
        for entries in taken.values():
            entries.sort(key=_time)
        return taken

    async def _write(self, tunnel_id: str, entries: list[_Entry]) -> None:
        batch = msgspec.json.encode(entries)
        name = f"{self._worker_id}-{next(self._numbers)}"
        outcome = "lost"
        try:
            for _ in range(WRITE_TRIES):
                try:
                    await self._store.append(tunnel_id, batch, name)
                    outcome = "stored"
                    break
                except Exception as problem:  # noqa: BLE001 - no failure of the audit may stop the relay
                    log.debug("audit not stored", extra={"reason": str(problem)})
        finally:
            metrics.count("audit_entries_total", outcome, by=len(entries))
            self._waiting -= len(entries)
            self._writing[tunnel_id] -= len(entries)
            if not self._writing[tunnel_id]:
                del self._writing[tunnel_id]


async def recorded(change: Coroutine[Any, Any, R], record: Callable[[], None]) -> R:
    """Make a change of a key, and record it unless it changed nothing (False); also if a worker has not
    confirmed it. Raise what the change raises."""
    try:
        changed = await change
    except Unconfirmed:
        record()
        raise
    if changed is not False:
        record()
    return changed


def moment(seconds: float) -> str:
    """Return a time of day as JSON has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_words(stored: list[Any]) -> dict[str, Any]:
    """Return an entry with the names of its fields, without empty ones. Raise ValueError for one of another
    form."""
    at, kind, outcome, *rest = stored
    names = ("device_id", "key_id", "scope", "session", "bytes", "about", "by")
    more = {name: value for name, value in zip(names, rest, strict=True) if value}
    kind = kind if _KIND.fullmatch(kind) else "?"
    return {"time": moment(at), "type": kind, "outcome": outcome} | more
