"""Presence of workers: each sends a hello once a second, and counts as gone after a silence."""

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tiflis.bus import subjects
from tiflis.bus.channels import packets
from tiflis.bus.errors import BadSubject, OtherVersion
from tiflis.bus.nats.client import ConnectionListener, NatsClient
from tiflis.bus.scatter_gather import ScatterGather
from tiflis.clock import running_clock

log = logging.getLogger(__name__)

HELLO_SECONDS = 1.0
LEASE_SECONDS = 4.0
"""Silence after which a worker is gone: three hellos may be lost."""
SIBLING_LEASE_SECONDS = 30.0
"""The same for a worker of the same server: its main process reports a death at once, and kills a worker that
hangs for 20 s. One that only stands still comes back with all its sockets and messages."""
LOOK_SECONDS = 0.25
WELCOME_SECONDS = 0.02
"""Newcomers within this time are greeted together."""
DEAD_REMEMBERED = 1024
"""Workers known to be dead, whose late hellos are ignored."""
MISSING_SECONDS = 600.0
"""Time in which a worker that fell silent, and was not reported dead, may come back with its sockets."""

Facts = dict[str, Any]


@dataclass(slots=True)
class Peer:
    """Another worker as it last described itself."""

    worker_id: str
    version: int = 1  # of what it writes to other workers, see wire.VERSION
    facts: Facts = field(default_factory=dict)
    heard_at: float = 0.0
    silent: bool = False  # for longer than LEASE_SECONDS; it may be gone


def _ignore(_worker_id: str) -> None:
    return None


def _usual_lease(_worker_id: str) -> float:
    return LEASE_SECONDS


class Presence:
    """Sends the hellos of this worker and keeps `peers`, the other workers that send theirs."""

    def __init__(
        self,
        link: NatsClient,
        me: str,
        describe: Callable[[], Facts] = dict,
        on_gone: Callable[[str], None] = _ignore,
        on_seen: Callable[[str], None] = _ignore,
        lease: Callable[[str], float] = _usual_lease,
    ) -> None:
        """``lease``: return the seconds of silence after which a worker, by id, is gone."""
        self._link = link
        self._me = subjects.checked(me)
        self._describe = describe
        self._on_gone = on_gone
        self._on_seen = on_seen
        self._lease = lease
        self._loop = asyncio.get_running_loop()
        self._dead: OrderedDict[str, None] = OrderedDict()
        self._missing: dict[str, Peer] = {}  # silent for longer than their lease
        self._clock = running_clock()
        self._floor = self._clock.time()
        self._hello_at = 0.0
        self._welcoming = False
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._sids: list[int] = []
        self._questions = ScatterGather(link, me)
        self.peers: dict[str, Peer] = {}

    # -- life

    def start(self) -> None:
        """Subscribe, and send a hello now and every second."""
        self._sids = [
            self._link.subscribe(subjects.HELLO, self._heard),
            self._link.subscribe(subjects.GONE, self._told_gone),
        ]
        self._questions.start()
        self._link.listen(ConnectionListener(on_up=self._link_up))
        self._say_hello()
        self._look()

    async def meet(self, seconds: float) -> None:
        """Wait for the hellos of other workers. Raise OtherVersion if one of them writes another format."""
        await asyncio.sleep(seconds)
        strangers = [peer.worker_id for peer in self.peers.values() if peer.version != packets.VERSION]
        if strangers:
            await self.stop()
            raise OtherVersion(
                f"{len(strangers)} running workers, {strangers[0]} among them, write another format than this"
                " code: they must all be stopped before it can start"
            )

    async def stop(self) -> None:
        """Send a goodbye, so that the others know at once."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for sid in self._sids:
            self._link.unsubscribe(sid)
        self._questions.stop()
        self._publish(subjects.HELLO, {"id": self._me, "bye": True})
        self._link.flush_writes()

    # -- questions

    def gone(self, worker_id: str) -> None:
        """Report to all hosts that a worker is dead: its process has ended."""
        self._publish(subjects.GONE, {"id": worker_id})
        self._bury(worker_id)

    def answer(self, kind: str, respond: Callable[[], Facts]) -> None:
        """Answer questions of this kind from now on."""
        self._questions.answer(kind, respond)

    def act(self, kind: str, do: Callable[[Facts], Facts]) -> None:
        """Call `do` with the argument of each question of this kind, and answer with its result."""
        self._questions.act(kind, do)

    async def ask(
        self,
        kind: str,
        deadline: float = 1.0,
        whom: Callable[[str], bool] = lambda worker_id: True,
        about: Facts | None = None,
    ) -> list[Facts]:
        """Return the answers of all workers, this one first, without those that do not answer in time.

        With ``whom`` only these are waited for; others may be among the answers all the same.
        """
        return await self._questions.ask(kind, set(filter(whom, self.peers)), deadline, about or {})

    def missing(self) -> list[Peer]:
        """Return the workers that fell silent lately and were not reported dead: they may only be cut off."""
        since = self._clock.time() - MISSING_SECONDS
        self._missing = {name: peer for name, peer in self._missing.items() if peer.heard_at > since}
        return list(self._missing.values())

    # -- hello

    def _say_hello(self) -> None:
        self._hello_at = self._loop.time()
        self._welcoming = False
        if self._stopped:
            return
        # ``overlaps``: workers of version 1 take a newcomer without it for the successor of one that died.
        hello = {"id": self._me, "version": packets.VERSION, "overlaps": True, "facts": self._describe()}
        self._publish(subjects.HELLO, hello)

    def _publish(self, subject: str, message: Facts) -> None:
        self._link.publish(subject, json.dumps(message, separators=(",", ":")).encode())

    def _heard(self, _subject: bytes, payload: bytes) -> None:
        message = _read(payload)
        if message is None or message["id"] == self._me:
            return
        worker_id = message["id"]
        if message.get("bye"):
            self._bury(worker_id)
        elif worker_id not in self._dead:
            self._alive(worker_id, message)

    def _alive(self, worker_id: str, message: Facts) -> None:
        peer = self.peers.get(worker_id)
        facts = message.get("facts")
        if peer is None:
            self._missing.pop(worker_id, None)
            self.peers[worker_id] = peer = Peer(worker_id)
            self._welcome()
            self._on_seen(worker_id)
        peer.heard_at = self._clock.time()
        peer.silent = False
        peer.version = message.get("version", 1)
        peer.facts = facts if isinstance(facts, dict) else {}

    def _welcome(self) -> None:
        """Send a hello soon, so that a new worker knows us at once."""
        if not self._welcoming:
            self._welcoming = True
            self._loop.call_later(WELCOME_SECONDS, self._say_hello)

    # -- gone

    def _told_gone(self, _subject: bytes, payload: bytes) -> None:
        message = _read(payload)
        if message is not None and message["id"] != self._me:
            self._bury(message["id"])

    def _bury(self, worker_id: str) -> None:
        """Remember a worker as dead: an id is never used again."""
        if worker_id in self._dead:
            return
        self._dead[worker_id] = None
        if len(self._dead) > DEAD_REMEMBERED:
            self._dead.popitem(last=False)
        self._lost(worker_id)

    def _lost(self, worker_id: str) -> None:
        self.peers.pop(worker_id, None)
        self._missing.pop(worker_id, None)
        self._on_gone(worker_id)

    def _link_up(self) -> None:
        self._floor = self._clock.time()
        self._say_hello()

    def _look(self) -> None:
        """Drop workers whose lease has expired. Silence counts only while the client is connected."""
        now = self._clock.time()
        if not self._link.up:
            self._floor = now
        if self._loop.time() - self._hello_at >= HELLO_SECONDS:
            self._say_hello()
        for peer in list(self.peers.values()):
            silence = now - max(peer.heard_at, self._floor)
            if silence > LEASE_SECONDS and not peer.silent:
                peer.silent = True
                log.warning("worker silent", extra={"worker": peer.worker_id})
            if silence > self._lease(peer.worker_id):
                self._on_gone(peer.worker_id)  # before it is dropped: perhaps it is only cut off
                if self.peers.pop(peer.worker_id, None) is not None and len(self._missing) < DEAD_REMEMBERED:
                    self._missing[peer.worker_id] = peer
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)


def _read(payload: bytes) -> Facts | None:
    """Return a message with a valid worker id, or None."""
    try:
        message = json.loads(payload)
        if isinstance(message, dict) and isinstance(message.get("id"), str):
            subjects.checked(message["id"])
            return message
    except (ValueError, BadSubject):
        pass
    log.warning("hello refused")
    return None
