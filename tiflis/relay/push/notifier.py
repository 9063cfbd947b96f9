"""The push subscriptions of one tunnel at its home: has events sent to devices that are out of sight."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine
from typing import Any, NamedTuple, Protocol

from tiflis import metrics
from tiflis.bus.directory.bucket import WrongRevision
from tiflis.relay.interfaces import Access, Timer, Watches
from tiflis.relay.push.events import OFFLINE, Event, Events
from tiflis.relay.push.pace import EventPace
from tiflis.relay.push.records import TUNNEL, Notifiers, Subscription
from tiflis.relay.push.sender import PushSender
from tiflis.relay.push.store import Unavailable

VISIBLE_SECONDS = 10.0  # after a socket of the device has said so, it counts as looked at
OFFLINE_SECONDS = 60.0  # a workstation that is back by then is not reported
LOOKED_AT_LIMIT = 256  # devices above which those that were looked at before are forgotten
EARLY_LIMIT = 64  # events that wait for the subscriptions to be loaded
EARLY_SECONDS = 10.0  # that events wait for them while the store is away
LOAD_PAUSE, LATE_SECONDS = 1.0, 30.0  # between two attempts to load them: at first, and later
MOVED = 0  # in place of a socket's id: what a device has said to the last home


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


class Found(NamedTuple):
    """An event, the device that it is for (None: all), and the devices that people looked at then."""

    event: Event
    device_id: str | None
    looking: frozenset[str]


class PushNotifier:
    """Without a sender nothing is pushed. ``watching``: a device of the tunnel has a subscription, or the
    tunnel or the server has notifiers."""

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
        self._visible: dict[str, dict[int, float]] = {}  # when each socket of a device said so, by its id()
        self._events, self._pace = Events(), EventPace()
        self._loaded = False
        self._early: list[Found] | None = None  # found while the subscriptions are loaded
        self._announces = sender is not None and bool(sender.channels)
        self._has_own = False  # the tunnel has notifiers
        self._offline_since: float | None = None  # that is still to be reported
        self.watching = self._announces

    def begin(self) -> None:
        """Load the subscriptions, once: the workstation is here."""
        if self._sender is not None and not self._loaded:
            self._loaded = True
            self._early, self.watching = [], True
            self._spawn(self._load())

    async def _load(self) -> None:
        sender, pause, end = self._sender, LOAD_PAUSE, self._now() + EARLY_SECONDS
        while sender is not None and not self._host.retired:
            with contextlib.suppress(Unavailable, WrongRevision):
                if sender.store.ready:
                    for subscription in await sender.store.load(self._host.tunnel_id):
                        if not self._drop_ended(subscription):
                            self._set(subscription.device_id, subscription)
                    await self._load_notifiers(sender)
                    break
            if self._now() >= end:
                self._catch_up()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LATE_SECONDS)
        self._catch_up()

    def _catch_up(self) -> None:
        """Send the events that were found before the subscriptions were loaded; keep none from now on."""
        early, self._early = self._early or (), None
        self._set_watching()
        for found in early:
            self._notify(found)

    def _set_watching(self) -> None:
        self.watching = (
            bool(self._subscriptions) or self._announces or self._has_own or self._early is not None
        )

    async def _load_notifiers(self, sender: PushSender) -> None:
        own, _ = await sender.store.notifiers(self._host.tunnel_id)
        if own.addresses and not self._host.access.manages(own.key_id):
            own = Notifiers()
            await sender.store.set_notifiers(self._host.tunnel_id, own)
        self._has_own = bool(own.addresses)
        self._set_watching()

    async def changed(self, device_id: str) -> None:
        """Read a device's subscription anew, or for TUNNEL the tunnel's notifiers. Raise Unavailable."""
        if self._sender is not None and device_id == TUNNEL:
            await self._load_notifiers(self._sender)
        elif self._sender is not None:
            found, _ = await self._sender.store.read(self._host.tunnel_id, device_id)
            if found is None or not self._drop_ended(found):
                self._set(device_id, found)

    def _set(self, device_id: str, subscription: Subscription | None) -> None:
        if subscription is None:
            self._subscriptions.pop(device_id, None)
        else:
            self._subscriptions[device_id] = subscription
        self._host.watches.stays.subscribed(device_id, subscription is not None)
        self._set_watching()

    def visible(self, device_id: str, socket: object, visible: bool, sockets: Collection[object]) -> None:
        """Note whether a person looks at the device on one of its ``sockets``. What a closed socket has said
        counts until another one says something."""
        if not self.watching:
            return
        here = {id(one) for one in sockets}
        said = {one: at for one, at in self._visible.pop(device_id, {}).items() if one in here}
        said.pop(id(socket), None)
        if visible:
            said[id(socket)] = self._now()
        if said:
            self._visible[device_id] = said
        if len(self._visible) > LOOKED_AT_LIMIT:
            self._visible = {one: at for one, at in self._visible.items() if self._is_looked_at(one)}

    def look(self, device_id: str | None, text: bytes) -> None:
        """Find the event in a message of the workstation; ``device_id``: whom it is for, None for all."""
        event = self._events.find(text)
        if event is not None:
            self._found(event, device_id)

    def _found(self, event: Event, device_id: str | None = None) -> None:
        if not self._pace.admit(event, self._now()):
            metrics.count("push_total", "refused")
            return
        found = Found(event, device_id, frozenset(filter(self._is_looked_at, self._visible)))
        if self._early is None:
            self._notify(found)
        else:
            self._early.append(found)
            del self._early[:-EARLY_LIMIT]

    def _announce(self, event: Event) -> None:
        """Send an event to the notifiers."""
        if self._sender is None:
            return
        name = self._events.names.get(event.session, "")
        about = (self._host.tunnel_id, event, name, self._host.workstation_name)
        if self._announces:
            self._spawn(self._sender.announce(*about))
        if self._has_own:
            self._spawn(self._sender.announce_own(*about))

    def _notify(self, found: Found) -> None:
        event, addressee, looking = found
        if not looking:
            self._announce(event)
        for device_id in [addressee] if addressee is not None else list(self._subscriptions):
            subscription = self._subscriptions.get(device_id)
            if subscription is None or device_id in looking or self._sender is None:
                continue
            if self._drop_ended(subscription):
                continue
            name = self._events.names.get(event.session, "")
            self._spawn(self._sender.notify(self._host.tunnel_id, subscription, event, name))

    def check_keys(self) -> None:
        """Drop the subscriptions of devices whose keys are over, and the notifiers of those that may not
        manage the tunnel any more."""
        for subscription in list(self._subscriptions.values()):
            self._drop_ended(subscription)
        if self._sender is not None and self._has_own:
            self._spawn(self._check_notifiers(self._sender))

    def _drop_ended(self, subscription: Subscription) -> bool:
        """Remove a subscription if its device's key is over; return whether it was."""
        if not self._host.access.ended(subscription.key_id):
            return False
        self._set(subscription.device_id, None)
        self._spawn(self._remove(subscription))
        return True

    async def _remove(self, subscription: Subscription) -> None:
        if self._sender is not None:
            about = (self._host.tunnel_id, subscription.device_id, subscription.key_id)
            with contextlib.suppress(Unavailable, WrongRevision):  # the latter: its device has a new one
                await self._sender.store.remove_of_key(*about)

    async def _check_notifiers(self, sender: PushSender) -> None:
        with contextlib.suppress(Unavailable, WrongRevision):
            await self._load_notifiers(sender)

    def _is_looked_at(self, device_id: str) -> bool:
        return max(self._visible[device_id].values()) >= self._now() - VISIBLE_SECONDS

    def workstation_offline(self, ago: float = 0.0) -> None:
        """Report it if it stays away. ``ago``: seconds since it went offline."""
        if self.watching and self._sender is not None:
            since = self._offline_since = self._sender.wall() - ago
            self._later(max(OFFLINE_SECONDS - ago, 0.0), lambda: self._still_offline(since))

    def _still_offline(self, since: float) -> None:
        if since != self._offline_since or self._host.retired:
            return  # it has been back meanwhile
        self._offline_since = None
        if not self._host.workstation_online:
            self._found(Event(OFFLINE, "", f"offline-{since:.0f}"))

    # The home moves

    def export(self) -> tuple[dict[str, float], float | None]:
        """Return what the next home needs: for each device that is looked at how many seconds ago it said so,
        and how long ago the workstation went offline if that is still to be reported."""
        now = self._now()
        looked_at = {device: now - max(said.values()) for device, said in self._visible.items()}
        since, sender = self._offline_since, self._sender
        if since is None or sender is None or self._host.workstation_online:
            return looked_at, None
        return looked_at, sender.wall() - since

    def take(self, looked_at: dict[str, float], offline: float | None) -> None:
        """Go on with what the last home exported."""
        now = self._now()
        for device_id, age in looked_at.items():
            self._visible.setdefault(device_id, {MOVED: now - age})
        if offline is not None and not self._host.workstation_online:
            self.begin()
            self.workstation_offline(offline)
