"""Composes one worker, starts it, and ends it."""

import asyncio
import errno
import logging
import resource
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from tiflis import logs, release
from tiflis.bus import subjects
from tiflis.bus.channels.bus import Bus
from tiflis.bus.channels.channel import Channel, ChannelHandler
from tiflis.bus.devices.spread import FACT
from tiflis.bus.directory.directory import Directory
from tiflis.bus.errors import DirectoryUnavailable, LinkUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.presence import LEASE_SECONDS, SIBLING_LEASE_SECONDS, Presence
from tiflis.bus.seals import Seals
from tiflis.clock import Deadline, running_clock
from tiflis.config import Run, Settings
from tiflis.descriptors import Supply
from tiflis.handoff.local_workers import LocalWorkers
from tiflis.handoff.sender import Report
from tiflis.heap import Heap, resident
from tiflis.ipc.patience import keep_trying
from tiflis.metrics import Values
from tiflis.metrics_store import MetricsStore
from tiflis.protocol.close import CloseCode
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.auth.rate_limit import Limiter, Looks
from tiflis.relay.auth.refusals import Refusals
from tiflis.relay.authenticator import Authenticator
from tiflis.relay.claims import Claims
from tiflis.relay.ending import Ending
from tiflis.relay.hub import Hub
from tiflis.relay.maintenance import Maintenance
from tiflis.relay.migration import Migration
from tiflis.relay.pinned import Kind, Pinned
from tiflis.relay.router import Router
from tiflis.relay.sessions.outbox import Cork
from tiflis.relay.tasks import Tasks
from tiflis.web.sanic_internals import stop_accepting
from tiflis.web.sockets import Sockets
from tiflis.web.upgrade import Endpoint
from tiflis.worker.devices import Devices
from tiflis.worker.metrics_collector import MetricsCollector, handoffs
from tiflis.worker.queues import Queues
from tiflis.worker.sealing import Sealing

log = logging.getLogger(__name__)

MEETING_SECONDS = 0.3  # for a new worker to find the others; before that it claims no tunnel
TIDY_SECONDS = 60.0
SOCKETS_SHARE = 0.8  # of the descriptors this process may have: above that it refuses steered sockets
CLOSE_SHARE = 0.4  # of the time to shut down: for peers to answer our close frames; as much is left for HTTP
BUS_TRY_SECONDS = 5.0  # for one attempt to reach the bus at the start
BUS_DRAIN_SECONDS = 1.5  # for the other workers to confirm the messages sent to them
TUNNELS_SHOWN = 1000  # rows of one worker in a status: 500 KiB at most, below the bus's limit
TUNNELS_SHOWN_IN_ALL = 4000  # a status is one line of the control socket, which has a limit too
# With these errors a worker works, but stores nothing in DATA_DIR.
NO_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
HEAP_SECONDS = 0.25  # between two trims of the heap, while peers pin more than HEAP_QUIET
HEAP_QUIET = 32 * 2**20  # bytes
BUS_AWAY_SECONDS = 10.0  # without the bus before the other workers count as gone


class Worker:
    """One worker: all its parts, from ``start`` to ``stop``."""

    def __init__(self, settings: Settings, run: Run, bus_urls: str, slot: str, pinned: Pinned) -> None:
        """``pinned``: the ledger of the bytes that peers pin in this process."""
        self.settings = settings
        self.instance = run.instance
        self.id = f"{run.instance}-{slot}-{secrets.token_hex(3)}"
        self.started_at = time.monotonic()
        self.ready = False
        self.draining = False
        self._run_dir, self._bus_urls, self._local_workers = run.run_dir, bus_urls, run.workers
        self.pinned = pinned
        release.code()  # the digest of what this process has just loaded, before anything else is installed
        self._tasks = Tasks()
        self._link: NatsClient | None = None
        self._directory: Directory | None = None
        self._devices: Devices | None = None
        logs.bind(worker=self.id)

    async def start(self) -> None:
        """Start everything, the bus first, however long that takes; the reasons are in the log.

        Raise OtherVersion if running workers write another format: messages between them and this one would
        be lost, so they continue and this one does not start. Parts that are open are closed again, also on
        cancellation.
        """
        try:
            await self._come_up()
        except BaseException:
            await self._give_up()
            raise

    async def _come_up(self) -> None:
        settings, loop = self.settings, asyncio.get_running_loop()
        self.clock = running_clock()
        self.cork = Cork(loop.call_soon)
        self._away: Deadline | None = None
        self.link = self._link = NatsClient(self._bus_urls, self.id, self._bus_up, self._bus_down)
        await _persist(self.link.start)
        self.presence = Presence(self.link, self.id, self._describe, self._gone, lease=self._lease)
        keyring = Keyring(key.get_secret_value() for key in settings.registration_keys)
        self.directory = self._directory = Directory(
            self._bus_urls, self.id, seals=Seals(keyring.seal_keys()), most_bytes=settings.directory_bytes
        )
        await _persist(self.directory.start)
        self.devices = self._devices = Devices(
            self.id, self.directory.link, keyring, settings, self._tasks.spawn
        )
        await self.devices.start()
        self.queues = Queues(
            settings, self.directory, keyring, self.id, self._bus_urls, self.pinned, self._tasks, self._alive
        )
        self._compose(keyring)
        self.presence.answer("status", self._own_status)
        self.presence.act("end", self._end)
        self.presence.start()
        await self._join(self.local_workers)
        await self.presence.meet(MEETING_SECONDS)
        # An empty directory holds nothing that older code has written.
        peers, fresh = self._peer_facts, self.directory.started_empty
        self._sealings = [
            Sealing(self.directory, "seals", "directory not sealed yet", peers, fresh),
            Sealing(self.queues.held, "held_seals", "held messages not sealed yet", peers, fresh),
        ]
        await self._seal()
        for work in (self._regularly, self.survey.run, self._tidy_heap):
            self._tasks.spawn(keep_trying(work, work.__name__, "regular work failed, trying again"))

    async def _seal(self) -> None:
        """Refuse unsealed records once no worker of older code has been present for a while."""
        for sealing in self._sealings:
            await sealing.look()

    async def _give_up(self) -> None:
        """Close what is open after a start that failed."""
        await self._tasks.close()
        for opened in (self._devices, self._directory, self._link):
            if opened is not None:
                await opened.close()

    async def _join(self, local_workers: LocalWorkers) -> None:
        """Take sockets from the other workers of this host, and steer sockets to them."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        await local_workers.start(room=int(files * SOCKETS_SHARE))
        if self.settings.steering:
            self.hub.migration.steering = local_workers

    def _limit_attempts(self) -> Limiter:
        """Return the limiter of key attempts, which receives other hosts' notes of wrong keys."""
        settings = self.settings
        looks = Looks(
            settings.attempt_window,
            settings.attempts_an_address,
            settings.attempts_a_tunnel,
            settings.attempts_kept_free,
            settings.new_tunnels,
        )
        try:
            limiter = Limiter(self._run_dir / "attempts", time.time, self._gossip, looks)
        except OSError as problem:
            if problem.errno not in NO_DISK:
                raise
            log.error("keys are counted in this worker alone", extra={"reason": problem.strerror})
            limiter = Limiter(None, time.time, self._gossip, looks)
        # One worker of each host gets a note: the table is shared.
        self.link.subscribe(
            subjects.LIMITS, lambda _, data: limiter.received(data), f"limits-{self.instance}"
        )
        return limiter

    def _make_router(self, claims: Claims) -> Router:
        router = Router(
            self.id,
            self.settings,
            claims,
            self._alive,
            self.queues.make_watches,
            self._tasks,
            self.bus.open,
            began=self.clock.time(),
        )
        router.keys, router.audit = self.devices.keys, self.devices.audit
        router.stays, router.sees = partial(self._has, "stays"), partial(self._has, "sees")
        self.queues.give_to(router)
        return router

    def _compose(self, keyring: Keyring) -> None:
        """Compose the relay."""
        settings = self.settings
        claims = Claims(self.directory, keyring, self.id, settings.directory_warmup)
        self.limiter = self._limit_attempts()
        gate = Authenticator(claims, keyring, self.limiter, settings.live_tunnels, self.devices.keys)
        gate.note_refusal = Refusals(self.limiter, asyncio.get_running_loop().call_later).note
        self.bus = Bus(self.link, self.id, self._accept)
        router = self._make_router(claims)
        self.devices.keys.on_deleted = self.queues.key_deleted
        self.hub = Hub(router, Migration(router, claims), claims, gate)
        self.hub.superseded_sockets.publish = partial(self.link.publish, subjects.ORPHANS)
        self.link.subscribe(subjects.ORPHANS, lambda _, data: self.hub.superseded_sockets.received(data))
        self.maintenance = Maintenance(router, self.hub.migration, claims, self.pinned)
        self.directory.on_change = self.hub.migration.directory_changed
        self.sockets = Sockets(settings, self.id, self.cork, self.clock.time, self.pinned)
        self.devices.follow(self.id, self.presence, self.hub, lambda: list(self.sockets.open.values()))
        self.local_workers = LocalWorkers(self._run_dir, self.id, self.hub, self.sockets, self.presence)
        self.endpoint = Endpoint(settings, self.sockets, self.hub.pending_session)
        self.survey = MetricsCollector(
            self.id,
            self.hub,
            self.sockets,
            self.bus,
            self.link,
            self.directory,
            lambda: self.ready,
            MetricsStore(self._run_dir, self.id),
        )

    def _gossip(self, data: bytes) -> None:
        """Publish a note about a key to the other hosts, if any: the workers of one host share a table."""
        if any(not self._is_sibling(worker_id) for worker_id in self.presence.peers):
            self.link.publish(subjects.LIMITS, data)

    # The other workers

    def _accept(self, channel: Channel) -> ChannelHandler:
        return self.hub.migration.accept(channel)

    def _alive(self, worker_id: str) -> bool:
        return worker_id == self.id or worker_id in self.presence.peers

    def _lease(self, worker_id: str) -> float:
        return SIBLING_LEASE_SECONDS if self._is_sibling(worker_id) else LEASE_SECONDS

    def _has(self, fact: str, worker_id: str) -> bool:
        """Return whether a worker's code can do something that older code cannot."""
        peer = self.presence.peers.get(worker_id)
        return peer is not None and bool(peer.facts.get(fact))

    def _gone(self, worker_id: str) -> None:
        self.bus.peer_gone(worker_id)
        self.hub.superseded_sockets.worker_gone(worker_id)
        self.local_workers.gone(worker_id)
        self.queues.worker_gone(worker_id)

    def worker_gone(self, worker_id: str) -> None:
        """Publish that a worker has ended, as the main process has seen."""
        self.presence.gone(worker_id)

    def _bus_up(self) -> None:
        if self._away is not None:
            self._away.cancel()
            self._away = None

    def _bus_down(self) -> None:
        self._away = self._away or self.clock.deadline(BUS_AWAY_SECONDS, self._bus_away)

    def _bus_away(self) -> None:
        """Give up messages that wait for other workers: memory stays bounded, their senders get an error."""
        log.error("bus away", extra={"seconds": BUS_AWAY_SECONDS})
        for worker_id in list(self.presence.peers):
            self.bus.peer_gone(worker_id)

    def _is_sibling(self, worker_id: str) -> bool:
        return worker_id.startswith(f"{self.instance}-")

    # Regularly

    async def _regularly(self) -> None:
        pause = min(self.settings.liveness_interval / 2, 2.5)
        between = min(TIDY_SECONDS, self.settings.untouched_memory / 2)
        tidied, supply = self.clock.time(), Supply()
        while True:
            await self.clock.sleep(pause)
            self.sockets.check(self.clock.time())
            self.devices.expire()
            supply.look(len(self.sockets.open))
            logs.sum_up()
            self._measure()
            self._tasks.spawn(self._seal())
            if self.clock.time() - tidied >= between:
                tidied = self.clock.time()
                await self.maintenance.tidy()
                await self.devices.keys.tidy()

    async def _tidy_heap(self) -> None:
        heap = Heap()
        while True:
            await asyncio.sleep(HEAP_SECONDS)
            if self.pinned.total > HEAP_QUIET:
                heap.tidy()

    def _measure(self) -> None:
        """Enter in the ledger the bytes that are measured rather than counted."""
        self.pinned.sample(Kind.BUS, self.bus.unconsumed())
        self.pinned.sample(Kind.WAITING, self.maintenance.waiting())

    # Questions of the operator and of other workers

    def _describe(self) -> dict[str, Any]:
        return {
            **self.maintenance.counts(),
            "ready": self.ready,
            "refused": self.directory.refuses,
            "seals": True,
            "held_seals": True,
            FACT: True,
            "stays": True,
            "sees": True,
        }

    def _everyone(self) -> list[dict[str, Any]]:
        return [self._describe(), *self._peer_facts()]

    def _peer_facts(self) -> list[dict[str, Any]]:
        return [peer.facts for peer in self.presence.peers.values()]

    def counts(self) -> tuple[int, int]:
        """Return how many workstations and clients are online now, over all workers."""
        facts = self._everyone()
        workstations = sum(int(fact.get("workstations", 0)) for fact in facts)
        return workstations, sum(int(fact.get("clients", 0)) for fact in facts)

    def troubles(self) -> list[str]:
        """Return the present troubles of this server, as texts for the operator."""
        peers = self.presence.peers.values()
        missing = (
            self._local_workers
            - 1
            - sum(self._is_sibling(peer.worker_id) and not peer.silent for peer in peers)
        )
        troubles = {
            f"{missing} of {self._local_workers} workers missing": missing > 0,
            "the directory stores no registrations": any(it.get("refused") for it in self._everyone()),
        }
        return [trouble for trouble, there in troubles.items() if there]

    def _own_status(self) -> dict[str, Any]:
        return {
            "worker": self.id,
            "version": release.build(),
            "code": release.code(),
            "uptime": int(time.monotonic() - self.started_at),
            "ready": self.ready,
            "bus": self.link.up and self.directory.ready,
            "lag_ms": round(self.survey.lag.worst() * 1000, 1),
            "memory_mib": resident() // 2**20,
            "pinned_mib": self.pinned.total // 2**20,
            "sockets": len(self.sockets.open),
            **self.maintenance.counts(),
            "homes": len(self.hub.router.homes),
            "tunnels": self.maintenance.tunnels(TUNNELS_SHOWN),
        }

    async def status(self) -> dict[str, Any]:
        """Return the workers and tunnels of all hosts, for the operator."""
        workers = sorted(await self.presence.ask("status"), key=lambda answer: str(answer.get("worker")))
        room = TUNNELS_SHOWN_IN_ALL
        for answer in workers:
            rows = answer.get("tunnels") or []
            answer["tunnels"], room = rows[:room], max(0, room - len(rows))
        return {"workers": workers, "handoffs": handoffs(await self.metrics())}

    def _end(self, about: dict[str, Any]) -> dict[str, Any]:
        ending = Ending(self.hub, lambda: list(self.sockets.open.values()))
        what: dict[str, Callable[..., int]] = {
            "tunnel": ending.tunnel,
            "device": ending.device,
            "connection": ending.connection,
        }
        ended = what[about["what"]](*about["names"])
        if ended:
            log.warning("ended by the operator", extra={"what": about["what"], "sockets": ended})
        return {"ended": ended}

    async def end(self, what: str, names: list[str]) -> int:
        """End a tunnel, a device or a connection in all workers; return how many sockets and watches."""
        answers = await self.presence.ask("end", about={"what": what, "names": names})
        return sum(int(answer.get("ended", 0)) for answer in answers)

    async def metrics(self) -> Values:
        """Return the metrics of this server: of all its workers, including those that have ended."""
        return await self.survey.total(self._local_workers)

    # The end

    async def hand_over(self, successor: str) -> Report:
        """Accept no more sockets, and hand all over to the worker that takes this one's place."""
        stop_accepting()
        self.hub.leaving = True
        return await self.local_workers.hand_over(successor, self.settings.handoff_timeout)

    async def drain(self) -> None:
        """Close the sockets that are still here, and wait until their queues have left."""
        self.draining, self.ready = True, False
        self.hub.leaving = True
        self.sockets.draining = True
        for socket in list(self.sockets.open.values()):
            socket.close(CloseCode.GOING_AWAY, "Server is shutting down")
        end = self.clock.time() + self.settings.shutdown_timeout * CLOSE_SHARE
        while self.sockets.open and self.clock.time() < end:
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Give up the tunnels and leave the bus."""
        await self.maintenance.leave()
        # The directory comes first: once we have left the bus, the others drop messages that go to us.
        if not await self.bus.leave(BUS_DRAIN_SECONDS):
            log.warning("other workers have not taken everything")
        await self.presence.stop()
        await self._tasks.close()
        await self.local_workers.close()
        self.survey.stop()
        self.bus.close()
        await self.devices.close()
        await self.directory.close()
        await self.link.close()


async def _persist(start: Callable[[float], Awaitable[None]]) -> None:
    """Try to start a part of the bus until it works; it logs the reasons of its failures itself."""
    while True:
        try:
            return await start(BUS_TRY_SECONDS)
        except (LinkUnavailable, DirectoryUnavailable) as problem:
            log.debug("waiting for the bus", extra={"reason": str(problem)})
            await asyncio.sleep(0)
