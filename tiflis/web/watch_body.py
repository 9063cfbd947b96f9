"""Bodies of watch calls: the key is checked before much of a body is kept.

A key in the headers is compared before the body is read, a key in the body as soon as it has arrived. The
shipped watch writes its members in any order, so the key may come last. Until then the body counts against
its address, the part above 1 MiB is kept in an unnamed file, and a minimum rate is required.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import BinaryIO, cast

from sanic import Request

from tiflis.clock import running_clock
from tiflis.limits import KIB, MIB
from tiflis.protocol.attempts import address_group
from tiflis.protocol.errors import BodyTimeout, InvalidPayload, MissingParameters, SendFailed, TooLarge
from tiflis.protocol.skim import Skim
from tiflis.relay.pinned import NO_TUNNEL, Hold, Kind, Pinned
from tiflis.web.sanic_internals import body_stream, more_body_expected
from tiflis.web.watch_parameters import Credentials, credentials, read_headers

log = logging.getLogger(__name__)

PATIENCE = 4  # times the limit: how much of too large a body is read before the connection is cut
IN_MEMORY = MIB  # bytes of a body without a key that are kept there
CROWDED = 16 * MIB  # bytes of all such bodies of a worker; above it each keeps only so many:
IN_MEMORY_CROWDED = 64 * KIB
STRANGERS = 512 * MIB  # bytes of the bodies of all addresses that have not presented a right key
KNOWN_ADDRESSES = 4096  # remembered; each has a budget of its own
WINDOW = 10.0  # s
LEAST = 32 * KIB  # bytes within a window: a bad mobile line carries several times as many

_NAMES = frozenset(Credentials._fields) - {"auth_keys"} | {"auth_key"}

Authorise = Callable[[Request, Credentials], Awaitable[None]]


class Bodies:
    """The bodies that one worker is reading."""

    def __init__(self, pinned: Pinned, authorise: Authorise, largest: int, an_address: int) -> None:
        """``authorise`` raises for a wrong key; ``an_address``: limit of bytes without a key per address."""
        self.pinned, self.authorise, self.largest = pinned, authorise, largest
        self.in_memory = 0  # bytes of bodies without a key
        self._an_address = an_address
        self._used: dict[str, int] = {}  # bytes without a key, by address
        self._known: dict[str, None] = {}  # addresses that have shown a right key, the latest last

    async def read(self, request: Request, address: str) -> tuple[Credentials | None, bytes, AsyncExitStack]:
        """Return the credentials in the headers, if there are any, the body, and a stack that releases it.

        Raise the errors of ``authorise``, TooLarge, BodyTimeout, SendFailed if a budget is used up, and
        InvalidPayload for a large body without credentials.
        """
        address = address_group(address)
        async with AsyncExitStack() as stack:
            body = _Body(self, request, address, stack)
            found = read_headers(request.headers)
            if found is not None:
                await body.belongs_to(found)
            text = await body.read()
            return found, text, stack.pop_all()

    def use(self, address: str, size: int) -> bool:
        """Add bytes without a key to an address's count (negative: subtract); return whether there is
        room."""
        used = self._used.get(address, 0) + size
        if size > 0 and (used > self._an_address or not self._room(address, size)):
            return False
        if used:
            self._used[address] = used
        else:
            self._used.pop(address, None)
        return True

    def _room(self, address: str, size: int) -> bool:
        strangers = sum(used for one, used in self._used.items() if one not in self._known)
        return address in self._known or strangers + size <= STRANGERS

    def know(self, address: str) -> None:
        """Record that an address has presented a right key."""
        self._known.pop(address, None)
        self._known[address] = None
        if len(self._known) > KNOWN_ADDRESSES:
            del self._known[next(iter(self._known))]


class _Body:
    """One body that is being read."""

    def __init__(self, bodies: Bodies, request: Request, address: str, stack: AsyncExitStack) -> None:
        self._bodies, self._request, self._address, self._stack = bodies, request, address, stack
        self._skim: Skim | None = Skim(_NAMES)  # None once a right key has been seen
        self._hold: Hold = stack.enter_context(bodies.pinned.account(NO_TUNNEL).hold(Kind.BODIES))
        self._file: BinaryIO | None = None
        self._parts: list[bytes] = []
        self._size = self._used = self._in_memory = 0
        stack.callback(self._settle)

    async def belongs_to(self, found: Credentials) -> None:
        """Have the key compared; from then on the body counts against its tunnel."""
        await self._bodies.authorise(self._request, found)
        self._bodies.know(self._address)
        self._skim = None
        self._settle()
        self._hold.move(self._bodies.pinned.account(found.tunnel_id))
        if self._file is not None:
            file, self._file = self._file, None
            self._take(self._size - sum(map(len, self._parts)))
            with file:
                file.seek(0)
                self._parts.insert(0, await asyncio.to_thread(file.read))

    def _settle(self) -> None:
        """Subtract this body's bytes from its address's count."""
        self._bodies.use(self._address, -self._used)
        self._bodies.in_memory -= self._in_memory
        self._used = self._in_memory = 0

    async def read(self) -> bytes:
        """Return the whole body. A body that is too large is read on for a while, because closing the
        connection under it would lose the answer."""
        stream = body_stream(self._request, PATIENCE * self._bodies.largest)
        pace = _Pace()
        while (part := await pace.wait(stream.read())) is not None:
            self._size += len(part)
            if self._size <= self._bodies.largest:
                await self._keep(part)
        if self._size > self._bodies.largest:
            raise TooLarge
        if self._file is not None:
            raise (
                MissingParameters
                if self._skim and not self._skim.lost
                else InvalidPayload("The credentials of a large body must be among its first members")
            )
        whole, self._parts = b"".join(self._parts), []
        return whole

    async def _keep(self, part: bytes) -> None:
        if self._skim is None:
            self._take(len(part))
            self._parts.append(part)
            return
        if not self._bodies.use(self._address, len(part)):
            raise SendFailed("Too many bodies without a key are under way; try again")
        self._used += len(part)
        self._put_aside(part)
        self._skim.feed(part)
        if len(self._skim.found) == len(_NAMES) and (self._file is not None or self._more_to_come()):
            found = self._skim.found
            await self.belongs_to(credentials(found["tunnel_id"], [found["auth_key"]], found["device_id"]))

    def _more_to_come(self) -> bool:
        """Return whether more of the body is expected; a complete body is checked in the usual order."""
        return more_body_expected(self._request)

    def _put_aside(self, part: bytes) -> None:
        try:
            self._write_aside(part)
        except OSError as problem:  # no folder for temporary files, or a full one
            log.warning("body cannot be kept in a file", extra={"reason": problem.strerror})
            raise SendFailed(
                "The server has no room for a large body whose key comes last; try again"
            ) from None

    def _write_aside(self, part: bytes) -> None:
        overfull = self._bodies.in_memory > CROWDED
        if self._file is None and self._size > (IN_MEMORY_CROWDED if overfull else IN_MEMORY):
            self._file = cast(BinaryIO, tempfile.TemporaryFile())  # the stack closes it
            self._stack.callback(self._file.close)
            self._file.write(b"".join(self._parts))
            self._parts.clear()
            self._hold.release()
            self._bodies.in_memory -= self._in_memory
            self._in_memory = 0
        if self._file is not None:
            self._file.write(part)
            return
        self._take(len(part))
        self._parts.append(part)
        self._in_memory += len(part)
        self._bodies.in_memory += len(part)

    def _take(self, size: int) -> None:
        if not self._hold.take(size):
            raise SendFailed("The server is busy; try again")


class _Pace:
    """Ends a body that arrives too slowly."""

    def __init__(self) -> None:
        self._clock = running_clock()
        self._began, self._came = self._clock.time(), 0

    async def wait(self, part: Awaitable[bytes | None]) -> bytes | None:
        """Return the next part. Raise BodyTimeout if less than LEAST has arrived within WINDOW."""
        try:
            async with self._clock.timeout(self._began + WINDOW - self._clock.time()):
                came = await part
        except TimeoutError:
            raise BodyTimeout from None
        self._came += len(came or b"")
        if self._came >= LEAST:
            self._began, self._came = self._clock.time(), 0
        return came
