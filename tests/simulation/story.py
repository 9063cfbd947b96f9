"""One seed's story: everybody talks while things go wrong, and then everything must be well again."""

from __future__ import annotations

import asyncio
import logging
import random

from tests.bus.simulation import Faults
from tests.faults.ledger import Ledger
from tests.simulation.actors import Actor, Client, Workstation
from tests.simulation.virtual import run
from tests.simulation.world import World

TROUBLE_SECONDS = 12.0
ALIVE_SECONDS = 5.0  # after the last fault all are connected and their messages arrive
SETTLE_SECONDS = 10.0
CALM = ("roll", "bus_away", "roll")  # nobody's connection may be closed by these
WILD = (*CALM, "crash", "directory_away", "flap")


class Story:
    """``broken`` lists what did not hold."""

    def __init__(self, seed: int) -> None:
        self.seed, self.dice = seed, random.Random(seed)
        self.wild = seed % 2 == 1
        self.broken: list[str] = []
        self.events: list[str] = []
        self.seconds = 0.0

    def play(self) -> Story:
        self.seconds = run(self._play())
        return self

    async def _play(self) -> None:
        dice = self.dice
        faults = Faults(
            drop=dice.choice((0, 0, 0.02, 0.1)) if self.wild else 0,
            duplicate=dice.choice((0, 0.05)),
            delay=0.001,
            jitter=dice.choice((0, 0.01, 0.1)),
        )
        self.world = World(
            dice.randrange(1 << 30),
            dice.randrange(2, 5),
            steering=dice.random() < 0.5,
            refusals=dice.choice((0, 0.1)) if self.wild else 0,
            faults=faults,
        )
        self.ledger = Ledger()
        self.actors = self._cast()
        lives = [asyncio.create_task(actor.live()) for actor in self.actors]
        await self._until_at_work("at the start")
        if not self.wild:
            for actor in self.actors:
                actor.losses = 0
        talks = [asyncio.create_task(self._talk(actor)) for actor in self.actors]
        await self._trouble()
        await self._until_at_work("after the last fault")
        await self._fresh_message()
        for talk in talks:
            talk.cancel()
        await self._settle()
        self._judge()
        for life in lives:
            life.cancel()
        await self.world.close()

    def _cast(self) -> list[Actor]:
        world, dice = self.world, self.dice
        people: list[Actor] = []
        for number in range(dice.randrange(1, 4)):
            tunnel = f"tunnel-{number}"
            people.append(Workstation(world, self.ledger, tunnel))
            for device in range(dice.randrange(1, 4)):
                eager, pings = dice.random() < 0.3, dice.random() < 0.5
                name = f"d{device}"
                people.append(Client(world, self.ledger, tunnel, name, eager=eager, pings=pings))
        return people

    async def _talk(self, actor: Actor) -> None:
        while True:
            await asyncio.sleep(self.dice.expovariate(10))
            if actor.line is None:
                continue
            if isinstance(actor, Workstation) and actor.at_work:
                devices = [one for one in self.actors if one.tunnel == actor.tunnel and one is not actor]
                actor.tell(self.dice.choice(devices).name)
            elif isinstance(actor, Client) and (actor.at_work or actor.eager):
                actor.tell()

    async def _trouble(self) -> None:
        loop, world = self.world.loop, self.world
        end = loop.time() + TROUBLE_SECONDS
        under_way: list[tuple[str, asyncio.Task[None]]] = []
        while loop.time() < end:
            await asyncio.sleep(self.dice.uniform(0.1, 2))
            what = self.dice.choice(WILD if self.wild else CALM)
            self.events.append(f"{loop.time():.2f} {what}")
            if what == "flap":
                self.dice.choice(self.actors).leave()
            elif what in ("roll", "crash") and any(kind in ("roll", "crash") for kind, _ in under_way):
                pass  # the arbiter restarts one worker at a time
            elif what == "bus_away" and under_way and not self.wild:
                pass  # one thing at a time
            else:
                under_way.append((what, asyncio.create_task(getattr(world, what)())))
            under_way = [(kind, task) for kind, task in under_way if not task.done()]
            world.check_homes()
        await asyncio.gather(*(task for _, task in under_way))

    async def _until_at_work(self, when: str) -> None:
        end = self.world.loop.time() + ALIVE_SECONDS
        while self.world.loop.time() < end:
            if all(actor.at_work for actor in self.actors):
                return
            await asyncio.sleep(0.05)
        idle = [
            f"{actor.tunnel}/{actor.name} {actor.errors[-3:]}" for actor in self.actors if not actor.at_work
        ]
        self.broken.append(f"not at work within {ALIVE_SECONDS} s {when}: {idle}")

    async def _fresh_message(self) -> None:
        """Both ways, of everybody who is at work."""
        wanted = []
        for actor in self.actors:
            if isinstance(actor, Client) and actor.at_work:
                name = actor.tell()
                station = next(one for one in self.actors if one.tunnel == actor.tunnel)
                assert isinstance(station, Workstation)
                if station.at_work:
                    station.tell(actor.name)
                    wanted += [name, f"{actor.tunnel}/ws/{actor.name}"]
        marks = {name: self.ledger.flows[name].sent for name in wanted}
        end = self.world.loop.time() + ALIVE_SECONDS
        while self.world.loop.time() < end:
            late = [name for name, number in marks.items() if self.ledger.flows[name].expected <= number]
            if not late:
                return
            await asyncio.sleep(0.05)
        self.broken.append(f"no fresh message within {ALIVE_SECONDS} s on {late}")

    async def _settle(self) -> None:
        end = self.world.loop.time() + SETTLE_SECONDS
        while self.world.loop.time() < end and not self.ledger.settled():
            await asyncio.sleep(0.1)

    def _judge(self) -> None:
        ledger, world = self.ledger, self.world
        self.broken += world.broken
        for name, flow in ledger.single().items():
            if flow.doubled or flow.reordered:
                self.broken.append(f"{name}: {flow.doubled} doubled, {flow.reordered} reordered")
            lost = sorted(flow.lost())
            if lost and not self.wild:
                self.broken.append(f"{name}: lost {lost[:10]} of {flow.sent}")
        if ledger.strangers:
            self.broken.append(f"{ledger.strangers} messages went astray")
        if not self.wild and any(actor.losses for actor in self.actors):
            self.broken.append(f"{sum(actor.losses for actor in self.actors)} connections closed")
        if not self.wild and world.fell_back:
            self.broken.append(f"{world.fell_back} sockets not handed over")
        for tunnel in {actor.tunnel for actor in self.actors}:
            homes = [
                worker.id
                for worker in world.workers.values()
                if tunnel in worker.hub.homes and worker.hub.homes[tunnel].workstation is not None
            ]
            if len(homes) != 1 or world.store.records[tunnel].home != homes[0]:
                told = world.store.records[tunnel].home
                self.broken.append(f"{tunnel} at home in {homes}, the directory says {told}")


def told(seed: int) -> tuple[int, list[str], float]:
    """A seed, what did not hold, and the simulated seconds."""
    logging.disable(logging.CRITICAL)
    try:
        story = Story(seed).play()
    except Exception as problem:  # noqa: BLE001  # a seed that breaks the simulation is a finding too
        return seed, [repr(problem)], 0.0
    return seed, story.broken, story.seconds
