"""The ledger of pinned bytes: what this worker keeps in memory because of a peer, by tunnel and in all.

Every buffer that a peer can make grow is entered here as a `Hold`, in the account of its tunnel::

    account = pinned.account(tunnel_id)  # NO_TUNNEL for a peer that has not shown a key yet
    with account.hold(Kind.BODIES) as held:
        if not held.take(len(part)):  # False: a share is used up, and nothing was counted
            raise SendFailed("The server is busy; try again")
        ...
    # everything is given back when the block ends

`take` asks for room: in the kind's part of the tunnel's share, in the tunnel's share, and in the worker's.
`count` enters bytes that exist already, whatever the room. `move` takes a hold to another account: a body
whose key came last begins in NO_TUNNEL, which counts against the worker alone. A payload that several
receivers share is entered once. All methods run in the worker's event loop and cost one or two additions.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple
from weakref import WeakValueDictionary

from tiflis.limits import MIB

__all__ = ["NO_TUNNEL", "Account", "Hold", "Kind", "Pinned", "Shares", "part_of"]

NO_TUNNEL = ""
"""The account of peers without a role."""


class Kind(StrEnum):
    """What the bytes are."""

    MESSAGES = "messages"  # begun WebSocket messages, by the size that their frames have announced
    UNSENT = "unsent"  # output that a peer has not taken
    BUS = "bus"  # messages to and from other workers that have not been consumed
    WAITING = "waiting"  # messages for a peer that is away for a moment
    QUEUES = "queues"  # messages for watches
    ANSWERS = "answers"  # answers to polls that the watch has not read
    BODIES = "bodies"  # HTTP bodies that have not been passed on


_NOTHING: dict[str, int] = dict.fromkeys(Kind, 0)

# A quarter of a tunnel's share each at most, so that stalled HTTP calls and watches that do not fetch leave
# room for large WebSocket messages, and each other.
PARTS = {Kind.QUEUES: 0.25, Kind.ANSWERS: 0.25, Kind.BODIES: 0.25}


def part_of(account: Account, kind: Kind) -> int:
    """Return how many bytes of a kind a tunnel may pin."""
    return int(account.pinned.shares.tunnel * PARTS.get(kind, 1))


class Shares(NamedTuple):
    """How many bytes may be pinned."""

    tunnel: int = 256 * MIB
    worker: int = 1024 * MIB


class Pinned:
    """All accounts of one worker. `freed`, to be set by one user, is called after bytes were given back."""

    def __init__(self, shares: Shares | None = None) -> None:
        self.shares = shares or Shares()
        self.total = 0
        self.kinds = _NOTHING.copy()
        self.freed: Callable[[], None] | None = None
        self._accounts: WeakValueDictionary[str, Account] = WeakValueDictionary()
        self._samples: dict[tuple[str, Kind], Hold] = {}

    def account(self, tunnel_id: str) -> Account:
        """Return the tunnel's account in this worker; it is forgotten when its last hold is gone."""
        account = self._accounts.get(tunnel_id)
        if account is None:
            account = self._accounts[tunnel_id] = Account(self, tunnel_id)
        return account

    def accounts(self) -> list[Account]:
        """Return the accounts with bytes in them."""
        return [account for account in self._accounts.values() if account.total]

    def sample(self, kind: Kind, sizes: dict[str, int]) -> None:
        """Enter what was measured of one kind instead of counted: bytes by tunnel."""
        for tunnel_id, measured in [key for key in self._samples if key[1] is kind]:
            if not sizes.get(tunnel_id):
                self._samples.pop((tunnel_id, measured)).release()
        for tunnel_id, size in sizes.items():
            hold = self._samples.get((tunnel_id, kind))
            if hold is None and size:
                hold = self._samples[tunnel_id, kind] = self.account(tunnel_id).hold(kind)
            if hold is not None:
                hold.count(size - hold.size)


class Account:
    """One tunnel's bytes in this worker."""

    __slots__ = ("__weakref__", "kinds", "pinned", "total", "tunnel_id")

    def __init__(self, pinned: Pinned, tunnel_id: str) -> None:
        self.pinned, self.tunnel_id = pinned, tunnel_id
        self.total = 0
        self.kinds = _NOTHING.copy()

    def hold(self, kind: Kind) -> Hold:
        """Return an empty hold of this account."""
        return Hold(self, kind)

    def room(self, kind: Kind) -> int:
        """Return how many more bytes of a kind may be taken, 0 or more."""
        shares = self.pinned.shares
        room = shares.worker - self.pinned.total
        if self.tunnel_id != NO_TUNNEL:
            room = min(room, shares.tunnel - self.total)
            if kind in PARTS:
                room = min(room, part_of(self, kind) - self.kinds[kind])
        return max(0, room)

    @property
    def overdrawn(self) -> bool:
        """Whether more is pinned than the tunnel's share."""
        return self.tunnel_id != NO_TUNNEL and self.total > self.pinned.shares.tunnel


class Hold:
    """Bytes of one kind that one buffer keeps."""

    __slots__ = ("account", "kind", "size")

    def __init__(self, account: Account, kind: Kind) -> None:
        self.account, self.kind = account, kind
        self.size = 0

    def take(self, size: int) -> bool:
        """Count so many bytes more if there is room for them; return whether there was."""
        if size > self.account.room(self.kind):
            return False
        self.count(size)
        return True

    def count(self, size: int) -> None:
        """Count so many bytes more, or fewer if negative, whatever the room."""
        account = self.account
        pinned = account.pinned
        self.size += size
        account.total += size
        account.kinds[self.kind] += size
        pinned.total += size
        pinned.kinds[self.kind] += size
        if size < 0 and pinned.freed is not None:
            pinned.freed()

    def release(self) -> None:
        """Give everything back. The hold may be used again."""
        if self.size:
            self.count(-self.size)

    def move(self, account: Account) -> None:
        """Take the bytes to another account, whatever the room there."""
        size = self.size
        self.release()
        self.account = account
        self.count(size)

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
