"""A worker's stores for absent peers: the queues of watches and staying devices, held messages, push."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from tiflis.bus.devices.records import DeviceKey
from tiflis.bus.directory.bucket import WrongRevision
from tiflis.bus.directory.directory import Directory
from tiflis.bus.nats.client import REASONS_TOLD
from tiflis.clock import running_clock
from tiflis.config import Settings
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.held.records import FINAL_SECONDS
from tiflis.relay.held.store import HeldLimits, HeldStore
from tiflis.relay.home import Home
from tiflis.relay.pinned import Pinned
from tiflis.relay.push.channels import parse
from tiflis.relay.push.encryption import decode64
from tiflis.relay.push.sender import PushSender
from tiflis.relay.push.store import PushStore, Unavailable
from tiflis.relay.router import Router
from tiflis.relay.tasks import Tasks
from tiflis.relay.watch.operations import QueueLimits, WatchOperations
from tiflis.relay.watch.queue import Bounds
from tiflis.relay.watch.stays import StayLimits
from tiflis.relay.watch.store import JetStreamWatchStore, StoreUnavailable

log = logging.getLogger(__name__)

MARGIN_SECONDS = 30.0  # a watch's records are kept for so much longer than their messages
MEETING_SECONDS = 3.0  # within which all other workers, also on other hosts, have sent a sign of life
RETRY_SECONDS = 5.0  # between attempts to create the watches' stream


class Queues:
    """The stores of one worker, with their limits."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        keyring: Keyring,
        name: str,
        urls: str,
        pinned: Pinned,
        tasks: Tasks,
        alive: Callable[[str], bool],
    ) -> None:
        """``urls`` and ``name``: of the connections that make the watches' stream; ``name`` is the worker's
        id. ``alive`` returns whether another worker is there."""
        self._tasks, self._name, self._alive = tasks, name, alive
        self._settings, self._pinned, self._clock = settings, pinned, running_clock()
        bounds = Bounds(settings.watch_queue_messages, settings.watch_queue_bytes, settings.watch_message_ttl)
        resume = settings.stay_resume if settings.stay else 0.0
        stay = StayLimits(settings.stay_messages, settings.stay_bytes, resume, settings.stay_push)
        self._limits = QueueLimits(bounds=bounds, idle=settings.watch_idle, stay=stay)
        longest = max(
            settings.watch_idle, settings.watch_message_ttl, settings.stay_resume, settings.stay_push
        )
        self._watches = JetStreamWatchStore(directory.link, urls, name, longest + MARGIN_SECONDS)
        longest = settings.hold_ttl_limit + FINAL_SECONDS
        self.held = HeldStore(directory.link, longest, keyring.held_keys())
        tasks.spawn(self._start())
        tasks.spawn(self.held.start(clustered=directory.link.clustered))
        self.push = self._make_push(directory, keyring) if settings.stay else None
        directory.when_full(lambda: tasks.spawn(self._watches.relieve()))

    def _make_push(self, directory: Directory, keyring: Keyring) -> PushSender:
        settings = self._settings
        vapid = decode64(settings.vapid_key.get_secret_value()) if settings.vapid_key else b""
        store = PushStore(directory.link, keyring.push_keys(), vapid)
        secret = settings.notify_secret.get_secret_value() if settings.notify_secret else ""
        channels = [parse(notifier, secret) for notifier in settings.notify]
        sender = PushSender(
            store,
            settings.push_services,
            settings.vapid_subject,
            channels,
            me=self._name,
            alive=self._alive,
        )
        self._tasks.spawn(self._start_push(sender, directory.link.clustered))
        return sender

    async def _start_push(self, sender: PushSender, clustered: bool) -> None:
        await sender.store.start(clustered)
        await asyncio.sleep(MEETING_SECONDS)  # by then the other workers are known: theirs are not orphans
        await sender.resend()

    def worker_gone(self, _worker_id: str) -> None:
        """Send the notifications that a worker was sending when it ended."""
        if self.push is not None:
            self._tasks.spawn(self.push.resend())

    def key_deleted(self, entry: DeviceKey) -> None:
        """Forget the push subscription and the notifiers that were made with a device key."""
        if self.push is not None and entry.device_id:
            self._tasks.spawn(self._forget_key(self.push.store, entry))

    async def _forget_key(self, store: PushStore, entry: DeviceKey) -> None:
        with contextlib.suppress(Unavailable, WrongRevision):  # then the tunnel's next home does it
            await store.remove_of_key(entry.tunnel_id, entry.device_id, entry.key_id)

    async def _start(self) -> None:
        """Create the watches' stream; while the bus cannot keep it, everything else works."""
        logged: set[str] = set()
        while True:
            try:
                return await self._watches.start()
            except StoreUnavailable as problem:
                reason = str(problem) or type(problem).__name__
                if reason not in logged and len(logged) < REASONS_TOLD:
                    logged.add(reason)
                    log.warning("messages for watches cannot be stored", extra={"reason": reason})
            await asyncio.sleep(RETRY_SECONDS)

    def give_to(self, router: Router) -> None:
        """Have the router's homes hold messages."""
        router.push = self.push
        router.held_store, router.held_limits = self.held, HeldLimits(self._settings.hold_messages)

    def make_watches(self, home: Home) -> WatchOperations:
        """Make the watches of a home, with its devices that stay."""
        clock, account = self._clock.time, self._pinned.account(home.tunnel_id)
        return WatchOperations(home.tunnel_id, home, self._watches, self._limits, clock, account=account)
