"""A phone in a pocket: its queue is small and fills while it sleeps; each verdict has to keep its promise."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from tiflis.limits import MIB
from tiflis.relay.watch.stays import StayLimits
from tools.simulation.actors import Heard
from tools.simulation.lines import Line
from tools.simulation.resumer import Resumer

if TYPE_CHECKING:
    from tools.simulation.world import World

MESSAGES = (2, 5, 20, 256)  # that a queue may hold
BYTES = (300, 4 * MIB)
STAYS = (3.0, 600.0)  # seconds
SLEEP_SECONDS = (0.3, 6.0)


def limits(dice: random.Random) -> StayLimits:
    """Return the bounds of all queues of a story."""
    return StayLimits(dice.choice(MESSAGES), dice.choice(BYTES), dice.choice(STAYS))


class Sleeper(Resumer):
    """Closes its socket for seconds at a time, and says in its pings how far it has read."""

    kind = "sleeper"
    asleep = False

    async def sleep(self) -> None:
        """Close the socket, and open another one after a while."""
        if self.line is None or self.asleep:
            return
        self.asleep = True
        line, self.line, self.at_work = self.line, None, False
        line.hang_up()
        await asyncio.sleep(self.world.dice.uniform(*SLEEP_SECONDS))
        self.asleep = False
        self.enter()

    def enter(self) -> None:
        if not self.asleep:
            super().enter()

    def ping(self) -> bool:
        self.say({"type": "ping", "timestamp": 0, "seen": self.cursor.seq})
        return super().ping()

    def _connected(self, heard: Heard) -> None:
        resume, most = heard.payload.resume, self.world.stay.messages
        if resume is not None and resume.verdict == "ok":
            self.world.check(resume.missed <= most, f"{self.tunnel}/{self.name}: {resume.missed} of {most}")
            self.world.count(f"slept: {'something' if resume.missed else 'nothing'} missed")
        super()._connected(heard)

    def hear_load(self, heard: Heard, line: Line) -> None:
        before = self.latest.get(id(self.world.account.said[heard.number].line), 0)
        self.world.check(before < heard.number, f"{self.tunnel}/{self.name}: {heard.number} after {before}")
        super().hear_load(heard, line)


def check_queues(world: World) -> None:
    """Check that no queue of a device that stays is larger than its bounds."""
    for worker in world.workers.values():
        for home in worker.hub.router.homes.values():
            registry = getattr(home.watches, "registry", None)
            for watch in registry.staying.values() if registry else ():
                size = (len(watch.queue.newest), watch.queue.size)
                right = size[0] <= world.stay.messages and size[1] <= world.stay.size
                world.check(right, f"{home.tunnel_id}/{watch.name} holds {size} of {world.stay}")
