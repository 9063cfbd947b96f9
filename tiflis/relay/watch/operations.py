"""Answers the calls of a tunnel's watches (protocol, section 4), at the tunnel's home."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import msgspec

from tiflis.clock import running_clock
from tiflis.limits import MIB
from tiflis.protocol import head, messages, states
from tiflis.protocol.errors import InvalidAuthKey, InvalidPayload, SendFailed, WorkstationOffline
from tiflis.protocol.scan import LARGE
from tiflis.protocol.spliced import SplicedText
from tiflis.relay.pinned import Account
from tiflis.relay.watch import reading
from tiflis.relay.watch.calls import Call, Command, Connect, Disconnect, Messages, State, SubscriptionChanged
from tiflis.relay.watch.device import Watch
from tiflis.relay.watch.interfaces import QueueLimits, WatchesHome, WatchesMoved
from tiflis.relay.watch.queue import Reading
from tiflis.relay.watch.registry import WatchRegistry
from tiflis.relay.watch.store import WatchStore

__all__ = ["QueueLimits", "WatchOperations", "WatchesHome"]

EXPECT_SECONDS = 0.05  # between two looks for a workstation that is expected
ANSWER_BYTES = 4 * MIB  # of messages per answer to a poll; a larger message is sent alone


class WatchOperations:
    """The tunnel's watches as its home uses them: answers their calls, and passes deliveries to ``registry``.
    Calls raise errors of ``tiflis.protocol.errors`` and return plain dicts of str, int and bool."""

    def __init__(
        self,
        tunnel_id: str,
        home: WatchesHome,
        store: WatchStore,
        limits: QueueLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        account: Account | None = None,
    ) -> None:
        """``account``: of the tunnel's pinned bytes."""
        self._tunnel_id = tunnel_id
        self._home = home
        self._clock = clock
        self.registry = registry = WatchRegistry(tunnel_id, home, store, limits, clock, wall, account)
        self.stays = registry.stays
        self.keep, self.deliver, self.deliver_to = registry.keep, registry.deliver, registry.deliver_to

    # For the home: passed on to the registry

    def when_restored(self, callback: Callable[[], None]) -> None:
        self.registry.when_restored(callback)

    def devices(self) -> list[str]:
        return self.registry.devices()

    def workstation_registered(self, auth_key: str) -> None:
        self.registry.workstation_registered(auth_key)

    def expect_gap(self) -> None:
        self.registry.expect_gap()

    def begin_empty(self) -> None:
        self.registry.begin_empty()

    async def release(self) -> bool:
        return await self.registry.release()

    async def close(self) -> None:
        await self.registry.close()

    # Calls of watches

    async def call(self, call: Call) -> dict[str, Any]:
        """Run the call as soon as the stored queues are read; return its answer."""
        await self.registry.ready()
        match call:
            case Connect():
                return await self._connect(call)
            case Command():
                return await self._command(call)
            case Messages():
                return await self._messages(call)
            case State():
                return self._state(call.device_id)
            case Disconnect():
                return await self._disconnect(call.device_id)
            case SubscriptionChanged():
                await self._home.push.changed(call.device_id)
                return {"success": True}

    async def _connect(self, call: Connect) -> dict[str, Any]:
        """Connect the device with an empty queue; numbers begin at 1."""
        await self.registry.attach(call.device_id, call.auth_key, key_id=call.key_id)
        await self._expect_workstation()
        return {
            "success": True,
            "tunnel_id": self._tunnel_id,
            "workstation_online": self._home.workstation_online,
            "workstation_name": self._home.workstation_name,
        }

    async def _command(self, call: Command) -> dict[str, Any]:
        """Forward the text to the workstation (protocol, 3.2)."""
        device_id, fields = call.device_id, await reading.head(call.text)
        act = states.act(states.Role.CLIENT, fields.type)
        if act in (states.Act.REFUSE, states.Act.HELD):
            raise InvalidPayload("A watch may not send a message of this type")
        if act is states.Act.CHECK_AUTH and messages.read_auth(fields.payload)[1] != device_id:
            raise InvalidPayload("The auth message is not this watch's own")
        await self._expect_workstation()
        if not self._home.workstation_online:
            raise WorkstationOffline
        watch = self.registry.get(device_id) or await self.registry.attach(
            device_id, call.auth_key, 0, call.key_id
        )
        self.registry.called(watch)
        if act is states.Act.PONG:
            if head.is_number(fields.timestamp):
                self.deliver_to(device_id, messages.pong(fields.timestamp))
            return {"success": True}
        if act is states.Act.CHECK_AUTH:
            watch.introduced = True
        elif not watch.introduced:
            self.registry.introduce(watch, call.auth_key)
        text, large = call.text, len(call.text) > LARGE
        # The form of a large one has been checked.
        if not self._home.access.allows(call.key_id, _type_alone(fields.type) if large else text):
            raise InvalidAuthKey  # its key was revoked or limited while the call was under way
        spliced: bytes | SplicedText
        if large:
            spliced = SplicedText(text, head.device_suffix(device_id), fields.type)
        else:
            spliced = head.splice_device_id(text, device_id)
        self._home.to_workstation(spliced, device_id, head.request_id(bytes(fields.id)))
        return {"success": True}

    async def _expect_workstation(self) -> None:
        """Wait for a workstation that may be back in a moment, as a client's ``connect`` does (protocol,
        3.1). Raise WatchesMoved if it comes elsewhere."""
        while self._home.presence.expected and not self.registry.closed:
            await asyncio.sleep(EXPECT_SECONDS)
        if self.registry.closed:
            raise WatchesMoved

    async def _messages(self, call: Messages) -> dict[str, Any]:
        """Return messages above ``since``; wait for some at most ``wait`` seconds. ``messages_json`` is the
        array as JSON text, with each ``data`` as the workstation wrote it."""
        device_id, since = call.device_id, call.since
        watch = self.registry.get(device_id)
        if watch is None and device_id not in self.registry.departures:
            watch = await self.registry.attach(device_id, call.auth_key, since, call.key_id)
        if watch is not None:
            self.registry.called(watch)
            self.registry.acknowledge(watch, call.ack, since)
        return self._answer(await self._read(watch, since, call.wait))

    async def _read(self, watch: Watch | None, since: int, wait: float) -> Reading:
        clock = running_clock()
        deadline = clock.time() + wait
        while watch is not None:
            watch.queue.expire(self._clock())
            reading = watch.queue.read(since)
            left = deadline - clock.time()
            if reading.messages or reading.missed or left <= 0 or self.registry.closed:
                return reading
            await watch.wait(left)
            watch = self.registry.get(watch.device_id)
            if watch is not None:
                self.registry.called(watch)
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

    def _state(self, device_id: str) -> dict[str, Any]:
        """Return whether the device is connected, and the state of its queue and of the workstation."""
        watch = self.registry.get(device_id)
        if watch is not None:
            self.registry.called(watch)
            watch.queue.expire(self._clock())
        return {
            "connected": watch is not None,
            "workstation_online": self._home.workstation_online,
            "workstation_name": self._home.workstation_name,
            "queue_size": watch.queue.waiting if watch else 0,
            "current_sequence": self.registry.number(device_id),
        }

    async def _disconnect(self, device_id: str) -> dict[str, Any]:
        """Disconnect the device and drop its queue. ``success`` is False if it was not connected."""
        watch = self.registry.get(device_id)
        if watch is None:
            return {"success": False}
        self.registry.leave(watch, orderly=True)
        self.registry.departures.note(device_id)
        with contextlib.suppress(SendFailed):
            await self.registry.settle()
        return {"success": True}


def _type_alone(kind: str) -> bytes:
    return msgspec.json.encode({"type": kind})


def _portion(reading: Reading) -> Reading:
    """Return what fits into one answer; the watch polls for the rest from the last number in it."""
    size = 0
    for at, (_, message) in enumerate(reading.messages):
        size += len(message.text)
        if at and size > ANSWER_BYTES:
            return reading._replace(messages=reading.messages[:at], current=reading.messages[at - 1][0])
    return reading
