"""Who may have a key looked at, and when: wrong keys counted over all workers and hosts (section 7)."""

import struct
from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes
from typing import NamedTuple

from tiflis.protocol.attempts import address_group, wait, within
from tiflis.relay.look_table import LOCK_PATIENCE, Busy, LookTable

WINDOW = 60.0  # s
LOOKS_A_PAIR = 10  # a window, of one address at one tunnel (or at the registration keys)
LOOKS_A_TUNNEL = 60  # a window, of all addresses without an authenticated device
KNOWN_FOR = 24 * 60 * 60.0  # s that an address counts as one with an authenticated device
KNOWN_AGAIN = 60 * 60.0  # s after which that is noted anew; below it a right key changes nothing
REGISTRATION = ""  # stands for the tunnel where registration keys are tried; no tunnel id is empty

_GOSSIP = struct.Struct("=8s8s")  # the host that saw it, a name for the piece of gossip
_NAME_LIMIT = 256  # bytes of gossip after the header


class Verdict(NamedTuple):
    """Whether the key was right; or, if it could not be looked at, in how many seconds it can."""

    right: bool
    wait: float = 0.0


class Limiter:
    """Counts wrong keys, and tells the other hosts of them."""

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
        self._now = now
        self._publish = publish
        self._window = window
        self._pair_limit = pair_limit
        self._tunnel_limit = tunnel_limit

    def judge(self, address: str, tunnel_id: str | None, fits: Callable[[], bool]) -> Verdict:
        """Have a key compared by ``fits``, if one of this address and tunnel may be looked at now.

        Nobody else on this host looks at one meanwhile: attempts made at the same moment on several workers
        cannot get past the limit together.
        """
        group, tunnel = address_group(address), tunnel_id or REGISTRATION
        try:
            with self._table.locked():
                verdict = self._judge(self._table, group, tunnel, fits)
        except Busy:
            verdict = self._judge(self._own, group, tunnel, fits)
        if not (verdict.right or verdict.wait):
            self._tell(group, tunnel)
        return verdict

    def _tell(self, group: str, tunnel: str) -> None:
        names = f"{group}\0{tunnel}".encode("utf-8", "surrogatepass")
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
                    self._count(self._table, group, tunnel)
        except Busy:
            return

    def close(self) -> None:
        """Lets go of the shared file."""
        self._table.close()

    def _judge(self, table: LookTable, group: str, tunnel: str, fits: Callable[[], bool]) -> Verdict:
        now = self._now()
        pair = table.id(group, tunnel)
        delay = wait(within(table.pairs.get(pair), now, self._window), now, self._window, self._pair_limit)
        known_at = max(within(table.known.get(pair), now, KNOWN_FOR), default=0.0)
        if not (delay or known_at or tunnel == REGISTRATION):
            looks = within(table.tunnels.get(table.id(tunnel)), now, self._window)
            delay = wait(looks, now, self._window, self._tunnel_limit)
        if delay:
            return Verdict(False, delay)
        if not fits():
            self._count(table, group, tunnel)
            return Verdict(False)
        if tunnel != REGISTRATION and not (known_at and now - known_at < KNOWN_AGAIN):
            table.known.put(pair, [now])
        return Verdict(True)

    def _count(self, table: LookTable, group: str, tunnel: str) -> None:
        """A wrong key; without a device of this tunnel the address shares the tunnel's looks with others."""
        now = self._now()
        pair = table.id(group, tunnel)
        table.pairs.put(pair, [*table.pairs.get(pair), now])
        if tunnel != REGISTRATION and not within(table.known.get(pair), now, KNOWN_FOR):
            name = table.id(tunnel)
            table.tunnels.put(name, [*table.tunnels.get(name), now])
