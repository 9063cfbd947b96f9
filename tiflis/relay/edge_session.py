"""The home's end of a channel to an edge: another worker with clients, or watch calls, of the tunnel."""

import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from tiflis.bus.channels.channel import Channel
from tiflis.bus.errors import ChannelClosed
from tiflis.protocol import cursor, hold
from tiflis.protocol.errors import InternalError, InvalidPayload, TunnelError
from tiflis.relay.devices.access import Seen
from tiflis.relay.home import Home
from tiflis.relay.remote import envelope
from tiflis.relay.remote.envelope import (
    CONNECTED,
    MARKED,
    RECONNECT,
    TOLD_OFFLINE,
    Arrival,
    ChannelPosition,
)
from tiflis.relay.remote.snapshot import EdgeSnapshot, client_snapshot
from tiflis.relay.remote.transit import Replay
from tiflis.relay.sessions.session import Place
from tiflis.relay.watch.calls import operation_of

log = logging.getLogger(__name__)

POSITIONS_KEPT = 4  # former channels whose positions are kept; more moves within one outage are a storm


class RemoteClient:
    """A client behind an edge."""

    __slots__ = (
        "_channel",
        "connected",
        "connection",
        "cursor",
        "device_id",
        "key_id",
        "marked",
        "number",
        "reconnect",
        "told_offline",
    )

    def __init__(self, channel: Channel, arrival: Arrival) -> None:
        self._channel = channel
        self.number, self.device_id = arrival.number, arrival.device_id
        self.connection, self.key_id = arrival.connection, arrival.key_id
        self.connected = bool(arrival.flags & CONNECTED)
        self.told_offline = bool(arrival.flags & TOLD_OFFLINE)
        self.reconnect = bool(arrival.flags & RECONNECT)
        self.marked = bool(arrival.flags & MARKED)
        self.cursor: cursor.Cursor | None = None

    def _send(self, kind: int, text: bytes = b"") -> None:
        """Send to the edge, unless the channel is closing: the client finds the next home, which knows that
        it may have missed something."""
        if not self._channel.closing:
            self._channel.send(envelope.numbered(kind, self.number, text))

    def send(self, text: bytes) -> None:
        self._send(envelope.SEND, text)

    def accept(self, text: bytes) -> None:
        self.connected = True
        self.told_offline = False
        self.marked = self.cursor is not None and cursor.answers(text)
        self._send(envelope.ACCEPT, text)

    def refuse(self, text: bytes) -> None:
        self._send(envelope.REFUSE, text)

    def notify(self, online: bool) -> None:
        self.told_offline = not online
        self._send(envelope.TELL, bytes((online,)))

    def here(self) -> None:
        self._send(envelope.HERE)


HandOver = Callable[[Home, Channel, int], Coroutine[Any, Any, None]]
"""Hands a tunnel to the worker at the other end of the channel, which has claimed it by this generation."""


class EdgeSession:
    """The home's end of a channel to an edge."""

    def __init__(self, home: Home, channel: Channel, hand_over: HandOver) -> None:
        self.home, self.channel = home, channel
        self._worker, self._hand_over = home.worker, hand_over
        self.clients: dict[int, RemoteClient] = {}
        self._moving = False  # the edge's clients are about to go to another worker
        self._cursors: dict[int, cursor.Cursor] = {}  # of clients that are about to attach
        self._seen: dict[int, Seen] = {}  # of large messages that follow
        self._held = False  # the workstation reads slowly
        self._taking_over = False  # a RESUME waits for the last home's state
        self._replay = Replay(home, [])
        self._resumed: list[ChannelPosition] = []  # of that RESUME
        self._acts: dict[int, Callable[[bytes], None]] = {
            envelope.MESSAGE: self._message,
            envelope.ATTACH: self._attach,
            envelope.DETACH: self._detach,
            envelope.CALL: self._call,
            envelope.TAKE: self._take,
            envelope.MOVING: self._move,
            envelope.RESUME: self._resume,
            envelope.AGAIN: self._again,
            envelope.LEFT: self._left,
            envelope.CURSOR: self._cursor,
            envelope.PING: self._ping,
            envelope.HOLD: self._hold,
            envelope.SEEN: self._see,
        }
        home.join(self)

    # Callbacks of the channel

    def received(self, channel: Channel, message: bytes) -> None:
        self._acts[message[0]](message)

    def writable_changed(self, channel: Channel, writable: bool) -> None:
        self.home.backpressure.press(self, not writable)

    def closed(self, channel: Channel, undelivered: list[bytes]) -> None:
        """Detach the clients if the edge has died; else they come over another channel: keep their places.

        A silent edge does not count as dead yet: it may have been cut off only, and comes back.
        """
        snapshot = self.snapshot(self._worker.me)
        self.home.part(self)
        clients, self.clients = self.clients, {}
        if self.home.retired:
            return
        if self._moving or self._worker.alive(channel.peer):
            self.home.transit.step_out(snapshot, clients)
            return
        for client in clients.values():
            self.home.leave(client)

    # Messages from the edge

    def _message(self, message: bytes) -> None:
        number, request, text = envelope.read_message(message)
        client, seen = self.clients.get(number), self._seen.pop(number, None)
        if client is not None:
            self.home.from_edge(client, request, text, seen)

    def _see(self, message: bytes) -> None:
        number, kind, formed = envelope.read_seen(message)
        if number in self.clients:
            self._seen[number] = Seen(kind, formed)

    def _attach(self, message: bytes) -> None:
        arrival = envelope.read_attach(message)
        client = self.clients[arrival.number] = RemoteClient(self.channel, arrival)
        client.cursor = self._cursors.pop(arrival.number, None)
        log.debug(
            "client attached from elsewhere",
            extra={"connection": client.connection, "tunnel": self.home.tunnel_id, "at": self.channel.peer},
        )
        if client.connected:
            client.here()
        places = [(self.channel.peer, arrival.number), *arrival.places]
        self.home.arrive(client, arrival.request, places)
        for place in places:
            self.home.arrived(*place)

    def _cursor(self, message: bytes) -> None:
        number, text = envelope.read_numbered(message)
        found = cursor.read(text)
        if found is not None:
            self._cursors[number] = found

    def _hold(self, message: bytes) -> None:
        number, text = envelope.read_numbered(message)
        client = self.clients.get(number)
        if client is not None:
            self.home.held.ask(client, hold.decode(text))

    def _ping(self, message: bytes) -> None:
        number, text = envelope.read_numbered(message)
        client = self.clients.get(number)
        if client is not None:
            self.home.staying.pinged(client, text)

    def _detach(self, message: bytes) -> None:
        number, _ = envelope.read_numbered(message)
        client = self.clients.pop(number, None)
        self._seen.pop(number, None)
        if client is not None:
            self.home.leave(client)
        self.home.arrived(self.channel.peer, number)

    def _call(self, message: bytes) -> None:
        self._worker.spawn(self._answer(message))

    async def _answer(self, message: bytes) -> None:
        number, call = envelope.read_call(message)
        try:
            if call is None:
                raise InvalidPayload("There is no such call")
            answer = envelope.answered(await self.home.call(call))
        except TunnelError as problem:
            answer = envelope.failed(problem)
        except Exception:  # outermost frame of the task: the caller gets an error, the log the traceback
            fields = {"tunnel": self.home.tunnel_id, "operation": call and operation_of(call)}
            log.exception("call failed", extra=fields)
            answer = envelope.failed(InternalError())
        with contextlib.suppress(ChannelClosed):  # then the edge fails the call itself
            self.channel.send(envelope.numbered(envelope.REPLY, number, answer))

    def _move(self, message: bytes) -> None:
        self._moving = True

    def _resume(self, message: bytes) -> None:
        """Prepare for clients of another home, after that home's state has been taken over."""
        positions = envelope.read_positions(message[1:])
        if self._worker.lock(self.home.tunnel_id).locked():
            self._taking_over, self._resumed = True, positions
            self.channel.hold()
            self._worker.spawn(self._resume_later(positions))
        else:
            self._replay = self.home.reattach_edge(positions)

    async def _resume_later(self, positions: list[ChannelPosition]) -> None:
        async with self._worker.lock(self.home.tunnel_id):
            self._taking_over, self._resumed = False, []
            if not self.home.retired:
                self._replay = self.home.reattach_edge(positions)
                self.hold(self._held)

    def _again(self, message: bytes) -> None:
        marks, inner = envelope.read_again(message)
        number, request, text = envelope.read_message(inner)
        client = self.clients.get(number)
        if client is not None:
            self._replay.again(client, marks, request, text)

    def _left(self, message: bytes) -> None:
        marks, device_id, number = envelope.read_left(message)
        self._replay.left(marks, device_id, (self.channel.peer, number))

    def _take(self, message: bytes) -> None:
        self._worker.spawn(self._hand_over(self.home, self.channel, envelope.read_take(message)))

    # Messages to the edge

    def broadcast(self, text: bytes) -> None:
        if self.clients and not self.channel.closing:
            self.channel.send([_BROADCAST, text])

    def sockets(self) -> set[Place]:
        """Return the places of the edge's clients."""
        return {(self.channel.peer, number) for number in self.clients}

    def snapshot(self, me: str) -> EdgeSnapshot:
        """Return the clients and the messages unacknowledged between the edge and the home in ``me``."""
        channel = self.channel
        position = ChannelPosition(channel.peer, me, channel.number, channel.consumed)
        return EdgeSnapshot(
            channel.peer,
            [*self._replay.positions, position][-POSITIONS_KEPT:],
            channel.unacked(),
            [client_snapshot(client, number) for number, client in self.clients.items()],
            self._resumed,
        )

    def close(self) -> None:
        """Have the edge find the tunnel's new home."""
        self.channel.close()

    def hold(self, held: bool) -> None:
        """Stop or resume consuming what the edge sends."""
        self._held = held
        if held or self._taking_over:
            self.channel.hold()
        else:
            self.channel.resume()


_BROADCAST = bytes((envelope.BROADCAST,))
