"""The push subscriptions of one tunnel at its home: has events sent to devices that are out of sight."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from tiflis.relay.interfaces import Access, Timer, Watches
from tiflis.relay.push.events import OFFLINE, Event, Events
from tiflis.relay.push.records import Subscription
from tiflis.relay.push.sender import PushSender
from tiflis.relay.push.store import Unavailable

VISIBLE_SECONDS = 10.0  # after a socket of the device has said so, it counts as looked at
OFFLINE_SECONDS = 60.0  # a workstation that is back by then is not reported
LATE_SECONDS = 30.0  # between two attempts to load the subscriptions
ANY = b'{"type":"ping"}'  # a message that every key in force allows


class Host(Protocol):
    """The tunnel's home as its notifier needs it."""

    tunnel_id: str
    watches: Watches

    @property
    def retired(self) -> bool: ...
    @property
    def workstation_online(self) -> bool: ...
    @property
    def workstation_name(self) -> str: ...
    @property
    def access(self) -> Access: ...


class PushNotifier:
    """Without a sender nothing is pushed. ``watching``: a device of the tunnel has a subscription, or the
    server has notifiers."""

    def __init__(
        self,
        host: Host,
        sender: PushSender | None,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        later: Callable[[float, Callable[[], None]], Timer],
        now: Callable[[], float],
    ) -> None:
        self._host, self._sender = host, sender
        self._spawn, self._later, self._now = spawn, later, now
        self._subscriptions: dict[str, Subscription] = {}
        self._visible: dict[str, float] = {}
        self._events = Events()
        self._loaded = False
        self._announces = sender is not None and bool(sender.channels)
        self.watching = self._announces

    def begin(self) -> None:
        """Load the subscriptions, once: the workstation is here."""
        if self._sender is not None and not self._loaded:
            self._loaded = True
            self._spawn(self._load())

    async def _load(self) -> None:
        sender = self._sender
        while sender is not None and not self._host.retired:
            with contextlib.suppress(Unavailable):
                if sender.store.ready:
                    for subscription in await sender.store.load(self._host.tunnel_id):
                        self._set(subscription.device_id, subscription)
                    return
            await asyncio.sleep(LATE_SECONDS)

    async def changed(self, device_id: str) -> None:
        """Read a device's subscription anew. Raise Unavailable."""
        if self._sender is not None:
            found, _ = await self._sender.store.read(self._host.tunnel_id, device_id)
            self._set(device_id, found)

    def _set(self, device_id: str, subscription: Subscription | None) -> None:
        if subscription is None:
            self._subscriptions.pop(device_id, None)
        else:
            self._subscriptions[device_id] = subscription
        self._host.watches.stays.subscribed(device_id, subscription is not None)
        self.watching = bool(self._subscriptions) or self._announces

    def visible(self, device_id: str, visible: bool) -> None:
        """Note whether a person looks at the device."""
        if not self.watching:
            return
        if visible:
            self._visible[device_id] = self._now()
        else:
            self._visible.pop(device_id, None)

    def look(self, device_id: str | None, text: bytes) -> None:
        """Find the event in a message of the workstation; ``device_id``: whom it is for, None for all."""
        event = self._events.find(text)
        if event is not None:
            devices = [device_id] if device_id is not None else list(self._subscriptions)
            self._notify(event, devices)

    def _announce(self, event: Event) -> None:
        """Send an event to the server's notifiers, unless a person looks at the tunnel."""
        if self._sender is not None and self._announces and all(map(self._is_away, self._visible)):
            name = self._events.names.get(event.session, "")
            announcing = self._sender.announce(self._host.tunnel_id, event, name, self._host.workstation_name)
            self._spawn(announcing)

    def _notify(self, event: Event, devices: list[str]) -> None:
        self._announce(event)
        for device_id in devices:
            subscription = self._subscriptions.get(device_id)
            if subscription is None or not self._is_away(device_id) or self._sender is None:
                continue
            if not self._host.access.allows(subscription.key_id, ANY):
                self._subscriptions.pop(device_id)  # its key was revoked
                self._spawn(self._remove(device_id))
                continue
            name = self._events.names.get(event.session, "")
            self._spawn(self._sender.notify(self._host.tunnel_id, subscription, event, name))

    async def _remove(self, device_id: str) -> None:
        if self._sender is not None:
            with contextlib.suppress(Unavailable):
                await self._sender.store.remove(self._host.tunnel_id, device_id)

    def _is_away(self, device_id: str) -> bool:
        return self._visible.get(device_id, float("-inf")) < self._now() - VISIBLE_SECONDS

    def workstation_offline(self) -> None:
        """Report it if it stays away."""
        if self.watching:
            since = self._sender.wall() if self._sender else 0.0
            self._later(OFFLINE_SECONDS, lambda: self._still_offline(since))

    def _still_offline(self, since: float) -> None:
        if not self._host.workstation_online and not self._host.retired:
            self._notify(Event(OFFLINE, "", f"offline-{since:.0f}"), list(self._subscriptions))
