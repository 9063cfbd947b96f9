"""Claims tunnels in the directory, by compare-and-set: the claim says which worker is a tunnel's home.

The generation in a record rises with every claim; a worker whose claim has a lower one is no longer the home.
"""

import secrets
import time
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from tiflis.bus.directory.directory import Directory, Record
from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.protocol.errors import RegistrationFailed, Starting, TunnelNotFound
from tiflis.protocol.ids import TUNNEL_ID_LENGTH, is_tunnel_id, tunnel_id_from
from tiflis.protocol.messages import Registration
from tiflis.relay.auth.keys import Keyring

ATTEMPTS = 8  # claims of one tunnel that may be lost to others before we give up: more is a storm


class Arrival(NamedTuple):
    """The time of a registration, and its tunnel's generation then by the copy here."""

    at: float
    generation: int


class Claim(NamedTuple):
    """A claim that was made: the record now, the record before, and whether the tunnel was known.

    ``overtaken``: it was not made, because the workstation has registered anew since, in another worker.
    ``new``: the id was drawn for this claim; no other tunnel has ever had it.
    """

    record: Record
    previous: Record | None
    restored: bool
    overtaken: bool = False
    new: bool = False


class Applicant(Protocol):
    """A workstation that asks for a tunnel. An error that its methods raise ends the claim."""

    def owns(self, record: Record) -> bool:
        """Return whether its auth key is that of this tunnel."""

    def creates(self) -> None:
        """Count a new tunnel of its registration key. Raises RateLimited if it is one too many."""

    @property
    def maker(self) -> str:
        """Return the id of its registration key."""


class Claims:
    """The directory as the relay uses it. Raises TunnelError only."""

    def __init__(self, directory: Directory, keyring: Keyring, me: str, warmup: float) -> None:
        """``warmup``: seconds after an empty start in which a tunnel that is not found may still exist."""
        self._directory, self._keyring, self._me = directory, keyring, me
        self._complete_at = time.monotonic() + warmup

    async def find(self, tunnel_id: str, fresh: bool = False) -> Record:
        """Return the tunnel's record, from the store if the copy here lacks it or ``fresh`` is set.

        Raises TunnelNotFound if the directory does not hold the tunnel, Starting if that is not known yet.
        """
        if not is_tunnel_id(tunnel_id):
            raise TunnelNotFound
        record = None if fresh else self._directory.get(tunnel_id)
        try:
            record = record or await self._directory.read(tunnel_id)
        except DirectoryUnavailable:
            record = self._directory.get(tunnel_id)
            if record is None:
                raise Starting from None
        if record is not None:
            return record
        early = self._directory.started_empty and time.monotonic() < self._complete_at
        raise Starting if early else TunnelNotFound

    def arrival(self, said: Registration) -> Arrival:
        """Return the arrival of a registration that comes now, though its claim may have to wait."""
        current = self._directory.get(said.previous_tunnel_id) if said.previous_tunnel_id else None
        return Arrival(time.time(), current.generation if current else 0)

    async def register(
        self, said: Registration, applicant: Applicant, arrival: Arrival | None = None
    ) -> Claim:
        """Claim a workstation's tunnel (protocol, section 2). Raises RegistrationFailed."""
        wanted, counted = said.previous_tunnel_id, False
        arrival = arrival or self.arrival(said)
        try:
            for attempt in range(ATTEMPTS):
                current = None
                if wanted is not None:
                    # The copy here saves a read; when a claim that relies on it fails, read the store.
                    current = None if attempt else self._directory.get(wanted)
                    current = current or await self._directory.read(wanted)
                    if current is not None and not applicant.owns(current):
                        wanted = current = None  # another workstation's tunnel: this one gets its own
                    if current is not None and _overtakes(current, arrival):
                        return Claim(current, None, restored=True, overtaken=True)
                if current is None and not counted:
                    applicant.creates()
                    counted = True
                tunnel_id = wanted or tunnel_id_from(secrets.token_bytes(TUNNEL_ID_LENGTH))
                try:
                    record = self._registered(tunnel_id, said, current, arrival.at, applicant.maker)
                    record = await self._directory.put(record)
                except Conflict:
                    continue
                return Claim(record, current, restored=current is not None, new=wanted is None)
        except DirectoryUnavailable:
            raise RegistrationFailed from None
        raise RegistrationFailed

    def _registered(
        self, tunnel_id: str, said: Registration, current: Record | None, at: float, maker: str
    ) -> Record:
        key_id, digest = self._keyring.digest(tunnel_id, said.auth_key)
        return Record(
            tunnel_id=tunnel_id,
            name=said.name,
            key_digest=digest,
            key_id=key_id,
            generation=current.generation + 1 if current else 1,
            home=self._me,
            online=True,
            online_since=at,
            revision=current.revision if current else 0,
            maker=maker,
            untouched=current.untouched if current else True,
        )

    async def care_for(self, record: Record) -> Record:
        """Become the home of a tunnel that has none. Raises Conflict, DirectoryUnavailable."""
        return await self._directory.put(
            replace(record, home=self._me, online=False, generation=record.generation + 1)
        )

    async def reclaim(self, record: Record) -> Record:
        """Take back a tunnel whose workstation is here. Raises Conflict, DirectoryUnavailable."""
        return await self._directory.put(
            replace(record, home=self._me, online=True, generation=record.generation + 1)
        )

    async def inherit(self, record: Record) -> Record:
        """Take over a tunnel as it is. Raises Conflict, DirectoryUnavailable."""
        return await self._directory.put(replace(record, home=self._me, generation=record.generation + 1))

    def home_of(self, tunnel_id: str) -> str:
        """Return the worker that is the tunnel's home by the copy here; empty if it is not known."""
        record = self._directory.get(tunnel_id)
        return record.home if record else ""

    async def rewrite(self, record: Record, /, **changes: object) -> Record:
        """Change our own record, at the same generation. Raises Conflict, DirectoryUnavailable."""
        return await self._directory.put(replace(record, **changes))

    def made_by(self, maker: str) -> int:
        """Return how many tunnels are known that this registration key has made."""
        return self._directory.made_by(maker)

    async def forget(self, record: Record) -> None:
        """Delete a tunnel's record. Raises Conflict, DirectoryUnavailable."""
        await self._directory.forget(record)

    async def sweep(self) -> None:
        """Remove the remains of forgotten tunnels from the store. Raises DirectoryUnavailable."""
        await self._directory.sweep()

    def untouched(self) -> list[Record]:
        """Return the tunnels that never had a device."""
        return self._directory.untouched()

    def current(self, tunnel_id: str) -> Record | None:
        """Return the tunnel's record by the copy here."""
        return self._directory.get(tunnel_id)

    def newer(self, record: Record) -> bool:
        """Return whether the directory holds a later claim than ``record``."""
        current = self._directory.get(record.tunnel_id)
        return current is not None and current.generation > record.generation


def _overtakes(current: Record, arrival: Arrival) -> bool:
    """Return whether the current claim is that of a later registration, which was faster.

    Times are compared only if the record has changed since the arrival: the clocks of two hosts need to agree
    only within such a race."""
    return current.online and current.generation > arrival.generation and current.online_since > arrival.at
