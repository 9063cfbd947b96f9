"""The one door for keys: each is compared here and nowhere else, and wrong ones are counted over all workers
and hosts (protocol, section 7)."""

import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import randbelow, token_bytes
from typing import NamedTuple

from tiflis.protocol.attempts import address_group, wait, within
from tiflis.protocol.comparison import equal
from tiflis.relay.auth.attempt_table import LOCK_PATIENCE, AttemptTable, Table
from tiflis.relay.auth.keys import Trial

WINDOW = 60.0  # s
LOOKS_A_PAIR = 10  # a window, of one address at one tunnel (or at the registration keys)
LOOKS_A_TUNNEL = 60  # a window, of all devices that are not known
LOOKS_KEPT_FREE = 6  # of these, for addresses without a wrong key lately
ATTACKER_FOR = 60 * 60.0  # s that a wrong key keeps an address from those
TIMES_KEPT = 1000  # of new tunnels: the table has a fixed size
REFUSALS_WATCHED = 90.0  # s without a line after which another worker writes them: its writer has gone
NEW_TUNNELS = 60  # a window, of one registration key and address
KNOWN_FOR = 30 * 24 * 60 * 60.0  # s that a device or workstation is known after its key was right
KNOWN_AGAIN = 60 * 60.0  # s after which that is noted anew; below it a right key changes nothing
FAILURES = 3  # waits in vain, one after the other: the one that has the lock is stopped, not just late
SHUN_SECONDS = 1.0  # for which a worker counts for itself after it has waited in vain for the shared counters


class Looks(NamedTuple):
    """How many keys are looked at in a window of so many seconds."""

    window: float = WINDOW
    pair: int = LOOKS_A_PAIR
    tunnel: int = LOOKS_A_TUNNEL
    kept_free: int = LOOKS_KEPT_FREE
    new_tunnels: int = NEW_TUNNELS


DEFAULT = Looks()

REGISTRATION = ""  # the place where registration keys are tried; no tunnel id is empty
WORKSTATION = ""  # stands for the device id of a tunnel's workstation; no device id is empty

_KNOWN = "+"  # begins gossip about a known device; no address is spelt like this
_GOSSIP = struct.Struct("=8s8s")  # the host that saw it, a name for the piece of gossip
_NAME_LIMIT = 2560  # bytes of gossip after the header: an address, a tunnel id and a device id


class Caller(NamedTuple):
    """Who gives a key, as far as it says."""

    address: str
    tunnel_id: str = ""  # the tunnel that it names
    device_id: str | None = None  # its id there, or WORKSTATION; None: it cannot be known


class Verdict(NamedTuple):
    """Whether the key was right; or, if it could not be looked at, in how many seconds it can.

    ``reading``: the index of the reading that was right.
    """

    right: bool
    wait: float = 0.0
    reading: int = -1


class Limiter:
    """Compares keys, counts wrong ones, and tells the other hosts of them."""

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
        # For moments when another worker has the shared counters and does not run: nothing is looked at
        # uncounted, and nobody is refused for it.
        self._own = AttemptTable(None, *sizes)
        self._shun_until = 0.0
        self._failures = 0
        self._now = now
        self._publish = publish
        self._limits = limits

    def judge(self, place: str, caller: Caller, trial: Trial) -> Verdict:
        """Compare a key, if one may be looked at now.

        ``place``: what the key opens: a tunnel's id, REGISTRATION, or a name that is no tunnel's id.
        Nobody else on this host looks at one meanwhile: attempts made at the same moment on several workers
        cannot get past the limit together.
        """
        group = address_group(caller.address)
        with self._counters() as table:
            buckets = self._buckets(table, place, caller._replace(address=group))
            delay = max(bucket.wait() for bucket in buckets)
            reading = -1 if delay else _fitting(trial)
            if reading < 0 and not delay:
                for bucket in buckets:
                    bucket.note()
        if reading < 0 and not delay:
            known = () if caller.device_id is None else (caller.tunnel_id, caller.device_id)
            self._tell(group, place, *known)
        return Verdict(reading >= 0, delay, reading)

    def welcome(self, caller: Caller) -> None:
        """Know this device or workstation from now on: its keys have been right."""
        if caller.device_id is None:
            return
        names = (address_group(caller.address), caller.tunnel_id, caller.device_id)
        with self._counters() as table:
            news = self._know(table, *names)
        if news:
            self._tell(_KNOWN, *names)

    def new_tunnel(self, key_id: str, address: str) -> float:
        """Count a new tunnel of this registration key and address, or return in how many seconds it may be
        made."""
        with self._counters() as table:
            id_ = table.id_within(key_id, address_group(address))
            each = -(-self._limits.new_tunnels // TIMES_KEPT)  # of a great many, only every so-manieth counts
            limit = self._limits.new_tunnels // each
            made = _Bucket(table.makers, id_, self._now(), self._limits.window, limit)
            delay = made.wait()
            if not delay and randbelow(each) == 0:
                made.note()
        return delay

    def note_refusal(self, group: str) -> bool:
        """Count a refusal of an address; return whether the caller has to write the line about it."""
        now = self._now()
        with self._counters() as table:
            id_ = table.id(group)
            written_at, number = table.refused.read(id_)
            first = not 0 <= now - written_at < REFUSALS_WATCHED
            kept = table.refused.write(id_, (now if first else written_at, number + 1), now, REFUSALS_WATCHED)
        return first and kept

    def take_refusals(self, group: str) -> int:
        """Return how many were counted since the last time; the caller goes on watching this address."""
        with self._counters() as table:
            id_, now = table.id(group), self._now()
            number = table.refused.read(id_)[1]
            table.refused.write(id_, (now if number else 0.0, 0.0), now, REFUSALS_WATCHED)
        return int(number)

    def heard(self, data: bytes) -> None:
        """Count what another host saw, once, however many workers hear of it."""
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

    @contextmanager
    def _counters(self) -> Iterator[AttemptTable]:
        """The host's tables; this worker's own if the one that has them does not run."""
        shared = time.monotonic() >= self._shun_until and self._acquire()
        try:
            yield self._table if shared else self._own
        finally:
            if shared:
                self._table.release()

    def _acquire(self) -> bool:
        """Return whether the shared tables are ours now; after some waits in vain go without for a while."""
        if self._table.acquire():
            self._failures = 0
            return True
        self._failures += 1
        if self._failures >= FAILURES:
            self._shun_until = time.monotonic() + SHUN_SECONDS
        return False

    def _buckets(self, table: AttemptTable, place: str, caller: Caller) -> list["_Bucket"]:
        """Where this attempt counts; the address in ``caller`` is a group."""
        now, window, limit = self._now(), self._limits.window, self._limits.pair
        group, tunnel_id, device_id = caller
        if device_id is not None:
            known = table.id_within(tunnel_id, group, device_id)
            if within(table.known.get(known), now, KNOWN_FOR):
                return [_Bucket(table.tries, known, now, window, limit)]
        pair = table.id(group, place)
        if place != tunnel_id or place == REGISTRATION:
            return [_Bucket(table.doors, pair, now, window, limit)]
        attacker = within(table.pairs.get(pair), now, ATTACKER_FOR)
        looks = max(1, self._limits.tunnel - self._limits.kept_free * bool(attacker))
        return [
            _Bucket(table.pairs, pair, now, window, limit),
            _Bucket(table.tunnels, table.id(place), now, window, looks),
        ]

    def _know(self, table: AttemptTable, group: str, tunnel_id: str, device_id: str) -> bool:
        """Return whether this is new."""
        now, known = self._now(), table.id_within(tunnel_id, group, device_id)
        if within(table.known.get(known), now, KNOWN_AGAIN):
            return False
        return table.known.put(known, [now], now, 0.0)

    def _tell(self, *names: str) -> None:
        text = "\0".join(names).encode("utf-8", "surrogatepass")
        if len(text) <= _NAME_LIMIT:
            self._publish(_GOSSIP.pack(self._table.host, token_bytes(8)) + text)

    def _believe(self, table: AttemptTable, names: list[str]) -> None:
        match names:
            case [what, group, tunnel_id, device_id] if what == _KNOWN:
                self._know(table, group, tunnel_id, device_id)
                return
            case [group, place, tunnel_id, device_id]:
                caller = Caller(group, tunnel_id, device_id)
            case [group, place]:
                caller = Caller(group, place)
            case _:
                return
        for bucket in self._buckets(table, place, caller):
            bucket.note()


class _Bucket(NamedTuple):
    """A number of attempts in a window of time."""

    table: Table
    id: bytes
    now: float
    window: float
    limit: int

    def wait(self) -> float:
        """Return in how many seconds another attempt is allowed, 0.0 for now."""
        if not self.table.has_room(self.id, self.now, self.window):
            return self.window  # it could not be counted
        return wait(within(self.table.get(self.id), self.now, self.window), self.now, self.window, self.limit)

    def note(self) -> None:
        self.table.put(self.id, [*self.table.get(self.id), self.now], self.now, self.window)


def _fitting(trial: Trial) -> int:
    """The index of the reading that is right; -1 if none is. All are compared: that an early one fits, or
    which, must not show."""
    pairs = [(reading, given, wanted) for reading, given in enumerate(trial.given) for wanted in trial.wanted]
    return max([-1, *(reading for reading, given, wanted in pairs if equal(given, wanted))])
