"""Who may have a key looked at, and when: wrong keys counted over all workers and hosts (section 7)."""

import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes

from tiflis.protocol.attempts import address_group, wait, within
from tiflis.relay.look_table import LOCK_PATIENCE, Busy, LookTable

WINDOW = 60.0  # s
LOOKS_A_PAIR = 10  # a window, of one address at one tunnel (or at the registration keys)
LOOKS_A_TUNNEL = 60  # a window, of all addresses without an authenticated device
KNOWN_FOR = 24 * 60 * 60.0  # s that an address counts as one with an authenticated device
OWED_KEPT = 1024  # looks to give back once the shared counters can be reached again
REGISTRATION = ""  # stands for the tunnel where registration keys are tried; no tunnel id is empty

_GOSSIP = struct.Struct("=8s8s")  # the host that saw it, a name for the piece of gossip
_NAME_LIMIT = 256  # bytes of gossip after the header


class Limiter:
    """Counts looks at keys.

    ``look`` reserves one, ``right`` gives it back, ``wrong`` tells the other hosts. Call ``right`` or
    ``wrong`` in the same turn of the loop as ``look``: a reserved look counts as a wrong key until then.
    """

    def __init__(
        self,
        path: Path | None,
        now: Callable[[], float],
        publish: Callable[[bytes], None],
        *,
        window: float = WINDOW,
        pair_limit: int = LOOKS_A_PAIR,
        tunnel_limit: int = LOOKS_A_TUNNEL,
        patience: float = LOCK_PATIENCE,
    ) -> None:
        """``path`` is the file shared by the host's workers, ``now`` a clock that they share (monotonic)."""
        self._table = LookTable(path, pair_limit, tunnel_limit, patience=patience)
        # For moments when another worker has the shared counters and does not run: nothing is looked at
        # uncounted, and nobody is refused for it.
        self._own = LookTable(None, pair_limit, tunnel_limit)
        self._reserved_in = self._table
        self._owed: deque[tuple[str, str]] = deque(maxlen=OWED_KEPT)
        self._now = now
        self._publish = publish
        self._window = window
        self._pair_limit = pair_limit
        self._tunnel_limit = tunnel_limit

    def look(self, address: str, tunnel_id: str | None) -> float:
        """0.0 if the key may be looked at now, which is then counted; else seconds to wait."""
        group, tunnel = address_group(address), tunnel_id or REGISTRATION
        try:
            with self._table.locked():
                self._reserved_in = self._table
                self._settle()
                return self._reserve(self._table, group, tunnel)
        except Busy:
            self._reserved_in = self._own
            return self._reserve(self._own, group, tunnel)

    def right(self, address: str, tunnel_id: str | None) -> None:
        """The key was right: the look is given back, and the address has a device of this tunnel."""
        group, tunnel = address_group(address), tunnel_id or REGISTRATION
        if self._reserved_in is self._own:
            self._give_back(self._own, group, tunnel)
            return
        try:
            with self._table.locked():
                self._settle()
                self._give_back(self._table, group, tunnel)
        except Busy:
            self._owed.append((group, tunnel))

    def wrong(self, address: str, tunnel_id: str | None) -> None:
        """The key looked at was wrong: other hosts hear of it."""
        names = "\0".join((address_group(address), tunnel_id or REGISTRATION)).encode(
            "utf-8", "surrogatepass"
        )
        if len(names) <= _NAME_LIMIT:
            self._publish(_GOSSIP.pack(self._table.host, token_bytes(8)) + names)

    def heard(self, data: bytes) -> None:
        """Counts a wrong key that another host saw, once, however many workers hear of it."""
        if not _GOSSIP.size < len(data) <= _GOSSIP.size + _NAME_LIMIT:
            return
        host, name = _GOSSIP.unpack_from(data)
        group, _, tunnel = data[_GOSSIP.size :].decode("utf-8", "replace").partition("\0")
        try:
            with self._table.locked():
                if host != self._table.host and self._table.is_news(name):
                    self._count(group, tunnel)
        except Busy:
            return

    def close(self) -> None:
        """Lets go of the shared file."""
        self._table.close()

    def _settle(self) -> None:
        while self._owed:
            self._give_back(self._table, *self._owed.popleft())

    def _reserve(self, table: LookTable, group: str, tunnel: str) -> float:
        now = self._now()
        pair = table.id(group, tunnel)
        looks = within(table.pairs.get(pair), now, self._window)
        if delay := wait(looks, now, self._window, self._pair_limit):
            return delay
        if self._is_capped(table, pair, tunnel, now):
            all_looks = within(table.tunnels.get(table.id(tunnel)), now, self._window)
            if delay := wait(all_looks, now, self._window, self._tunnel_limit):
                return delay
            table.tunnels.put(table.id(tunnel), [*all_looks, now])
        table.pairs.put(pair, [*looks, now])
        return 0.0

    def _is_capped(self, table: LookTable, pair: bytes, tunnel: str, now: float) -> bool:
        """Whether this address shares the tunnel's looks with all others."""
        return tunnel != REGISTRATION and not within(table.known.get(pair), now, KNOWN_FOR)

    def _give_back(self, table: LookTable, group: str, tunnel: str) -> None:
        now = self._now()
        pair = table.id(group, tunnel)
        if looks := table.pairs.get(pair):
            table.pairs.put(pair, sorted(looks)[:-1])
        if self._is_capped(table, pair, tunnel, now) and (all_looks := table.tunnels.get(table.id(tunnel))):
            table.tunnels.put(table.id(tunnel), sorted(all_looks)[:-1])
        if tunnel != REGISTRATION:
            table.known.put(pair, [now])

    def _count(self, group: str, tunnel: str) -> None:
        now = self._now()
        table = self._table
        pair = table.id(group, tunnel)
        table.pairs.put(pair, [*table.pairs.get(pair), now])
        if self._is_capped(table, pair, tunnel, now):
            table.tunnels.put(table.id(tunnel), [*table.tunnels.get(table.id(tunnel)), now])
