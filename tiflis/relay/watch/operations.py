"""What the calls of a tunnel's watches do (protocol, section 4), at the tunnel's home."""

import contextlib
from collections.abc import Callable
from typing import Any

from tiflis.clock import running_clock
from tiflis.limits import MIB
from tiflis.protocol import head, messages, states
from tiflis.protocol.errors import InvalidPayload, SendFailed, WorkstationOffline
from tiflis.relay.watch.device import Watch
from tiflis.relay.watch.interfaces import QueueLimits, WatchesHome
from tiflis.relay.watch.queue import Reading
from tiflis.relay.watch.registry import WatchRegistry

__all__ = ["OPERATIONS", "QueueLimits", "WatchOperations", "WatchesHome"]

OPERATIONS = frozenset({"connect", "command", "messages", "state", "disconnect"})

ANSWER_BYTES = 4 * MIB  # of messages in one answer to a poll; a larger message comes alone


class WatchOperations(WatchRegistry):
    """Operations raise errors of ``tiflis.protocol.errors`` and give plain dicts of str, int and bool."""

    async def call(self, operation: str, arguments: dict[str, Any], body: bytes = b"") -> dict[str, Any]:
        """One of OPERATIONS; ``arguments`` are those of the method of that name."""
        if operation not in OPERATIONS:
            raise InvalidPayload(f"There is no operation {operation!r}")
        await self._ready()
        if operation == "command":
            return await self.command(**arguments, text=body)
        method: Callable[..., Any] = getattr(self, operation)
        answer: dict[str, Any] = await method(**arguments)
        return answer

    async def connect(self, device_id: str, auth_key: str) -> dict[str, Any]:
        """A fresh queue, numbers from 1."""
        await self._attach(device_id, auth_key)
        return {
            "success": True,
            "tunnel_id": self._tunnel_id,
            "workstation_online": self._home.workstation_online,
            "workstation_name": self._home.workstation_name,
        }

    async def command(self, device_id: str, auth_key: str, text: bytes) -> dict[str, Any]:
        """``text``: the message for the workstation (3.2)."""
        fields = head.peek(text)
        act = states.act(states.Role.CLIENT, fields.type)
        if act is states.Act.REFUSE:
            raise InvalidPayload("A watch may not send a message of this type")
        if act is states.Act.CHECK_AUTH and messages.read_auth(fields.payload)[1] != device_id:
            raise InvalidPayload("The auth message is not this watch's own")
        if not self._home.workstation_online:
            raise WorkstationOffline
        watch = self._watches.get(device_id) or await self._attach(device_id, auth_key, since=0)
        self._called(watch)
        if act is states.Act.PONG:
            if head.is_number(fields.timestamp):
                self.deliver_to(device_id, messages.pong(fields.timestamp))
            return {"success": True}
        if act is states.Act.CHECK_AUTH:
            watch.introduced = True
        elif not watch.introduced:
            self._introduce(watch, auth_key)
        spliced = head.splice_device_id(text, device_id)
        self._home.to_workstation(spliced, device_id, head.request_id(bytes(fields.id)))
        return {"success": True}

    async def messages(
        self, device_id: str, auth_key: str, since: int = 0, ack: int = 0, wait: float = 0.0
    ) -> dict[str, Any]:
        """``messages_json``: the array as JSON text, each ``data`` in it as the workstation wrote it."""
        watch = self._watches.get(device_id)
        if watch is None and not self._has_departed(device_id):
            watch = await self._attach(device_id, auth_key, since)
        if watch is not None:
            self._called(watch)
            if watch.queue.acknowledge(ack) | watch.queue.acknowledge(since):
                self._journal.touch(device_id)
                self._writer.kick()
        return self._answer(await self._read(watch, since, wait))

    async def _read(self, watch: Watch | None, since: int, wait: float) -> Reading:
        clock = running_clock()
        deadline = clock.time() + wait
        while watch is not None:
            watch.queue.expire(self._clock())
            reading = watch.queue.read(since)
            left = deadline - clock.time()
            if reading.messages or reading.missed or left <= 0 or self._closed:
                return reading
            await watch.wait(left)
            watch = self._watches.get(watch.device_id)
            if watch is not None:
                self._called(watch)
        return Reading([], 0, 0, since > 0)

    def _answer(self, reading: Reading) -> dict[str, Any]:
        reading = _portion(reading)
        items = [
            b'{"sequence":%d,"timestamp":"%s","data":%s}' % (number, message.stamp.encode(), message.text)
            for number, message in reading.messages
        ]
        return {
            "messages_json": (b"[" + b",".join(items) + b"]").decode(),
            "current_sequence": reading.current,
            "workstation_online": self._home.workstation_online,
            "oldest_available_sequence": reading.oldest,
            "may_have_missed_messages": reading.missed,
        }

    async def state(self, device_id: str, auth_key: str = "") -> dict[str, Any]:
        watch = self._watches.get(device_id)
        if watch is not None:
            self._called(watch)
            watch.queue.expire(self._clock())
        return {
            "connected": watch is not None,
            "workstation_online": self._home.workstation_online,
            "workstation_name": self._home.workstation_name,
            "queue_size": watch.queue.waiting if watch else 0,
            "current_sequence": watch.queue.shown if watch else self._numbers.get(device_id) or 0,
        }

    async def disconnect(self, device_id: str, auth_key: str = "") -> dict[str, Any]:
        watch = self._watches.get(device_id)
        if watch is None:
            return {"success": False}
        self._leave(watch, orderly=True)
        self._note_departure(device_id)
        with contextlib.suppress(SendFailed):
            await self._settle()
        return {"success": True}


def _portion(reading: Reading) -> Reading:
    """Return what goes into one answer; the watch asks for the rest with the number that this one ends in."""
    size = 0
    for at, (_, message) in enumerate(reading.messages):
        size += len(message.text)
        if at and size > ANSWER_BYTES:
            return reading._replace(messages=reading.messages[:at], current=reading.messages[at - 1][0])
    return reading
