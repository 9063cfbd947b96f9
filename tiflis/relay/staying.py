"""The sockets of devices that stay, at their tunnel's home: they resume, receive marks, and leave."""

from typing import Any, Protocol

from tiflis import __version__, metrics
from tiflis.protocol import cursor, messages
from tiflis.protocol.cursor import Cursor
from tiflis.protocol.errors import WorkstationOffline
from tiflis.relay.devices.registry import DeviceRegistry
from tiflis.relay.held.keeper import HeldMessages
from tiflis.relay.interfaces import Watches, Worker
from tiflis.relay.push.notifier import PushNotifier
from tiflis.relay.sessions.client import Attached
from tiflis.relay.watch.digest import counted
from tiflis.relay.watch.stays import Resumption
from tiflis.relay.workstation_presence import WorkstationPresence

PATIENCE = 2.0  # seconds that a client which resumes waits for its queue; then it connects without it


class Host(Protocol):
    """The tunnel's home as its staying devices need it."""

    tunnel_id: str
    worker: Worker[Any]
    watches: Watches
    presence: WorkstationPresence
    device_registry: DeviceRegistry
    held: HeldMessages
    push: PushNotifier

    def accept(self, attached: Attached) -> None: ...
    def device_left(self, device_id: str) -> None: ...


class Staying:
    """What a home does for clients that resume."""

    def __init__(self, home: Host) -> None:
        self._home = home
        self._waiting: dict[int, Attached] = {}  # clients that resume, until the queues are restored

    def accept(self, attached: Attached, restored: bool) -> bool:
        """Send a client ``connected``, and all that it has missed if it resumes. Return False if it has to
        wait for its queue."""
        stays = self._home.watches.stays
        found = None
        if attached.cursor is not None and stays.on:
            if not stays.ready:
                self._wait(attached)
                return False
            found = stays.resume(attached.device_id, attached.cursor, attached, attached.key_id)
            if found.verdict == "ok" and not stays.introduced(attached.device_id):
                self._home.presence.introduce(attached.device_id)  # it need not authenticate by itself
        answer = found.answer() if found else None
        attached.accept(messages.connected(self._home.tunnel_id, __version__, restored, answer))
        if found is not None:
            self._replay(attached, found)
        return True

    def _wait(self, attached: Attached) -> None:
        if id(attached) not in self._waiting:
            self._waiting[id(attached)] = attached
            self._home.watches.when_restored(lambda: self._go_on(attached))
            self._home.worker.later(PATIENCE, lambda: self._go_on(attached))

    def _go_on(self, attached: Attached) -> None:
        """Accept a client that has waited, if it is still here."""
        home = self._home
        if self._waiting.pop(id(attached), None) is None or attached.connected:
            return
        if not home.watches.stays.ready:
            attached.cursor = None
        if attached in home.device_registry.sockets(attached.device_id):
            if home.presence.online:
                home.accept(attached)
            else:
                home.presence.answer_offline(attached, messages.error(WorkstationOffline()))

    def _replay(self, attached: Attached, found: Resumption) -> None:
        """Send what was missed. Marks stand where numbers are left out, and at the end."""
        metrics.count("resumes_total", found.verdict)
        epoch, reached = found.start
        for number, message in found.missed:
            if number != reached + 1:
                attached.send(cursor.mark(epoch, number - 1))
            attached.send(message.text)
            reached = number if counted(message.text) else number - 1
        attached.send(cursor.mark(epoch, found.last))
        self._home.held.list_to(attached)
        if found.registered:
            attached.notify(True)  # it has to subscribe again, as if it had been connected

    def decides_later(self, device_id: str) -> bool:
        """Return whether it is not known yet if a device stays that has left while its tunnel moved; it is
        reported as gone, or not, once the queues are restored."""
        stays = self._home.watches.stays
        if not stays.on or stays.ready or stays.over:
            return False
        self._home.watches.when_restored(lambda: self._home.device_left(device_id))
        return True

    def arrived(self, attached: Attached) -> None:
        """Go on with a client that has resumed at an earlier home."""
        stays = self._home.watches.stays
        if stays.ready and stays.on:
            attached.send(cursor.mark(*stays.cursor(attached.device_id, attached.key_id)))

    def pinged(self, attached: Attached, text: bytes) -> None:
        """Answer a ping of a client that has resumed with a mark."""
        stays = self._home.watches.stays
        if stays.ready and stays.holds(attached.device_id):
            stays.called(attached.device_id)
            seen, visible = cursor.read_ping(text)
            if seen is not None:
                self._seen(attached, seen)
            if visible is not None:
                sockets = self._home.device_registry.sockets(attached.device_id)
                self._home.push.visible(attached.device_id, attached, visible, sockets)
            attached.send(cursor.mark(*stays.cursor(attached.device_id)))

    def _seen(self, attached: Attached, number: int) -> None:
        sockets = self._home.device_registry.sockets(attached.device_id)
        resuming = [one for one in sockets if one.marked or one.cursor is not None]
        self._home.watches.stays.seen(attached.device_id, attached, number, resuming)

    def left(self, attached: Attached) -> None:
        """Note that a client's socket has closed."""
        if attached.marked:
            self._home.watches.stays.socket_left(attached.device_id, attached)

    def mark(self, device_id: str, end: Cursor) -> None:
        """Send a mark to the device's sockets that have resumed."""
        text = b""
        for attached in self._home.device_registry.sockets(device_id):
            if attached.marked:
                text = text or cursor.mark(*end)
                attached.send(text)
