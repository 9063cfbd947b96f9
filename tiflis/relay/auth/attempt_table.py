"""The counters of key attempts, shared by all workers of a host through one mapped file.

The file is a set of tables of fixed-size entries. An entry is an id and some times; the first half of the id
selects its bucket. In a full bucket an entry that no longer counts is replaced, or else the new one is
refused: a flood never makes the server forget. No entry refers to another, so a worker that dies while it
writes leaves at worst one wrong count, which ages out.
"""

import fcntl
import hashlib
import mmap
import os
import secrets
import struct
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

MAGIC = b"tiflook2"
ID_SIZE = 16
PREFIX = 8  # bytes of an id that select its bucket
# Seconds. It is held for microseconds, but its holder may wait for a CPU: with 0.05 s eleven attempts in
# place of ten were compared.
LOCK_PATIENCE = 0.2
OPEN_PATIENCE = 5.0  # s; a worker that starts can wait for a stopped one to go on
LOCK_PAUSE = 0.0005  # s between two tries
_HEADER = struct.Struct(
    "=8s16s8sQ"
)  # magic, salt of the ids, name of the host, next place in the log of hearsay
_HEARSAY_SIZE = 8
HEARSAY_KEPT = 4096
IDS_KEPT = 1024  # made last: each attempt needs the ids of its address, tunnel and device more than once


def _open(path: Path, size: int) -> int:
    """Open the shared file, fully allocated: a write to a mapped hole on a full disk kills the process."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(file, 0, size)
    except OSError:
        os.close(file)
        raise
    return file


class Shape(NamedTuple):
    """The size of a table."""

    buckets: int
    places: int  # per bucket
    times: int  # per entry


class Table:
    """Entries of one kind, found by id."""

    def __init__(self, memory: mmap.mmap, offset: int, shape: Shape) -> None:
        self._memory = memory
        self._offset = offset
        self._buckets, self._places, self._times = shape
        self._entry = struct.Struct(f"={ID_SIZE}s{self._times}d")
        self._bucket = self._places * self._entry.size  # bytes
        prefix_and_times = f"{PREFIX}s{ID_SIZE - PREFIX}x{self._times}d"
        self._entries = struct.Struct("=" + prefix_and_times * self._places)
        self._unused = bytes(self._entry.size)

    @property
    def end(self) -> int:
        """Return the offset of the first byte after this table."""
        return self._offset + self._buckets * self._bucket

    def get(self, id_: bytes) -> list[float]:
        """Return the times of this id; none if it has no entry."""
        at = self._find(id_, self._start(id_))
        if at < 0:
            return []
        _, *times = self._entry.unpack_from(self._memory, at)
        return [time for time in times if time]

    def read(self, id_: bytes) -> tuple[float, ...]:
        """Return the numbers of this id as they were written."""
        at = self._find(id_, self._start(id_))
        return self._entry.unpack_from(self._memory, at)[1:] if at >= 0 else (0.0,) * self._times

    def write(self, id_: bytes, numbers: tuple[float, ...], now: float, window: float) -> bool:
        """Keep numbers, the largest of which is a time; return whether there was room, as ``put``."""
        at = self._place(id_, now, window)
        if at >= 0:
            self._entry.pack_into(self._memory, at, id_, *numbers)
        return at >= 0

    def has_room(self, id_: bytes, now: float, window: float) -> bool:
        """Return whether ``put`` would succeed for an id without an entry."""
        return self._new_place(id_, self._start(id_), now, window) >= 0

    def put(self, id_: bytes, times: list[float], now: float, window: float) -> bool:
        """Keep the newest times of this id; return whether there was room for it.

        An entry without a time in the window gives way, the oldest first. Ids that begin alike take at most
        half of their bucket; then one of their own has to give way.
        """
        at = self._place(id_, now, window)
        if at < 0:
            return False
        newest = sorted(time for time in times if time <= now)[-self._times :]  # a clock may be set back
        padding = [0.0] * (self._times - len(newest))
        self._entry.pack_into(self._memory, at, id_, *newest, *padding)
        return True

    def _place(self, id_: bytes, now: float, window: float) -> int:
        """Return the offset where the entry of this id is or may be put; -1 if it may not."""
        start = self._start(id_)
        at = self._find(id_, start)
        return at if at >= 0 else self._new_place(id_, start, now, window)

    def _new_place(self, id_: bytes, start: int, now: float, window: float) -> int:
        """Return the offset for a new entry in the bucket that begins at ``start``; -1 if there is none."""
        bucket = self._memory[start : start + self._bucket]
        crowded = 2 * bucket.count(id_[:PREFIX]) >= self._places
        free = -1 if crowded else self._free(bucket)
        place = free if free >= 0 else self._oldest(id_, bucket, now, window)
        return start + place if place >= 0 else -1

    def _free(self, bucket: bytes) -> int:
        """Return the offset of the first entry that was never used; -1 if there is none."""
        place = bucket.find(self._unused)
        while place >= 0 and place % self._entry.size:  # an entry's padding, in front of one perhaps
            aligned = place + self._entry.size - place % self._entry.size
            place = bucket.find(self._unused, aligned)
        return place

    def _oldest(self, id_: bytes, bucket: bytes, now: float, window: float) -> int:
        """Return the offset of the entry that gives way to a new one; -1 if all of them still count."""
        values, step, prefix = self._entries.unpack(bucket), 1 + self._times, id_[:PREFIX]
        prefixes, newest = values[::step], self._newest(values, now)
        order = sorted(range(self._places), key=newest.__getitem__)
        if 2 * prefixes.count(prefix) >= self._places:
            order = list(compress(order, map(prefix.__eq__, map(prefixes.__getitem__, order))))
        oldest = order[0]
        return oldest * self._entry.size if newest[oldest] <= now - window else -1

    def _newest(self, values: tuple[Any, ...], now: float) -> Sequence[float]:
        """Return each entry's newest time that is not in the future; 0 if it has none."""
        step = 1 + self._times
        entries = [values[at + 1 : at + step] for at in range(0, len(values), step)] if step > 2 else []
        newest = [max(times) for times in entries] if step > 2 else values[1::step]
        if max(newest) <= now:
            return newest
        past = [
            [time for time in values[at + 1 : at + step] if time <= now] for at in range(0, len(values), step)
        ]
        return [max(times, default=0.0) for times in past]  # the clock was set back

    def _start(self, id_: bytes) -> int:
        """Return the offset of this id's bucket."""
        return self._offset + int.from_bytes(id_[:PREFIX], "little") % self._buckets * self._bucket

    def _find(self, id_: bytes, start: int) -> int:
        """Return the offset of this id's entry, whose bucket begins at ``start``; -1 without one."""
        end = start + self._bucket
        place = self._memory.find(id_, start, end)
        while place >= 0 and (place - start) % self._entry.size:
            place = self._memory.find(id_, place + 1, end)  # some times look like it
        return place


class AttemptTable:
    """The tables of a host. All methods but ``acquire`` need the lock."""

    def __init__(
        self,
        path: Path | None,
        pair_limit: int,
        tunnel_limit: int,
        maker_limit: int,
        patience: float = LOCK_PATIENCE,
    ) -> None:
        """Open or make the file; without a path the counters are this process's own.

        The file's name says its size, so that workers with other limits use another one.
        """
        self._patience = patience
        shapes = [
            Shape(4096, 8, pair_limit),  # wrong keys of an address at a tunnel
            Shape(512, 8, pair_limit),  # wrong keys of an address where no tunnel is named
            Shape(512, 8, tunnel_limit),  # wrong keys at a tunnel
            Shape(512, 64, 1),  # devices and workstations whose key was right, and when
            Shape(64, 64, pair_limit),  # their wrong keys
            Shape(512, 8, 2),  # refusals of an address: when a line was written last, and how many since
            Shape(16, 64, maker_limit),  # new tunnels of a registration key and address
        ]
        self._hearsay = end = _HEADER.size
        end += HEARSAY_KEPT * _HEARSAY_SIZE
        size = end + sum(buckets * places * (ID_SIZE + 8 * times) for buckets, places, times in shapes)
        self._file = -1 if path is None else _open(path.with_name(f"{path.name}-{size}"), size)
        self._memory = mmap.mmap(self._file, size)
        tables: list[Table] = []
        for shape in shapes:
            tables.append(Table(self._memory, end, shape))
            end = tables[-1].end
        self.pairs, self.doors, self.tunnels, self.known, self.tries, self.refused, self.makers = tables
        self._prepare()

    def _prepare(self) -> None:
        if not self.acquire(OPEN_PATIENCE):
            raise TimeoutError("the counters of key attempts are locked by a worker that does not run")
        magic, salt, host, _ = _HEADER.unpack_from(self._memory)
        if magic != MAGIC:
            salt, host = secrets.token_bytes(16), secrets.token_bytes(8)
            _HEADER.pack_into(self._memory, 0, MAGIC, salt, host, 0)
        self._salt, self.host = salt, host
        # The id of these names together; salted, so that a peer cannot choose an entry's bucket.
        self.id: Callable[..., bytes] = lru_cache(maxsize=IDS_KEPT)(self._digest)
        self.release()

    def acquire(self, patience: float | None = None) -> bool:
        """Return whether this worker now is the only one of its host that uses the tables; if so it has to
        release them. The kernel does so for a worker that dies."""
        if self._try_lock():
            return True
        give_up = time.monotonic() + (self._patience if patience is None else patience)
        while not self._try_lock():
            if time.monotonic() > give_up:
                return False
            time.sleep(LOCK_PAUSE)
        return True

    def release(self) -> None:
        if self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _try_lock(self) -> bool:
        if self._file < 0:
            return True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _digest(self, *names: str) -> bytes:
        text = "\0".join(names).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._salt, digest_size=ID_SIZE).digest()

    def id_within(self, *names: str) -> bytes:
        """Return the id of these names together; ids with the same first name share their bucket."""
        return self.id(names[0])[:PREFIX] + self.id(*names)[PREFIX:]

    def is_news(self, name: bytes) -> bool:
        """Return whether this note of another host is new on this host, and record it."""
        end = self._hearsay + HEARSAY_KEPT * _HEARSAY_SIZE
        if self._memory.find(name, self._hearsay, end) >= 0:
            return False
        *fixed, following = _HEADER.unpack_from(self._memory)
        place = self._hearsay + following % HEARSAY_KEPT * _HEARSAY_SIZE
        self._memory[place : place + _HEARSAY_SIZE] = name
        _HEADER.pack_into(self._memory, 0, *fixed, following + 1)
        return True

    def close(self) -> None:
        """Close the file; the counters stay in it."""
        self._memory.close()
        if self._file >= 0:
            os.close(self._file)
