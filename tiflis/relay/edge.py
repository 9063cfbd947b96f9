"""The way from this worker's clients, and watch calls, to a home elsewhere: a stretch of wire."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from tiflis.bus.channel import Channel, ChannelHandler
from tiflis.protocol import messages
from tiflis.protocol.errors import SendFailed, WorkstationOffline
from tiflis.relay import envelope
from tiflis.relay.client import ClientSession
from tiflis.relay.envelope import CONNECTED, RECONNECT, TOLD_OFFLINE, Arrival

log = logging.getLogger(__name__)


class Opener(Protocol):
    """Opens a channel to another worker, for one tunnel."""

    def __call__(self, peer: str, tunnel_id: str, handler: ChannelHandler, /) -> Channel: ...


class Edge:
    """A route to a home elsewhere. Once closed it only keeps what its owner has to send another way."""

    def __init__(self, peer: str, tunnel_id: str, opener: Opener, closed: Callable[["Edge"], None]) -> None:
        self.peer, self.tunnel_id = peer, tunnel_id
        self.clients: dict[int, ClientSession] = {}
        self.calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.undelivered: list[tuple[ClientSession, bytes, bytes]] = []
        self.adrift = False  # closed, and no other way has been found within the grace
        self.open = True
        self._closed = closed
        self._last_call = 0
        self._acts: dict[int, Callable[[bytes], None]] = {
            envelope.SEND: self._send,
            envelope.BROADCAST: self._broadcast,
            envelope.ACCEPT: self._accept,
            envelope.REFUSE: self._refuse,
            envelope.TELL: self._tell,
            envelope.REPLY: self._reply,
        }
        self._channel = opener(peer, tunnel_id, self)

    # What clients call

    def attach(self, client: ClientSession, request: bytes = b"") -> None:
        self.clients[client.wire.number] = client
        if self.open:
            flags = CONNECTED * client.connected | TOLD_OFFLINE * client.told_offline
            flags |= RECONNECT * client.reconnect
            self._channel.send(envelope.attach(Arrival(client.wire.number, flags, request, client.device_id)))
            client.hold(not self._channel.writable)

    def detach(self, client: ClientSession) -> None:
        if self.clients.pop(client.wire.number, None) is not None and self.open:
            self._channel.send(envelope.numbered(envelope.DETACH, client.wire.number))

    def forward(self, client: ClientSession, request: bytes, text: bytes) -> None:
        if self.open:
            self._channel.send(envelope.message(client.wire.number, request, text))
        elif self.adrift:
            client.send(messages.error(WorkstationOffline(), request))
        else:
            self.undelivered.append((client, request, text))

    async def call(self, operation: str, arguments: dict[str, Any], body: bytes) -> dict[str, Any]:
        """A watch's call at the home. Raises the home's TunnelError, or SendFailed if the way breaks."""
        if not self.open:
            raise SendFailed
        self._last_call = number = (self._last_call + 1) & 0xFFFFFFFF
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.calls[number] = answer
        self._channel.send(envelope.call(number, operation, arguments, body))
        try:
            return await answer
        finally:
            self.calls.pop(number, None)

    @property
    def idle(self) -> bool:
        return not self.clients and not self.calls

    def close(self) -> None:
        """Nobody here needs the tunnel any more."""
        if self.open:
            self.open = False
            self._channel.close()

    # What the channel calls

    def received(self, channel: Channel, message: bytes) -> None:
        self._acts[message[0]](message)

    def writable_changed(self, channel: Channel, writable: bool) -> None:
        for client in self.clients.values():
            client.hold(not writable)

    def closed(self, channel: Channel, undelivered: list[bytes]) -> None:
        self.open = False
        for message in undelivered:
            self._keep(message)
        for answer in self.calls.values():
            if not answer.done():
                answer.set_exception(SendFailed())
        self._closed(self)

    def _keep(self, message: bytes) -> None:
        """Of what the home has not consumed only messages matter; the rest is said anew to the next."""
        if message[0] == envelope.MESSAGE:
            number, request, text = envelope.read_message(message)
            client = self.clients.get(number)
            if client is not None:
                self.undelivered.append((client, request, text))

    # What the home says

    def _send(self, message: bytes) -> None:
        number, text = envelope.read_numbered(message)
        client = self.clients.get(number)
        if client is not None:
            client.wire.send(text)

    def _broadcast(self, message: bytes) -> None:
        text = message[1:]
        for client in self.clients.values():
            if client.connected:
                client.wire.send(text)

    def _accept(self, message: bytes) -> None:
        number, text = envelope.read_numbered(message)
        client = self.clients.get(number)
        if client is not None:
            client.accept(text)

    def _refuse(self, message: bytes) -> None:
        number, text = envelope.read_numbered(message)
        client = self.clients.pop(number, None)
        if client is not None:
            client.refuse(text)

    def _tell(self, message: bytes) -> None:
        number, online = envelope.read_numbered(message)
        client = self.clients.get(number)
        if client is not None:
            client.tell(online == b"\1")

    def _reply(self, message: bytes) -> None:
        number, text = envelope.read_numbered(message)
        answer = self.calls.get(number)
        if answer is not None and not answer.done():
            try:
                answer.set_result(envelope.read_answer(text))
            except Exception as problem:  # noqa: BLE001 - it is the home's refusal, for the caller to raise
                answer.set_exception(problem)

    # The home is gone

    def announce_offline(self) -> None:
        """The home has died: its clients hear at once, and what they had sent comes back to them."""
        for client in self.clients.values():
            if client.connected and not client.told_offline:
                client.tell(False)
        self.return_undelivered()

    def return_undelivered(self) -> None:
        undelivered, self.undelivered = self.undelivered, []
        for client, request, _ in undelivered:
            client.send(messages.error(WorkstationOffline(), request))
