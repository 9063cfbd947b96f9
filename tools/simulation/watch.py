"""The shipped watch: it polls over HTTP, through whichever worker answers, and believes every number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from tiflis.protocol.errors import TunnelError, TunnelNotFound
from tiflis.relay.watch.calls import Call, Command, Connect, Messages
from tiflis.web.watch_parameters import Query, read_query
from tools.simulation.account import Ear, Load
from tools.simulation.actors import AUTH_KEY, Heard
from tools.simulation.worker import SimWorker, WorkerDied

if TYPE_CHECKING:
    from tools.simulation.world import World

POLL = (0.3, 1.5)  # seconds between two polls
PATIENCE = 12.0  # seconds for an answer

_read = msgspec.json.Decoder(list[dict[str, Any]]).decode


class CallFailed(Exception):
    """No answer, or one that says that it did not work."""


class Watch:
    """Connects once and polls from then on; ``404`` would stop it for good."""

    kind = "watch"

    def __init__(self, world: World, tunnel: str, name: str) -> None:
        self.world, self.tunnel, self.name = world, tunnel, name
        self.since = 0
        self.connected = False
        self.polled_at = -1.0
        self.ear = Ear(tunnel, name)
        self.losses = self.offline_told = 0
        self.errors: list[str] = []
        world.account.ears.append(self.ear)
        world.watched.add(tunnel)

    @property
    def at_work(self) -> bool:
        return self.connected and self.world.loop.time() - self.polled_at < 2 * POLL[1]

    def enter(self) -> None:
        self.life = asyncio.create_task(self._live())

    async def _live(self) -> None:
        while True:
            try:
                await (self._poll() if self.connected else self._connect())
            except CallFailed as problem:
                self.errors.append(str(problem))
            await asyncio.sleep(self.world.dice.uniform(*POLL))

    async def _connect(self) -> None:
        self.ear.absences.append(self.world.loop.time())
        await self._call(Connect)
        self.connected, self.since = True, 0
        self.ear.absences.append(self.world.loop.time())

    async def _poll(self) -> None:
        answer = await self._call(Messages, since=self.since)
        now, current = self.world.loop.time(), answer["current_sequence"]
        self.world.check(current >= self.since, f"{self.tunnel}/{self.name}: {current} after {self.since}")
        if answer["may_have_missed_messages"]:
            self.ear.gap_at = now
            self.world.count("gap announced")
        for message in _read(answer["messages_json"]):
            heard = msgspec.convert(message["data"], Heard)
            if heard.number:
                self.world.account.hear(self.ear, Load(heard.number, heard.tunnel, heard.to), None)
        self.since, self.polled_at = current, now

    async def tell(self) -> None:
        """Send a command; it may be lost unless it was accepted."""
        text = self.world.account.write("request", self.world.loop.time(), self.tunnel, "ws", self.name, None)
        number = max(self.world.account.said)
        try:
            await self._call(Command, text=text)
        except CallFailed:
            self.world.account.reported.add(number)

    async def _call(self, kind: Callable[..., Call], **more: Any) -> dict[str, Any]:
        worker = self.world.any_worker()
        if worker is None:
            raise CallFailed("nobody answers")
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._answer(worker, kind, more)
        except TunnelNotFound:
            self.world.check(False, f"{self.tunnel}/{self.name} was told 404 and stopped")
            raise CallFailed("404") from None
        except (TunnelError, TimeoutError) as problem:
            raise CallFailed(repr(problem)) from None

    async def _answer(
        self, worker: SimWorker, kind: Callable[..., Call], more: dict[str, Any]
    ) -> dict[str, Any]:
        query = Query(f"tunnel_id={self.tunnel}&auth_key={AUTH_KEY}&device_id={self.name}")
        said = read_query(query, {})

        async def call() -> dict[str, Any]:
            key = await worker.hub.authorise(said.tunnel_id, said.auth_keys, "10.0.0.2")
            return await worker.hub.call(self.tunnel, kind(self.name, key, **more))

        try:
            return await worker.ask(call())
        except WorkerDied:
            raise CallFailed("the worker has died") from None
