"""Compares all keys behind one rate limit, which counts wrong keys over all workers and hosts (protocol,
section 7)."""

import struct
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from secrets import randbelow, token_bytes
from typing import NamedTuple

from tiflis.protocol.attempts import address_group, wait, within
from tiflis.protocol.comparison import equal
from tiflis.relay.auth.attempt_table import LOCK_PATIENCE, AttemptTable, Table
from tiflis.relay.auth.keys import Trial

WINDOW = 60.0  # s
LOOKS_A_PAIR = 10  # wrong keys per window, address and tunnel (or address and the registration keys)
LOOKS_A_TUNNEL = 60  # wrong keys per window and tunnel, for all devices that are not known
LOOKS_KEPT_FREE = 6  # of these, for addresses without a wrong key in the last hour
ATTACKER_FOR = 60 * 60.0  # s after a wrong key in which an address may not use those
TIMES_KEPT = 100  # of new tunnels: the table has a fixed size, and each registration reads them
REFUSALS_WATCHED = (
    90.0  # s without a log line after which another worker writes them: the first one has ended
)
NEW_TUNNELS = 60  # per window, registration key and address
KNOWN_FOR = 30 * 24 * 60 * 60.0  # s that a device or workstation is known after its key was right
KNOWN_AGAIN = 60 * 60.0  # s after which a right key is recorded anew
FAILURES = 3  # waits in vain in a row, after which the holder of the lock counts as stopped, not just late
SHUN_SECONDS = 1.0  # in which a worker then uses counters of its own


class Looks(NamedTuple):
    """The limits: after how many wrong keys in a window of so many seconds no more are compared."""

    window: float = WINDOW
    pair: int = LOOKS_A_PAIR
    tunnel: int = LOOKS_A_TUNNEL
    kept_free: int = LOOKS_KEPT_FREE
    new_tunnels: int = NEW_TUNNELS


DEFAULT = Looks()

REGISTRATION = ""  # the place where registration keys are tried; no tunnel id is empty
WORKSTATION = ""  # stands for the device id of a tunnel's workstation; no device id is empty

_KNOWN = "+"  # begins a note to other hosts about a known device; no address looks like this
_GOSSIP = struct.Struct("=8s8s")  # the host that counted it, a name for the note
_NAME_LIMIT = 2560  # bytes of a note after the header: an address, a tunnel id and a device id


class Caller(NamedTuple):
    """The peer that gives a key, by its own statement."""

    address: str
    tunnel_id: str = ""  # the tunnel that it names
    device_id: str | None = None  # its id there, or WORKSTATION; None if it cannot be a known device


class Verdict(NamedTuple):
    """Whether the key was right; or, if it was not compared, in how many seconds it can be.

    ``reading``: the index of the reading that was right.
    """

    right: bool
    wait: float = 0.0
    reading: int = -1


class Limiter:
    """Compares keys, counts wrong ones, and publishes them to the other hosts."""

    def __init__(
        self,
        path: Path | None,
        now: Callable[[], float],
        publish: Callable[[bytes], None],
        limits: Looks = DEFAULT,
        patience: float = LOCK_PATIENCE,
    ) -> None:
        """``path`` is the file shared by the host's workers, which outlives them; ``now`` the time of day,
        since the file also outlives the machine's uptime."""
        sizes = (limits.pair, limits.tunnel, min(limits.new_tunnels, TIMES_KEPT))
        self._table = AttemptTable(path, *sizes, patience=patience)
        # For moments when a worker that holds the shared counters does not run: keys are still counted, and
        # no caller is refused because of it.
        self._own = AttemptTable(None, *sizes)
        self._shun_until = 0.0
        self._failures = 0
        self._now = now
        self._publish = publish
        self._names = count(int.from_bytes(token_bytes(8), "big"))  # of notes: no other worker has the same
        self._limits = limits

    def judge(self, place: str, caller: Caller, trial: Trial, welcome: bool = False) -> Verdict:
        """Compare a key, if the limits allow it now.

        ``place``: the tunnel's id, REGISTRATION, or a name that is no tunnel's id. ``welcome``: record the
        caller as known if the key is right. No other worker of this host compares a key meanwhile: attempts
        made at the same moment on several workers cannot exceed the limit together.
        """
        caller, news = Caller(address_group(caller.address), caller.tunnel_id, caller.device_id), False
        with self._counters() as table:
            known, seen = self._known(table, caller)
            buckets = self._buckets(table, place, caller, known, seen)
            delay = max([bucket.wait() for bucket in buckets])
            reading = -1 if delay else _fitting(trial)
            if reading < 0 and not delay:
                for bucket in buckets:
                    bucket.note()
            elif welcome and not delay:
                news = self._know(table, known, seen)
        named = () if caller.device_id is None else (caller.tunnel_id, caller.device_id)
        if news:
            self._tell(_KNOWN, caller.address, *named)
        elif reading < 0 and not delay:
            self._tell(caller.address, place, *named)
        return Verdict(reading >= 0, delay, reading)

    def welcome(self, caller: Caller) -> None:
        """Record this device or workstation as known: its key was right."""
        if caller.device_id is None:
            return
        names = (address_group(caller.address), caller.tunnel_id, caller.device_id)
        with self._counters() as table:
            news = self._know(table, *self._known(table, Caller(*names)))
        if news:
            self._tell(_KNOWN, *names)

    def knows(self, caller: Caller) -> bool:
        """Return whether this device is known: its key was right from this address within KNOWN_FOR."""
        with self._counters() as table:
            group = address_group(caller.address)
            known = table.id_within(caller.tunnel_id, group, caller.device_id or "")
            return bool(within(table.known.get(known), self._now(), KNOWN_FOR))

    def new_tunnel(self, key_id: str, address: str) -> float:
        """Count a new tunnel of this registration key and address, or return in how many seconds it may be
        made."""
        with self._counters() as table:
            id_ = table.id_within(key_id, address_group(address))
            each = -(
                -self._limits.new_tunnels // TIMES_KEPT
            )  # above TIMES_KEPT, one in so many counts, chosen at random
            limit = self._limits.new_tunnels // each
            made = _Bucket(table.makers, id_, table.makers.get(id_), self._now(), self._limits.window, limit)
            delay = made.wait()
            if not delay and (each == 1 or randbelow(each) == 0):
                made.note()
        return delay

    def note_refusal(self, group: str) -> bool:
        """Count a refusal of an address; return whether the caller has to write the log line about it."""
        now = self._now()
        with self._counters() as table:
            id_ = table.id(group)
            written_at, number = table.refused.read(id_)
            first = not 0 <= now - written_at < REFUSALS_WATCHED
            kept = table.refused.write(id_, (now if first else written_at, number + 1), now, REFUSALS_WATCHED)
        return first and kept

    def take_refusals(self, group: str) -> int:
        """Return how many refusals of an address were counted since the last call, and reset the count."""
        with self._counters() as table:
            id_, now = table.id(group), self._now()
            number = table.refused.read(id_)[1]
            table.refused.write(id_, (now if number else 0.0, 0.0), now, REFUSALS_WATCHED)
        return int(number)

    def received(self, data: bytes) -> None:
        """Count an attempt that another host has published, once per host."""
        if not _GOSSIP.size < len(data) <= _GOSSIP.size + _NAME_LIMIT:
            return
        host, name = _GOSSIP.unpack_from(data)
        with self._counters() as table:
            if table is self._table and host != table.host and table.is_news(name):
                self._believe(table, data[_GOSSIP.size :].decode("utf-8", "replace").split("\0"))

    def close(self) -> None:
        """Let go of the shared file."""
        self._table.close()
        self._own.close()

    def _counters(self) -> "_Counters":
        """Return the host's tables, or this worker's own if the worker that holds them does not run."""
        shared = time.monotonic() >= self._shun_until and self._acquire()
        return _Counters(self._table if shared else self._own, shared)

    def _acquire(self) -> bool:
        """Return whether the shared tables are ours now; after FAILURES in a row, do not wait for a while."""
        if self._table.acquire():
            self._failures = 0
            return True
        self._failures += 1
        if self._failures >= FAILURES:
            self._shun_until = time.monotonic() + SHUN_SECONDS
        return False

    def _known(self, table: AttemptTable, caller: Caller) -> tuple[bytes, list[float]]:
        """Return the id of a device that may be known, and when its key was right; empty for no device. The
        address in ``caller`` is a group."""
        if caller.device_id is None:
            return b"", []
        known = table.id_within(caller.tunnel_id, caller.address, caller.device_id)
        return known, table.known.get(known)

    def _buckets(
        self, table: AttemptTable, place: str, caller: Caller, known: bytes, seen: list[float]
    ) -> list["_Bucket"]:
        """Return the counters of this attempt; ``known``, ``seen`` as from ``_known``."""
        now, window, limit = self._now(), self._limits.window, self._limits.pair
        if within(seen, now, KNOWN_FOR):
            return [_Bucket(table.tries, known, table.tries.get(known), now, window, limit)]
        pair = table.id(caller.address, place)
        if place != caller.tunnel_id or place == REGISTRATION:
            return [_Bucket(table.doors, pair, table.doors.get(pair), now, window, limit)]
        wrong, all_ = table.pairs.get(pair), table.id(place)
        attacker = within(wrong, now, ATTACKER_FOR)
        looks = max(1, self._limits.tunnel - self._limits.kept_free * bool(attacker))
        return [
            _Bucket(table.pairs, pair, wrong, now, window, limit),
            _Bucket(table.tunnels, all_, table.tunnels.get(all_), now, window, looks),
        ]

    def _know(self, table: AttemptTable, known: bytes, seen: list[float]) -> bool:
        """Record a device as known; return whether that is new."""
        now = self._now()
        if not known or within(seen, now, KNOWN_AGAIN):
            return False
        return table.known.put(known, [now], now, 0.0)

    def _tell(self, *names: str) -> None:
        text = "\0".join(names).encode("utf-8", "surrogatepass")
        if len(text) <= _NAME_LIMIT:
            name = (next(self._names) % 2**64).to_bytes(8, "big")
            self._publish(_GOSSIP.pack(self._table.host, name) + text)

    def _believe(self, table: AttemptTable, names: list[str]) -> None:
        match names:
            case [what, group, tunnel_id, device_id] if what == _KNOWN:
                self._know(table, *self._known(table, Caller(group, tunnel_id, device_id)))
                return
            case [group, place, tunnel_id, device_id]:
                caller = Caller(group, tunnel_id, device_id)
            case [group, place]:
                caller = Caller(group, place)
            case _:
                return
        for bucket in self._buckets(table, place, caller, *self._known(table, caller)):
            bucket.note()


class _Counters:
    """The tables that are in use within a ``with`` block; they are let go at its end."""

    __slots__ = ("_shared", "_table")

    def __init__(self, table: AttemptTable, shared: bool) -> None:
        self._table, self._shared = table, shared

    def __enter__(self) -> AttemptTable:
        return self._table

    def __exit__(self, *_: object) -> None:
        if self._shared:
            self._table.release()


class _Bucket(NamedTuple):
    """The counter of attempts under one id, in a window of time; ``times``: those in the table."""

    table: Table
    id: bytes
    times: list[float]
    now: float
    window: float
    limit: int

    def wait(self) -> float:
        """Return in how many seconds another attempt is allowed, 0.0 for now."""
        if not self.times:  # most often: so far nothing was counted, and one attempt may be, if there is room
            return 0.0 if self.table.has_room(self.id, self.now, self.window) else self.window
        return wait(within(self.times, self.now, self.window), self.now, self.window, self.limit)

    def note(self) -> None:
        """Count an attempt."""
        self.table.put(self.id, [*self.times, self.now], self.now, self.window)


def _fitting(trial: Trial) -> int:
    """Return the index of the right reading, -1 for none. All are compared, so that the time does not show
    which one is right."""
    pairs = [(reading, given, wanted) for reading, given in enumerate(trial.given) for wanted in trial.wanted]
    return max([-1, *(reading for reading, given, wanted in pairs if equal(given, wanted))])
