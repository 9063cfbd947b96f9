"""An edge: the route from this worker's clients, and watch calls, to a home in another worker."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from tiflis import metrics
from tiflis.bus.channels.channel import Channel, ChannelHandler
from tiflis.limits import MIB
from tiflis.protocol import hold, messages
from tiflis.protocol.errors import SendFailed, WorkstationOffline
from tiflis.protocol.hold import Request
from tiflis.protocol.spliced import SplicedText
from tiflis.relay.remote import envelope
from tiflis.relay.remote.envelope import (
    CONNECTED,
    MARKED,
    RECONNECT,
    TOLD_OFFLINE,
    Arrival,
    ChannelPosition,
    Positions,
)
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.session import Place
from tiflis.relay.watch.calls import Call, Command
from tiflis.relay.watch.interfaces import WatchesMoved

log = logging.getLogger(__name__)

FULL = 32 * MIB  # unconsumed by the home: one more message of 50 MiB fits below the channel's cap
DEPARTED_LIMIT = 256  # clients kept after they have left: their last messages may be unacknowledged
POSITIONS_KEPT = 4  # former channels whose positions are kept; more moves within one outage are a storm


class Opener(Protocol):
    """Opens a channel to another worker, for one tunnel."""

    def __call__(self, peer: str, tunnel_id: str, handler: ChannelHandler, /) -> Channel: ...


class UnconfirmedMessage(NamedTuple):
    """A client's message that no home has confirmed; ``marks``: where it ends in its channels so far."""

    client: ClientSession
    request: bytes
    text: bytes
    marks: Positions


class Edge:
    """A route to a home in another worker. Once closed it only keeps what has to be sent by another route."""

    path: ClassVar[str] = "bus"

    def __init__(
        self,
        me: str,
        peer: str,
        tunnel_id: str,
        opener: Opener,
        closed: Callable[["Edge"], None],
        stays: bool = True,
        sees: bool = True,
    ) -> None:
        """``stays``: the home's code knows CURSOR, HOLD and PING; ``sees``: it knows SEEN."""
        self._stays, self._sees = stays, sees
        self._me, self.peer, self.tunnel_id = me, peer, tunnel_id
        self.clients: dict[int, ClientSession] = {}
        self.places: dict[int, list[Place]] = {}  # former ones, until the home has consumed ATTACH
        self.calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.undelivered: list[UnconfirmedMessage] = []
        self.adrift = False  # closed, and no other route was found within the grace
        self._open = True
        # How much this worker has consumed of its clients' former channels and, once closed, of this one.
        self.positions: list[ChannelPosition] = []
        self._pressing: set[ClientSession] = set()
        self._before_here: set[int] = set()  # clients that get no broadcasts until their HERE has come
        self._departed: dict[int, ClientSession] = {}  # clients that left lately
        self.leavers: list[tuple[ClientSession, Positions]] = []  # clients that left, unconfirmed by a home
        self._closed = closed
        self._last_call = 0
        self._moved: asyncio.Future[bool] | None = None
        self._channel = opener(peer, tunnel_id, self)

    # Calls of clients

    @property
    def open(self) -> bool:
        """Whether messages can be sent to the home: not once the channel is being closed."""
        return self._open and not self._channel.closing

    def attach(self, client: ClientSession, request: bytes = b"", places: Sequence[Place] = ()) -> None:
        number = client.wire.number
        self.clients[number] = client
        if places:
            self.places[number] = list(places)
        if self.open:
            flags = CONNECTED * client.connected | TOLD_OFFLINE * client.told_offline
            flags |= RECONNECT * client.reconnect | MARKED * client.marked
            if self._stays and client.cursor is not None and not client.connected:
                self._channel.send(envelope.numbered(envelope.CURSOR, number, client.cursor.text()))
            arrival = Arrival(
                number,
                flags,
                request,
                client.device_id,
                list(places),
                client.wire.connection_id,
                client.key_id,
            )
            self._channel.send(envelope.attach(arrival))
            if client.connected:
                self._before_here.add(number)
            client.hold(self._full)

    def resume(self, positions: list[ChannelPosition]) -> None:
        """Send the positions of their former channels before the clients of another route are attached."""
        self.positions = [*self.positions, *positions][-POSITIONS_KEPT:]
        if self.open:
            self._channel.send(envelope.resume(positions))

    def press(self, client: ClientSession, high: bool) -> None:
        """Consume nothing from the home while too much waits for any client."""
        (self._pressing.add if high else self._pressing.discard)(client)
        if self.open:
            (self._channel.hold if self._pressing else self._channel.resume)()

    def detach(self, client: ClientSession) -> None:
        if client in self._pressing:
            self.press(client, False)
        number = client.wire.number
        self._before_here.discard(number)
        if self.clients.pop(number, None) is None:
            return
        if self.open:
            self._channel.send(envelope.numbered(envelope.DETACH, number))
            self._remember(client)
        else:
            self.leavers.append((client, []))

    def _remember(self, client: ClientSession) -> None:
        self._departed[client.wire.number] = client
        if len(self._departed) > DEPARTED_LIMIT:
            del self._departed[next(iter(self._departed))]

    def left(self, client: ClientSession, marks: Positions) -> None:
        """Report a client that has gone; a former home may have consumed its DETACH."""
        if self.open:
            self._channel.send(envelope.left(marks, client.device_id, client.wire.number))
            self._remember(client)
        else:
            self.leavers.append((client, marks))

    def forward(self, client: ClientSession, request: bytes, text: bytes | SplicedText) -> None:
        if isinstance(text, SplicedText):
            if client.key_id and self.open and self._sees:
                self._channel.send(envelope.seen(client.wire.number, text.kind, text.formed))
            text = bytes(text)
        if self.open:
            self._channel.send(envelope.message(client.wire.number, request, text))
            if not self._channel.writable:
                self._slow_down(client)
        elif self.adrift:
            metrics.count("undelivered_total")
            client.send(messages.error(WorkstationOffline(), request))
        else:
            self.undelivered.append(UnconfirmedMessage(client, request, text, []))

    def keep(self, client: ClientSession, request: Request) -> None:
        if self.open and self._stays:
            number = client.wire.number
            self._channel.send(envelope.numbered(envelope.HOLD, number, hold.encode(request)))
        elif request.kind == hold.HELD:
            client.send(hold.listing(None))
        elif request.kind != hold.UNHOLD:  # one that was to be cancelled may still be delivered
            client.send(hold.receipt(request.id, "refused", reason="unavailable"))

    def note(self, client: ClientSession, text: bytes) -> None:
        if self.open and self._stays:
            self._channel.send(envelope.numbered(envelope.PING, client.wire.number, text))

    def forward_auth(self, client: ClientSession, request: bytes, text: bytes) -> None:
        """Forward as it is: the home knows the workstation's key."""
        self.forward(client, request, text)

    def again(self, message: UnconfirmedMessage) -> None:
        """Forward a message that a former home may have consumed."""
        if self.open and message.marks:
            number = message.client.wire.number
            again = envelope.again(message.marks, number, message.request, message.text)
            self._channel.send(again)
        elif self.open:
            self.forward(message.client, message.request, message.text)
        else:
            self.undelivered.append(message)

    def _slow_down(self, client: ClientSession) -> None:
        """Pause a client that sends to a slow home until the home has caught up; all clients above FULL.

        Below, clients that send nothing are read, so that their pings are answered: a phone gives up after
        5 s without a pong.
        """
        for one in self.clients.values() if self._full else (client,):
            one.hold(True)

    @property
    def _full(self) -> bool:
        return not self._channel.writable and self._channel.buffered > FULL

    async def call(self, call: Call) -> dict[str, Any]:
        """Run a watch's call at the home.

        Raises the home's TunnelError, WatchesMoved if the call may be made by another route, or SendFailed if
        its outcome is unknown.
        """
        if not self.open:
            raise WatchesMoved
        self._last_call = number = (self._last_call + 1) & 0xFFFFFFFF
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.calls[number] = answer
        self._channel.send(envelope.call(number, call))
        try:
            return await answer
        finally:
            self.calls.pop(number, None)

    @property
    def waiting(self) -> int:
        """Bytes that wait for another route to the tunnel's home."""
        return sum(len(message.text) for message in self.undelivered)

    @property
    def idle(self) -> bool:
        return not self.clients and not self.calls

    async def move_away(self) -> bool:
        """Have the home keep the clients' places: they are paused and go to another worker.

        Return whether the home has confirmed; all that it sent before has then arrived here.
        """
        if not self.open:
            return False
        self._moved = asyncio.get_running_loop().create_future()
        self._channel.send(bytes((envelope.MOVING,)))
        self._channel.close()
        self._open = False
        return await self._moved

    def give_up(self) -> None:
        """Abandon the channel to a dead home at once; the clients find another."""
        self._channel.abandon()

    def close(self) -> None:
        """Close an edge that has no clients and no calls."""
        if self.open:
            self._open = False
            self._channel.close()

    # Callbacks of the channel

    def received(self, channel: Channel, message: bytes) -> None:
        kind = message[0]
        if kind == envelope.REPLY:
            self._reply(message)
        elif kind == envelope.HERE:
            self._before_here.discard(envelope.read_numbered(message)[0])
        elif kind == envelope.BROADCAST and self._before_here:
            known = {number: one for number, one in self.clients.items() if number not in self._before_here}
            envelope.deliver(message, known)
        else:
            envelope.deliver(message, self.clients)

    def writable_changed(self, channel: Channel, writable: bool) -> None:
        if writable:
            for client in self.clients.values():
                client.hold(False)

    def closed(self, channel: Channel, undelivered: list[bytes]) -> None:
        self._open = False
        self._note_position(channel, undelivered)
        if self._moved is not None and not self._moved.done() and not undelivered:
            self._moved.set_result(True)
            self._fail_calls(set())
            return
        attached = [message for message in undelivered if message[0] == envelope.ATTACH]
        unsure = {envelope.read_attach(message).number for message in attached}
        self.places = {number: places for number, places in self.places.items() if number in unsure}
        for number, message in channel.unacked():
            # A peer that has reported its position has not consumed these; otherwise the next home may know.
            here = [] if channel.counted else [ChannelPosition(self._me, self.peer, channel.number, number)]
            self._keep(message, here)
        calls = [envelope.read_call(message) for message in undelivered if message[0] == envelope.CALL]
        safe = {number for number, call in calls if channel.counted or not isinstance(call, Command)}
        self._fail_calls(safe)
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(False)
        self._closed(self)

    def _fail_calls(self, safe: set[int]) -> None:
        """Fail the pending calls: WatchesMoved for those that are safe to retry, because the home never saw
        them or they are idempotent; else SendFailed (outcome unknown)."""
        for number, answer in self.calls.items():
            if not answer.done():
                answer.set_exception(WatchesMoved() if number in safe else SendFailed())

    def _note_position(self, channel: Channel, undelivered: list[bytes]) -> None:
        """Set the positions for the next home: only this channel's if the home consumed RESUME, else all."""
        confirmed = not any(message[0] == envelope.RESUME for message in undelivered)
        position = ChannelPosition(self._me, self.peer, channel.number, channel.consumed)
        self.positions = [position] if confirmed else [*self.positions, position][-POSITIONS_KEPT:]

    def _keep(self, message: bytes, here: Positions) -> None:
        """Keep an unconsumed message or departure; all else is sent anew."""
        kind = message[0]
        if kind == envelope.MESSAGE:
            self._keep_message(message, here)
        elif kind == envelope.AGAIN:
            marks, inner = envelope.read_again(message)
            self._keep_message(inner, marks + here)
        elif kind == envelope.DETACH:
            self._keep_leaver(envelope.read_numbered(message)[0], here)
        elif kind == envelope.LEFT:
            marks, _, number = envelope.read_left(message)
            self._keep_leaver(number, marks + here)

    def _keep_message(self, message: bytes, marks: Positions) -> None:
        number, request, text = envelope.read_message(message)
        client = self.clients.get(number) or self._departed.get(number)
        if client is not None:
            self.undelivered.append(UnconfirmedMessage(client, request, text, marks))

    def _keep_leaver(self, number: int, marks: Positions) -> None:
        if number in self._departed:
            self.leavers.append((self._departed[number], marks))

    def _reply(self, message: bytes) -> None:
        number, text = envelope.read_numbered(message)
        answer = self.calls.get(number)
        if answer is not None and not answer.done():
            try:
                answer.set_result(envelope.read_answer(text))
            except Exception as problem:  # noqa: BLE001 - the home's refusal, for the caller to raise
                answer.set_exception(problem)

    # The home is gone

    def announce_offline(self) -> None:
        """Tell the clients that the workstation is offline, and return their messages: there is no route."""
        for client in self.clients.values():
            if client.connected and not client.told_offline:
                client.notify(False)
        undelivered, self.undelivered = self.undelivered, []
        metrics.count("undelivered_total", by=len(undelivered))
        for message in undelivered:
            message.client.send(messages.error(WorkstationOffline(), message.request))
