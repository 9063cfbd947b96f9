"""The counters of key attempts, shared by all workers of a host through one mapped file.

The file is a set of tables of fixed-size entries. An entry is an id and some times; its place follows
from the id, among a few neighbours of which the oldest gives way. No entry refers to another, so a worker
that dies while it writes leaves at worst one wrong count, which ages out.
"""

import fcntl
import hashlib
import mmap
import os
import secrets
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAGIC = b"tiflook1"
ID_SIZE = 16
NEIGHBOURS = 8  # entries among which an id finds its place
LOCK_PATIENCE = 0.05  # s; it is held for microseconds: a longer wait means that its holder does not run
OPEN_PATIENCE = 5.0  # s; a worker that starts can wait for a stopped one to go on
LOCK_PAUSE = 0.0005  # s between two tries
_HEADER = struct.Struct(
    "=8s16s8sQ"
)  # magic, salt of the ids, name of the host, next place in the log of hearsay
_HEARSAY_SIZE = 8
HEARSAY_KEPT = 4096


class Busy(Exception):
    """The lock could not be had: a worker that holds it is stopped."""


def _open(path: Path, size: int) -> int:
    """The shared file, all of it on the disk: a mapped hole kills its writer when the disk is full."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, 0, size)
    except OSError:
        os.close(file)
        raise
    return file


class Table:
    """Entries of one kind: ``times`` numbers each, found by id."""

    def __init__(self, memory: mmap.mmap, offset: int, buckets: int, times: int) -> None:
        self._memory = memory
        self._offset = offset
        self._buckets = buckets
        self._entry = struct.Struct(f"={ID_SIZE}s{times}d")
        self._times = times
        self._bucket = NEIGHBOURS * self._entry.size  # bytes

    @property
    def end(self) -> int:
        """The first byte after this table."""
        return self._offset + self._buckets * self._bucket

    def get(self, id_: bytes) -> list[float]:
        """The times of this id; none if it has no entry."""
        start = self._start(id_)
        place = self._find(id_, self._memory[start : start + self._bucket])
        if place < 0:
            return []
        _, *times = self._entry.unpack_from(self._memory, start + place)
        return [time for time in times if time]

    def put(self, id_: bytes, times: list[float]) -> None:
        """Keeps the newest times of this id; the entry unused for longest gives way."""
        start = self._start(id_)
        bucket = self._memory[start : start + self._bucket]
        place = self._find(id_, bucket)
        if place < 0:
            entries = enumerate(self._entry.iter_unpack(bucket))
            place = min(entries, key=lambda entry: max(entry[1][1:]))[0] * self._entry.size
        newest = sorted(times)[-self._times :]
        padding = [0.0] * (self._times - len(newest))
        self._entry.pack_into(self._memory, start + place, id_, *newest, *padding)

    def _start(self, id_: bytes) -> int:
        """Where the bucket of this id begins."""
        return self._offset + int.from_bytes(id_[:8], "little") % self._buckets * self._bucket

    def _find(self, id_: bytes, bucket: bytes) -> int:
        """Where in its bucket the entry of this id is; -1 if it has none."""
        place = bucket.find(id_)
        while place >= 0 and place % self._entry.size:
            place = bucket.find(id_, place + 1)  # some times look like it
        return place


class LookTable:
    """The tables of a host: looks of an address at a tunnel, looks at a tunnel, addresses that were right.

    All methods are to be called within ``locked()``.
    """

    def __init__(
        self,
        path: Path | None,
        pair_limit: int,
        tunnel_limit: int,
        buckets: int = 4096,
        patience: float = LOCK_PATIENCE,
    ) -> None:
        """Opens or makes the file; without a path the counters are this process's own.

        The file's name says its size, so that workers with other limits use another one.
        """
        self._patience = patience
        hearsay = _HEADER.size
        sizes = [(buckets, pair_limit), (max(1, buckets // 8), tunnel_limit), (buckets, 1)]
        offsets = [hearsay + HEARSAY_KEPT * _HEARSAY_SIZE]
        for count, times in sizes:
            offsets.append(offsets[-1] + count * NEIGHBOURS * (ID_SIZE + 8 * times))
        self._file = -1 if path is None else _open(path.with_name(f"{path.name}-{offsets[-1]}"), offsets[-1])
        self._memory = mmap.mmap(self._file, offsets[-1])
        self.pairs, self.tunnels, self.known = (
            Table(self._memory, offset, count, times)
            for offset, (count, times) in zip(offsets[:-1], sizes, strict=True)
        )
        self._hearsay = hearsay
        with self.locked(OPEN_PATIENCE):
            self._prepare()

    def _prepare(self) -> None:
        magic, salt, host, _ = _HEADER.unpack_from(self._memory)
        if magic != MAGIC:
            salt, host = secrets.token_bytes(16), secrets.token_bytes(8)
            _HEADER.pack_into(self._memory, 0, MAGIC, salt, host, 0)
        self._salt, self.host = salt, host

    @contextmanager
    def locked(self, patience: float | None = None) -> Iterator[None]:
        """Alone among this host's workers; raises Busy. The kernel frees the lock of a worker that died."""
        if self._file < 0:
            yield
            return
        give_up = time.monotonic() + (self._patience if patience is None else patience)
        while not self._try_lock():
            if time.monotonic() > give_up:
                raise Busy
            time.sleep(LOCK_PAUSE)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def id(self, *names: str) -> bytes:
        """The id of these names together; salted, so that nobody outside can aim at an entry's place."""
        digest = hashlib.blake2b(
            "\0".join(names).encode("utf-8", "surrogatepass"), key=self._salt, digest_size=ID_SIZE
        )
        return digest.digest()

    def is_news(self, name: bytes) -> bool:
        """Whether no worker of this host has heard this piece of gossip; from now on one has."""
        end = self._hearsay + HEARSAY_KEPT * _HEARSAY_SIZE
        if self._memory.find(name, self._hearsay, end) >= 0:
            return False
        *fixed, following = _HEADER.unpack_from(self._memory)
        place = self._hearsay + following % HEARSAY_KEPT * _HEARSAY_SIZE
        self._memory[place : place + _HEARSAY_SIZE] = name
        _HEADER.pack_into(self._memory, 0, *fixed, following + 1)
        return True

    def close(self) -> None:
        """Lets go of the file; the counters stay in it."""
        self._memory.close()
        if self._file >= 0:
            os.close(self._file)
