"""A home's view of another worker that has clients, or watch calls, of its tunnel."""

import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from tiflis.bus.channels.channel import Channel
from tiflis.bus.errors import ChannelClosed
from tiflis.protocol.errors import InternalError, TunnelError
from tiflis.relay.home import Home
from tiflis.relay.remote import envelope
from tiflis.relay.remote.envelope import CONNECTED, RECONNECT, TOLD_OFFLINE, Arrival, ChannelPosition
from tiflis.relay.remote.snapshot import EdgeSnapshot, client_snapshot
from tiflis.relay.remote.transit import Replay

log = logging.getLogger(__name__)

STAGES_KEPT = 4  # former channels of an edge that still matter after so many moves within one outage


class RemoteClient:
    """A client that is connected to the other worker."""

    __slots__ = ("_channel", "connected", "connection", "device_id", "number", "reconnect", "told_offline")

    def __init__(self, channel: Channel, arrival: Arrival) -> None:
        self._channel = channel
        self.number, self.device_id = arrival.number, arrival.device_id
        self.connection = arrival.connection
        self.connected = bool(arrival.flags & CONNECTED)
        self.told_offline = bool(arrival.flags & TOLD_OFFLINE)
        self.reconnect = bool(arrival.flags & RECONNECT)

    def send(self, text: bytes) -> None:
        self._channel.send(envelope.numbered(envelope.SEND, self.number, text))

    def accept(self, text: bytes) -> None:
        self.connected = True
        self.told_offline = False
        self._channel.send(envelope.numbered(envelope.ACCEPT, self.number, text))

    def refuse(self, text: bytes) -> None:
        self._channel.send(envelope.numbered(envelope.REFUSE, self.number, text))

    def tell(self, online: bool) -> None:
        self.told_offline = not online
        self._channel.send(envelope.numbered(envelope.TELL, self.number, bytes((online,))))

    def here(self) -> None:
        self._channel.send(envelope.numbered(envelope.HERE, self.number))


HandOver = Callable[[Home, Channel, int], Coroutine[Any, Any, None]]
"""Hands a tunnel to the worker at the other end of the channel, which has claimed it by this generation."""


class EdgeSession:
    """The home's end of a channel to an edge."""

    def __init__(self, home: Home, channel: Channel, hand_over: HandOver) -> None:
        self.home, self.channel = home, channel
        self._worker, self._hand_over = home.worker, hand_over
        self.clients: dict[int, RemoteClient] = {}
        self._moving = False
        self._held = self._settling = False
        self._landing = Replay(home, [])
        self._resumed: list[ChannelPosition] = []  # while the home may not act upon it yet
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
        }
        home.join(self)

    # What the channel calls

    def received(self, channel: Channel, message: bytes) -> None:
        self._acts[message[0]](message)

    def writable_changed(self, channel: Channel, writable: bool) -> None:
        self.home.backpressure.press(self, not writable)

    def closed(self, channel: Channel, undelivered: list[bytes]) -> None:
        """The edge has died, and its clients with it; or it lives, and they come back by another way."""
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

    # What the edge says

    def _message(self, message: bytes) -> None:
        number, request, text = envelope.read_message(message)
        client = self.clients.get(number)
        if client is not None:
            self.home.forward(client, request, text)

    def _attach(self, message: bytes) -> None:
        arrival = envelope.read_attach(message)
        client = self.clients[arrival.number] = RemoteClient(self.channel, arrival)
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

    def _detach(self, message: bytes) -> None:
        number, _ = envelope.read_numbered(message)
        client = self.clients.pop(number, None)
        if client is not None:
            self.home.leave(client)
        self.home.arrived(self.channel.peer, number)

    def _call(self, message: bytes) -> None:
        self._worker.spawn(self._answer(message))

    async def _answer(self, message: bytes) -> None:
        number, operation, arguments, body = envelope.read_call(message)
        try:
            answer = envelope.answered(await self.home.call(operation, arguments, body))
        except TunnelError as problem:
            answer = envelope.failed(problem)
        except Exception:  # outermost frame of the task: the caller hears of it, the log has the traceback
            log.exception("call failed", extra={"tunnel": self.home.tunnel_id, "operation": operation})
            answer = envelope.failed(InternalError())
        with contextlib.suppress(ChannelClosed):  # the caller knows that too
            self.channel.send(envelope.numbered(envelope.REPLY, number, answer))

    def _move(self, message: bytes) -> None:
        self._moving = True

    def _resume(self, message: bytes) -> None:
        """Clients come who were at another home: that one's state may still be on its way here."""
        stages = envelope.read_stages(message[1:])
        if self._worker.lock(self.home.tunnel_id).locked():
            self._settling, self._resumed = True, stages
            self.channel.hold()
            self._worker.spawn(self._land_later(stages))
        else:
            self._landing = self.home.land(stages)

    async def _land_later(self, stages: list[ChannelPosition]) -> None:
        async with self._worker.lock(self.home.tunnel_id):
            self._settling, self._resumed = False, []
            if not self.home.retired:
                self._landing = self.home.land(stages)
                self.hold(self._held)

    def _again(self, message: bytes) -> None:
        marks, inner = envelope.read_again(message)
        number, request, text = envelope.read_message(inner)
        client = self.clients.get(number)
        if client is not None:
            self._landing.again(client, marks, request, text)

    def _left(self, message: bytes) -> None:
        marks, device_id, number = envelope.read_left(message)
        self._landing.left(marks, device_id, (self.channel.peer, number))

    def _take(self, message: bytes) -> None:
        self._worker.spawn(self._hand_over(self.home, self.channel, envelope.read_take(message)))

    # What the home says

    def broadcast(self, text: bytes) -> None:
        if self.clients:
            self.channel.send([_BROADCAST, text])

    def sockets(self) -> set[tuple[str, int]]:
        """The edge's clients as (worker, socket number)."""
        return {(self.channel.peer, number) for number in self.clients}

    def snapshot(self, me: str) -> EdgeSnapshot:
        channel = self.channel
        stage = ChannelPosition(channel.peer, me, channel.number, channel.consumed)
        return EdgeSnapshot(
            channel.peer,
            [*self._landing.stages, stage][-STAGES_KEPT:],
            channel.owed(),
            [client_snapshot(client, number) for number, client in self.clients.items()],
            self._resumed,
        )

    def close(self) -> None:
        """The tunnel moves: the edge has to find its new home."""
        self.channel.close()

    def hold(self, held: bool) -> None:
        self._held = held
        if held or self._settling:
            self.channel.hold()
        else:
            self.channel.resume()


_BROADCAST = bytes((envelope.BROADCAST,))
