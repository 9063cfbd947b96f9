"""The shipped clients' habits as small actors, and the ledger of what they say to each other."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.faults.ledger import Ledger
from tests.relay.fakes import AUTH_KEY, REGISTRATION_KEY
from tests.simulation.lines import Line
from tests.simulation.world import World

RETRY = (0.05, 1.0)
PONG_SECONDS = 5.0
PING_SECONDS = 5.0


class Actor:
    """A peer that comes again whenever it is cut off. ``at_work``: it has its role."""

    name = ""

    def __init__(self, world: World, ledger: Ledger, tunnel: str) -> None:
        self.world, self.ledger, self.tunnel = world, ledger, tunnel
        self.line: Line | None = None
        self.at_work = False
        self.stopped = False  # for good
        self.losses = 0
        self.errors: list[str] = []

    async def live(self) -> None:
        while not self.stopped:
            if self.line is None:
                self.enter()
            await asyncio.sleep(self.world.dice.uniform(*RETRY))

    def enter(self) -> None:
        line = self.world.open()
        if line is None:
            return
        self.line, self.at_work = line, False
        line.hear = lambda text: self._heard(line, text)
        line.lost = lambda: self._lost(line)
        self.introduce()

    def introduce(self) -> None:
        raise NotImplementedError

    def say(self, message: dict[str, Any]) -> None:
        assert self.line is not None
        self.line.say(json.dumps(message).encode())

    def _heard(self, line: Line, text: bytes) -> None:
        message = json.loads(text)
        if message["type"] == "load":
            self.ledger.read(message, self.tunnel, self.name)
        elif message["type"] == "error":
            self.errors.append(message["payload"]["code"])
            self.ledger.reported(str(message.get("id", "")))
            self.refused(message["payload"]["code"])
        elif line is self.line:
            self.hear(message)

    def hear(self, message: dict[str, Any]) -> None: ...
    def refused(self, code: str) -> None: ...

    def _lost(self, line: Line) -> None:
        if self.line is line:
            self.line, self.at_work = None, False
            self.losses += 1

    def leave(self) -> None:
        """Hang up, and come again."""
        if self.line is not None:
            line, self.line, self.at_work = self.line, None, False
            line.hang_up()


class Workstation(Actor):
    """Registers with its last id. It may come on a new connection while the old one is still open."""

    name = "ws"

    def introduce(self) -> None:
        payload = {
            "api_key": REGISTRATION_KEY,
            "name": "desk",
            "auth_key": AUTH_KEY,
            "reconnect": True,
            "previous_tunnel_id": self.tunnel,
        }
        self.say({"type": "workstation.register", "payload": payload})

    def hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "workstation.registered":
            self.world.check(message["payload"]["tunnel_id"] == self.tunnel, f"{self.tunnel} changed its id")
            self.at_work = True

    def refused(self, code: str) -> None:
        if not self.at_work:
            self.leave()

    def tell(self, device: str) -> None:
        text = self.ledger.write(f"{self.tunnel}/ws/{device}", "p")
        self.say({"type": "forward.to_device", "device_id": device, "payload": text})


class Client(Actor):
    """Connects; goes on by itself when told ``connected`` late. ``eager``: it talks before it is told."""

    def __init__(
        self, world: World, ledger: Ledger, tunnel: str, name: str, *, eager: bool, pings: bool
    ) -> None:
        super().__init__(world, ledger, tunnel)
        self.name, self.eager, self.pings = name, eager, pings
        self.ponged = True
        self.life = 0  # which connection: there is no order between two of them

    def introduce(self) -> None:
        payload = {"tunnel_id": self.tunnel, "auth_key": AUTH_KEY, "device_id": self.name, "reconnect": True}
        self.say({"type": "connect", "payload": payload})
        self.ponged = True
        self.life += 1
        if self.pings:
            assert self.line is not None
            self.world.loop.call_later(PING_SECONDS, self._ping, self.line)

    def hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connected":
                self.at_work = True
            case "pong":
                self.ponged = True
            case "auth.error":
                self.stopped = True  # Android does not try again
                self.world.check(False, f"{self.name} stopped for good")

    def refused(self, code: str) -> None:
        if code not in ("WORKSTATION_OFFLINE",) and not self.at_work:
            self.leave()

    def _ping(self, line: Line) -> None:
        """iOS: a pong within 5 s, or a new connection."""
        if self.line is not line:
            return
        self.world.check(self.ponged, f"{self.name} had no pong for {PONG_SECONDS} s")
        if not self.ponged:
            self.leave()
            return
        self.ponged = False
        self.say({"type": "ping", "timestamp": 1})
        self.world.loop.call_later(PONG_SECONDS, self._ping, line)

    def tell(self) -> str:
        """Say something to the workstation; the flow's name."""
        name = f"{self.tunnel}/{self.name}.{self.life}/ws"
        number = self.ledger.flows[name].sent + 1 if name in self.ledger.flows else 1
        text = self.ledger.write(name, "p", id=f"{name}#{number}")
        if self.line is not None:
            self.line.say(text.encode())
        return name
