"""Sends notifications to devices, from whichever worker."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Collection, Sequence

from tiflis import metrics
from tiflis.bus.directory.bucket import WrongRevision
from tiflis.relay.push import channels, encryption, texts
from tiflis.relay.push.channels import Channel, Notice
from tiflis.relay.push.delivery import Delivery, Refused, check
from tiflis.relay.push.events import Event
from tiflis.relay.push.records import RECENT, Subscription
from tiflis.relay.push.store import PushStore, Unavailable

log = logging.getLogger(__name__)

TTL = 3600  # seconds for which a push service keeps a notification
GONE = (404, 410)
SERVER = "\0server"  # stands for the server's notifiers in place of a device; no device id is like it
ANNOUNCE_TRIES, ANNOUNCE_PAUSE = 3, 5.0  # attempts to reach a notifier, and seconds between them
TRIES = 8  # to note an event while other events of the device are noted


class PushSender:
    """One worker's sender."""

    def __init__(
        self,
        store: PushStore,
        services: Collection[str],
        subject: str,
        channels: Sequence[Channel] = (),
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``services``: further origins of push services; ``subject``: a way to reach the operator;
        ``channels``: the notifiers of the server."""
        self.channels = channels
        self.store, self.services, self.wall = store, services, wall
        self._subject, self._delivery = subject, Delivery()

    async def notify(self, tunnel_id: str, subscription: Subscription, event: Event, name: str) -> None:
        """Send an event, unless any home has sent it before or the device does not want it."""
        if not subscription.wants(event.kind, event.session, self.wall()):
            return
        try:
            current = await self._claim(tunnel_id, subscription.device_id, event)
        except Unavailable:
            metrics.count("push_total", "unavailable")
            return
        if current is not None:
            await self.send(tunnel_id, current, event, name)

    async def announce(self, tunnel_id: str, event: Event, name: str, workstation: str) -> None:
        """Send an event to the notifiers of the server, unless any home has done so before."""
        try:
            if await self._claim(tunnel_id, SERVER, event) is None:
                return
        except Unavailable:
            metrics.count("push_total", "unavailable")
            return
        title = texts.title(event, name)
        notice = Notice(event.kind, title, event.session, tunnel_id, workstation, self.wall())
        for channel in self.channels:
            metrics.count("push_total", await self._announce(channel, notice))

    async def _announce(self, channel: Channel, notice: Notice) -> str:
        for attempt in range(ANNOUNCE_TRIES):
            if attempt:
                await asyncio.sleep(ANNOUNCE_PAUSE)
            try:
                status = await channels.send(channel, notice, self._delivery)
            except OSError as problem:
                reason = type(problem).__name__
                log.info("notifier not reached", extra={"kind": channel.kind, "reason": reason})
                continue
            if status < 500:
                return "sent" if 200 <= status < 300 else "refused"
        return "failed"

    async def _claim(self, tunnel_id: str, device_id: str, event: Event) -> Subscription | None:
        """Note that the event is sent; return the subscription as it is now, None if that was noted before.
        Raise Unavailable."""
        for _ in range(TRIES):
            current, revision = await self.store.read(tunnel_id, device_id)
            if current is None and device_id == SERVER:
                current = Subscription(SERVER, "", b"", b"", [])
            if current is None or event.id in current.recent:
                return None
            current.recent = [*current.recent, event.id][-RECENT:]
            try:
                await self.store.write(tunnel_id, current, revision)
                return current
            except WrongRevision:
                continue
        return None

    async def send(self, tunnel_id: str, subscription: Subscription, event: Event, name: str) -> str:
        """Send an event; return what became of it: sent, gone, refused or failed."""
        outcome = "failed"
        try:
            status = await self._post(tunnel_id, subscription, event, name)
            outcome = "sent" if 200 <= status < 300 else "gone" if status in GONE else "refused"
            if outcome == "gone":
                await self.store.remove(tunnel_id, subscription.device_id)
        except (Refused, OSError, ValueError, Unavailable, WrongRevision) as problem:
            log.info("push not sent", extra={"tunnel": tunnel_id, "reason": type(problem).__name__})
        metrics.count("push_total", outcome)
        return outcome

    async def _post(self, tunnel_id: str, subscription: Subscription, event: Event, name: str) -> int:
        target = check(subscription.endpoint, self.services)
        key = await self.store.vapid()
        now = self.wall()
        text = texts.payload(subscription, event, name, tunnel_id, now)
        body = encryption.encrypt(text, subscription.p256dh, subscription.auth)
        topic = hashlib.blake2b(f"{tunnel_id} {event.session or event.kind}".encode(), digest_size=24)
        headers = {
            "Authorization": encryption.authorization(key, target.origin, self._subject, now),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL),
            "Topic": encryption.encode64(topic.digest()),
            "Urgency": "high",
        }
        return await self._delivery.post(target, body, headers)
