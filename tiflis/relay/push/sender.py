"""Sends notifications to devices and notifiers, from whichever worker."""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

from tiflis import metrics
from tiflis.bus.directory.bucket import WrongRevision
from tiflis.protocol.errors import RateLimited
from tiflis.relay.push import channels, encryption, texts
from tiflis.relay.push.channels import Channel, Notice
from tiflis.relay.push.claims import Claims, Held
from tiflis.relay.push.delivery import AT_ONCE, OWN_AT_ONCE, Delivery, Refused, Reply, check
from tiflis.relay.push.events import Event
from tiflis.relay.push.records import RECENT, SERVER, TUNNEL, Claim, Subscription
from tiflis.relay.push.store import PushStore, Unavailable

log = logging.getLogger(__name__)

TTL = 3600  # seconds for which a push service keeps a notification
GONE = (404, 410)
BUSY_TRIES, BUSY_PAUSE = 3, 5.0  # POSTs to a push service that is busy, and seconds between them
LONGEST_PAUSE = 30.0  # seconds that it may ask for; a claim outlives them
ANNOUNCE_TRIES, ANNOUNCE_PAUSE = 3, 5.0  # attempts to reach a notifier, and seconds between them
OWN_TUNNELS = 16  # whose notifiers are called at once
TESTS, TEST_SECONDS = 10, 60.0  # test notifications of a tunnel, per worker, in so many seconds
# Events of one tunnel that wait, per worker: for its own notifiers, for those of the server, and for its
# devices (one for each subscription).
OWN_WAITING, SERVER_WAITING, DEVICES_WAITING = 16, 64, 512
TRIES = 8  # to note an event while other events of the device are noted
STORE_TRIES, STORE_PAUSE = 4, 3.0  # attempts to claim an event while the store is away, and seconds between


class Outcome(NamedTuple):
    """``name``: sent, gone, refused or failed. ``pause``: seconds after which the push service is to be asked
    again, as it is busy or was not reached; 0: it is not."""

    name: str
    pause: float = 0.0


class PushSender:
    """One worker's sender."""

    def __init__(
        self,
        store: PushStore,
        services: Collection[str],
        subject: str,
        channels: Sequence[Channel] = (),
        wall: Callable[[], float] = time.time,
        me: str = "",
        alive: Callable[[str], bool] = lambda worker: True,
    ) -> None:
        """``services``: further origins of push services; ``subject``: a way to reach the operator;
        ``channels``: the notifiers of the server; ``me`` and ``alive``: as for claims."""
        self.channels = channels
        self.store, self.services, self.wall = store, services, wall
        self._subject, self._delivery, self._own_delivery = subject, Delivery(), Delivery(OWN_AT_ONCE)
        self._claims = Claims(store, me, alive, wall)
        self._under_way: set[str] = set()  # claims that a task of this worker is at
        self._turns, self._own_turns = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(OWN_TUNNELS)
        self._tunnel_turns = WeakValueDictionary[str, asyncio.Lock]()  # for the notifiers of each tunnel
        self._tests, self._tests_end = Counter[str](), 0.0
        self._waiting = Counter[tuple[str, str]]()  # events, by tunnel and by where they go

    async def notify(self, tunnel_id: str, subscription: Subscription, event: Event, name: str) -> None:
        """Send an event, unless any home has sent it before or the device does not want it. One more than
        may wait is not sent."""
        if subscription.wants(event.kind, event.session, self.wall()):
            event = event if subscription.excerpt else event._replace(text="")
            claim = Claim(tunnel_id, subscription.device_id, event, name, "", self.wall(), 0.0)
            await self._admitted(claim, "", DEVICES_WAITING)

    async def announce(self, tunnel_id: str, event: Event, name: str, workstation: str) -> None:
        """Send an event to the notifiers of the server, unless any home has done so before. One more than
        may wait is not sent."""
        event = event._replace(text="")
        claim = Claim(tunnel_id, SERVER, event, name, "", self.wall(), 0.0, workstation)
        await self._admitted(claim, SERVER, SERVER_WAITING)

    async def announce_own(self, tunnel_id: str, event: Event, name: str, workstation: str) -> None:
        """Send an event to the notifiers of its tunnel. One more than may wait there is not sent."""
        event = event._replace(text="")
        claim = Claim(tunnel_id, TUNNEL, event, name, "", self.wall(), 0.0, workstation)
        await self._admitted(claim, TUNNEL, OWN_WAITING)

    async def _admitted(self, claim: Claim, to: str, most: int) -> None:
        """Send an event once, unless as many of its tunnel as may wait do so. ``to``: where it goes."""
        place = claim.tunnel_id, to
        if self._waiting[place] >= most:
            metrics.count("push_total", "refused")
            return
        self._waiting[place] += 1
        try:
            await self._once(claim)
        finally:
            self._waiting[place] -= 1
            if not self._waiting[place]:
                del self._waiting[place]

    async def _once(self, claim: Claim) -> None:
        """Claim an event and send it, if it was not sent before; repeat that while the store is away."""
        if claim.key in self._under_way:
            return
        self._under_way.add(claim.key)
        try:
            for attempt in range(STORE_TRIES):
                if attempt:
                    await asyncio.sleep(STORE_PAUSE)
                try:
                    return await self._claim(claim, again=attempt > 0)
                except Unavailable:
                    metrics.count("push_total", "unavailable")
        finally:
            self._under_way.discard(claim.key)

    async def _claim(self, claim: Claim, again: bool) -> None:
        """Claim an event and send it. ``again``: perhaps this worker has noted it already, but not sent it.
        Raise Unavailable."""
        current, _ = await self._record(claim)
        if current is None or (claim.event.id in current.recent and not again):
            return
        held = await self._claims.make(claim)
        if held is not None:
            await self._carry_out(held, repeated=again)

    async def resend(self) -> None:
        """Send what workers that have died were sending."""
        if not self.store.ready:
            return
        try:
            taken = await self._claims.take_over()
            await asyncio.gather(*(self._carry_out(held, repeated=True) for held in taken))
        except Unavailable:
            metrics.count("push_total", "unavailable")  # the claims are over in time, and are found again

    async def _carry_out(self, held: Held, repeated: bool) -> None:
        """Send a claimed event. ``repeated``: perhaps another worker has sent it already. Raise
        Unavailable."""
        current, fresh = await self._note(held.claim)
        if current is not None and (fresh or repeated):
            pause = 0.0
            for attempt in range(BUSY_TRIES):
                if attempt:
                    await asyncio.sleep(pause)
                    current, _ = await self._record(held.claim)
                if current is None:
                    break
                async with self._turn(held.claim):
                    renewed = await self._claims.renew(held)
                    if renewed is None:
                        return
                    held = renewed
                    pause = await self._dispatch(held.claim, current)
                if not pause:
                    break
        await self._claims.release(held)

    @contextlib.asynccontextmanager
    async def _turn(self, claim: Claim) -> AsyncIterator[None]:
        """Wait for a turn. The notifiers of a tunnel are called for one event after the other, so that those
        that do not answer leave turns to other tunnels."""
        if claim.device_id != TUNNEL:
            async with self._turns:
                yield
            return
        mine = self._tunnel_turns.setdefault(claim.tunnel_id, asyncio.Lock())
        async with mine, self._own_turns:
            yield

    async def _dispatch(self, claim: Claim, current: Subscription) -> float:
        """Send a claimed event; return the seconds after which it is to be sent again, 0 for never."""
        if claim.device_id == SERVER:
            await self._announce_all(claim, self.channels, self._delivery)
        elif claim.device_id == TUNNEL:
            own, _ = await self.store.notifiers(claim.tunnel_id)
            await self._announce_all(claim, channels.of_tunnel(own, self.services), self._own_delivery)
        elif current.wants(claim.event.kind, claim.event.session, self.wall()):
            outcome = await self.send(claim.tunnel_id, current, claim.event, claim.name)
            return outcome.pause
        return 0.0

    async def _announce_all(self, claim: Claim, to: Sequence[Channel], delivery: Delivery) -> None:
        title = texts.title(claim.event, claim.name)
        notice = Notice(
            claim.event.kind,
            title,
            claim.event.session,
            claim.tunnel_id,
            claim.workstation,
            claim.at,
            claim.event.id,
        )
        for outcome in await asyncio.gather(*(_announce(channel, notice, delivery) for channel in to)):
            metrics.count("push_total", outcome)

    async def _record(self, claim: Claim) -> tuple[Subscription | None, int]:
        """Return the record that remembers the device's events, and its revision. Raise Unavailable."""
        current, revision = await self.store.read(claim.tunnel_id, claim.device_id)
        if current is None and claim.device_id in (SERVER, TUNNEL):
            current = Subscription(claim.device_id, "", b"", b"", [])
        return current, revision

    async def _note(self, claim: Claim) -> tuple[Subscription | None, bool]:
        """Note that the event is sent; return the subscription as it is now, and whether it was not noted
        before. Raise Unavailable."""
        for _ in range(TRIES):
            current, revision = await self._record(claim)
            if current is None or claim.event.id in current.recent:
                return current, False
            current.recent = [*current.recent, claim.event.id][-RECENT:]
            try:
                await self.store.write(claim.tunnel_id, current, revision)
                return current, True
            except WrongRevision:
                continue
        raise Unavailable("the record of the device's events changes all the time")

    async def send(self, tunnel_id: str, subscription: Subscription, event: Event, name: str) -> Outcome:
        """Send an event; return what became of it."""
        outcome, pause = "failed", 0.0
        try:
            reply = await self._post(tunnel_id, subscription, event, name)
            outcome = "sent" if 200 <= reply.status < 300 else "gone" if reply.status in GONE else "refused"
            pause = min(reply.after or BUSY_PAUSE, LONGEST_PAUSE) if reply.busy else 0.0
            if outcome == "gone":
                await self.store.remove(tunnel_id, subscription.device_id, subscription.endpoint)
        except (Refused, OSError, ValueError, Unavailable, WrongRevision) as problem:
            log.info("push not sent", extra={"tunnel": tunnel_id, "reason": type(problem).__name__})
            pause = BUSY_PAUSE if isinstance(problem, OSError | Unavailable) and outcome == "failed" else 0.0
        metrics.count("push_total", outcome)
        return Outcome(outcome, pause)

    def admit_test(self, tunnel_id: str) -> None:
        """Count a test notification; raise RateLimited if it is one too many."""
        now = time.monotonic()
        if now >= self._tests_end:
            self._tests, self._tests_end = Counter(), now + TEST_SECONDS
        self._tests[tunnel_id] += 1
        if self._tests[tunnel_id] > TESTS:
            raise RateLimited(self._tests_end - now, "Too many test notifications; wait a minute")

    async def _post(self, tunnel_id: str, subscription: Subscription, event: Event, name: str) -> Reply:
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


async def _announce(channel: Channel, notice: Notice, delivery: Delivery) -> str:
    for attempt in range(ANNOUNCE_TRIES):
        if attempt:
            await asyncio.sleep(ANNOUNCE_PAUSE)
        try:
            reply = await channels.send(channel, notice, delivery)
        except ValueError:  # Refused is one; so is a host that is no name
            return "refused"
        except OSError as problem:
            reason = type(problem).__name__
            log.info("notifier not reached", extra={"kind": channel.kind, "reason": reason})
            continue
        if not reply.busy:
            return "sent" if 200 <= reply.status < 300 else "refused"
    return "failed"
