"""Moves a tunnel's state from one home to another: the old one hands it over, the new one takes it."""

import asyncio
import contextlib
import logging

from tiflis.bus.channels.channel import Channel
from tiflis.clock import running_clock
from tiflis.relay.home import Home
from tiflis.relay.remote import envelope
from tiflis.relay.remote.edge import Opener
from tiflis.relay.sessions.client import ClientSession

log = logging.getLogger(__name__)

TAKE_SECONDS = 1.5  # how long the new home waits for the old one's state before it goes on without
REST_SECONDS = 0.5  # how long requests for held messages may take to be answered
RELEASE_SECONDS = 1.0  # how long the old home may take to write its watches down


class IgnoringHandler:
    """Ignores all events of a channel that has no home here."""

    def received(self, channel: Channel, message: bytes) -> None: ...
    def writable_changed(self, channel: Channel, writable: bool) -> None: ...
    def closed(self, channel: Channel, undelivered: list[bytes]) -> None: ...


IGNORING = IgnoringHandler()


class Taker(IgnoringHandler):
    """The new home's end: asks the old home for its state."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._state: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(self, old: str, opener: Opener) -> None:
        """Take over the tunnel's state from the worker ``old``, or go on without it after TAKE_SECONDS."""
        channel = opener(old, self._home.tunnel_id, self)
        channel.send(envelope.take(self._home.record.generation))
        try:
            async with running_clock().timeout(TAKE_SECONDS):
                encoded = await self._state
        except TimeoutError:
            encoded = b""
        channel.close()
        if not encoded:
            log.warning("old home gave no state", extra={"tunnel": self._home.tunnel_id, "from": old})
            return
        self._home.take(encoded, greet=True)

    def received(self, channel: Channel, message: bytes) -> None:
        if message[0] == envelope.STATE and not self._state.done():
            self._state.set_result(message[1:])

    def closed(self, channel: Channel, undelivered: list[bytes]) -> None:
        if not self._state.done():
            self._state.set_result(b"")


async def write_down(home: Home) -> None:
    """Store the watches of a home that moves; if that fails, the next home announces a gap. Its requests for
    held messages are answered before."""
    with contextlib.suppress(TimeoutError):
        async with running_clock().timeout(REST_SECONDS):
            await home.held.rest()
    try:
        async with running_clock().timeout(RELEASE_SECONDS):
            home.written_down = await home.watches.release()
    except TimeoutError:
        home.written_down = False
    if not home.written_down:
        log.warning("watches not written down", extra={"tunnel": home.tunnel_id})


async def hand_over(home: Home, channel: Channel) -> list[ClientSession]:
    """Send the home's state to the new one at the other end of ``channel``, and retire the home.

    Return the clients of this worker, which have to find the new home.
    """
    await write_down(home)
    # From here on without an await: no message may come between the state and the closing of the channels.
    clients = home.clients()
    edge_sessions = list(home.edge_sessions)
    home.presence.answer_waiting()  # before the export: clients in transit carry their answers along
    state = home.export()
    home.retire()
    if not (channel.ended or channel.closing):
        channel.send([bytes((envelope.STATE,)), state])
    for edge_session in edge_sessions:
        edge_session.close()
    return clients
