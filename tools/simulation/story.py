"""One seed's story: everybody talks while things go wrong, and then everything must be well again."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from dataclasses import replace

from tests.bus.simulation import Faults
from tiflis.relay.remote.transit import RETURN_SECONDS
from tools.simulation.actors import Workstation
from tools.simulation.clients import KINDS, Client, Web
from tools.simulation.holder import Holder, judge
from tools.simulation.keys import DAY
from tools.simulation.paired import Paired
from tools.simulation.resumer import Resumer
from tools.simulation.sleeper import Sleeper, check_queues, limits
from tools.simulation.virtual import run
from tools.simulation.watch import Watch
from tools.simulation.world import World

TROUBLE_SECONDS = (1.5, 6.0)
TROUBLE_AT_MOST = 30.0  # a roll, or whatever else, that has not ended by then never will
ALIVE_SECONDS = 5.0  # after the last fault all are connected and their messages arrive
START_SECONDS = 12.0  # until all are paired and connected: the bus may lose one message in ten
PAIRED = 1.0
HELD_AT_LAST_SECONDS = 30.0  # until the outcome of each held message is known: it may be confirmed late
SETTLE_SECONDS = RETURN_SECONDS + 1
CLOSED_LAST_SECONDS = 1.5  # until a workstation has come again whose socket the last fault has closed
REST_SECONDS = 3.0  # in which no workstation registers any more
REVOKED = 0.25  # probability that a trouble is the revocation of a key
COURIERS = ((0, 0.01), (0, 0.3))  # seconds of a handoff's request, and of its answer
STAYING = 0.4  # probability that a device that stays, or a workstation, goes away for a while
SLEEPS = 0.5  # probability that a trouble is a phone that sleeps
NAP_SECONDS = (0.2, 5.0)
HELD = 0.4  # probability that what a device says is to be held
TALK_SECONDS = 0.25  # on average, between two messages of one speaker
# These cost nobody a connection or a message:
AWAY = ("roll", "roll", "bus_away", "cut_off", "nats_away", "loss")
OVERLAPPING = ("roll", "overlap", "overlap")  # in an outage the old home cannot say in time what it knows
WILD = (
    *AWAY,
    "overlap",
    "crash",
    "crash",
    "crash_all",
    "directory_away",
    "flap",
    "flap",
    "restart",
)
FIRST_WITH_KEYS = 100_000  # the stories of these seeds have devices with keys of their own; revoked at times
FIRST_WITH_STAYS = 200_000  # and from these on devices that stay, with messages that are held
FIRST_WITH_SLEEPERS = 250_000  # and from these on phones that sleep, whose queues are small
RESTARTS = ("roll", "crash", "crash_all")

Actor = Client | Workstation | Watch


class Story:
    """``broken`` lists what did not hold."""

    def __init__(self, seed: int) -> None:
        self.seed, self.dice = seed, random.Random(seed)
        self.wild = seed % 2 == 1
        self.troubles = WILD if self.wild else AWAY if seed % 4 else OVERLAPPING
        self.with_keys = seed >= FIRST_WITH_KEYS
        self.with_stays = seed >= FIRST_WITH_STAYS
        self.with_sleepers = seed >= FIRST_WITH_SLEEPERS
        self.broken: list[str] = []
        self.events: list[str] = []
        self.happened: Counter[str] = Counter()
        self.seconds = 0.0

    def play(self) -> Story:
        self.seconds = run(self._play())
        return self

    def digest(self) -> str:
        """Return a digest of all that was sent and received, and when: the same for the same story."""
        heard = [
            f"{ear.tunnel}/{ear.name} {sorted(ear.heard)} {ear.absences}" for ear in self.world.account.ears
        ]
        said = [f"{one.number} {one.at} {one.by} {one.to}" for one in self.world.account.said.values()]
        return hashlib.blake2b("\n".join([*self.events, *said, *heard]).encode(), digest_size=8).hexdigest()

    async def _play(self) -> None:
        dice = self.dice
        faults = Faults(
            drop=0 if self.troubles is OVERLAPPING else dice.choice((0, 0, 0.02, 0.1)),
            duplicate=dice.choice((0, 0.05)),
            delay=0.001,
            jitter=dice.choice((0, 0.01, 0.1)),
        )
        self.world = World(
            dice.randrange(1 << 30),
            dice.randrange(2, 5),
            steering=dice.random() < 0.4,
            refusals=dice.choice((0, 0.1)) if self.wild else 0,
            faults=faults,
            holds=self.with_stays,
        )
        self.world.troubled = self.wild
        if self.with_sleepers:
            self.world.stay = limits(dice)
        if self.with_keys and self.wild:
            self.world.refusals = dice.choice((0, 0.1, 0.4))
            self.world.courier = dice.choice(COURIERS)
        with self.world.descriptors(), self.world.ears_open():
            await self._acts()
        self.happened = self.world.happened
        self._judge()
        await self.world.close()

    async def _acts(self) -> None:
        self.actors = self._cast()
        for actor in self.actors:
            pause = PAIRED if isinstance(actor, Watch | Paired) else 0.0  # there is a tunnel to pair with
            self.world.loop.call_later(pause, actor.enter)
        await self._until_well("at the start", START_SECONDS)
        for actor in self.actors:
            actor.losses = actor.offline_told = 0
        for actor in self.actors:
            self._talk(actor)
        await self._trouble()
        await self._until_well("after the last fault", ALIVE_SECONDS)
        self.talking = False
        await self._fresh_messages()
        await self._settle()

    def _cast(self) -> list[Actor]:
        world, dice = self.world, self.dice
        people: list[Actor] = []
        for number in range(dice.choice((1, 1, 2))):
            tunnel = f"tunnel-{number}"
            people.append(Workstation(world, tunnel))
            for device in range(dice.randrange(1, 4)):
                kind = dice.choice(KINDS)
                tabs = 2 if kind is Web and dice.random() < 0.5 else 1
                people += [kind(world, tunnel, f"d{device}") for _ in range(tabs)]
            if dice.random() < 0.3:
                people.append(Watch(world, tunnel, "watch"))
            if self.with_keys:
                names = [f"p{number}" for number in range(dice.choice((1, 1, 2)))]
                people += [Paired(world, tunnel, name) for name in names]
            if self.with_stays:
                people += [Resumer(world, tunnel, f"s{one}") for one in range(dice.randrange(3))]
                people.append(Holder(world, tunnel, "h0"))
            if self.with_sleepers:
                people += [Sleeper(world, tunnel, f"z{one}") for one in range(dice.choice((1, 1, 2)))]
        self.stations = {one.tunnel: one for one in people if isinstance(one, Workstation)}
        self.talking = True
        return people

    # Talk

    def _talk(self, actor: Actor) -> None:
        """Say something now and then."""
        pause = self.dice.expovariate(1 / TALK_SECONDS)
        self.world.loop.call_later(pause, self._speak, actor)

    def _speak(self, actor: Actor) -> None:
        if not self.talking:
            return
        if actor.at_work:
            self._say(actor)
        self._talk(actor)

    def _say(self, actor: Actor) -> None:
        if isinstance(actor, Watch):
            self.commands = asyncio.create_task(actor.tell())
        elif isinstance(actor, Holder) and self.dice.random() < HELD:
            actor.hold()
        elif isinstance(actor, Client):
            actor.tell("request", "ws")
        else:
            devices = sorted({one.name for one in self.actors if one.tunnel == actor.tunnel} - {"ws"})
            actor.tell("output", self.dice.choice([*devices, "all"]))

    # Trouble

    async def _trouble(self) -> None:
        loop = self.world.loop
        end = loop.time() + self.dice.uniform(*TROUBLE_SECONDS)
        under_way: list[tuple[str, asyncio.Task[None]]] = []
        while loop.time() < end:
            await asyncio.sleep(self.dice.uniform(0.02, 1.2))
            what = self.dice.choice(self.troubles)
            if self.with_keys and self.dice.random() < REVOKED:
                what = "revoke"
            elif self.with_stays and self.dice.random() < STAYING:
                what = self.dice.choice(("away", "away", "nap") if self.wild else ("away",))
            if self.with_sleepers and self.dice.random() < SLEEPS:
                what = "sleep"
            restarts = any(kind in RESTARTS and not task.done() for kind, task in under_way)
            if what == "roll" and restarts:
                continue  # the arbiter restarts one worker at a time
            self.events.append(f"{loop.time():.3f} {what}")
            self.world.count(what)
            under_way.append((what, asyncio.create_task(self._go_wrong(what))))
            self.world.check_homes()
            check_queues(self.world)
        over = [task for _, task in under_way]
        _, late = await asyncio.wait(over, timeout=TROUBLE_AT_MOST) if over else ((), ())
        if late:
            self.broken.append(f"trouble without an end: {[kind for kind, one in under_way if one in late]}")
        for task in over:
            if task.done():
                task.result()
        # What is lost later would be one more fault: on a bus that goes on losing there is no deadline.
        self.world.network.faults = replace(self.world.network.faults, drop=0)

    async def _go_wrong(self, what: str) -> None:
        if what == "flap":
            clients = [one for one in self.actors if not isinstance(one, Watch)]
            self.dice.choice(clients).leave()
        elif what == "overlap":
            self.dice.choice(list(self.stations.values())).overlap()
        elif what == "revoke":
            await self._revoke()
        elif what == "away":
            self.dice.choice([one for one in self.actors if isinstance(one, Resumer)]).leave()
        elif what == "sleep":
            await self.dice.choice([one for one in self.actors if isinstance(one, Sleeper)]).sleep()
        elif what == "nap":
            await self._nap()
        elif what == "restart":
            self.dice.choice(list(self.stations.values())).restart()
        else:
            await getattr(self.world, what)()

    async def _nap(self) -> None:
        """Have a workstation sleep; what is held for it waits or expires."""
        station = self.dice.choice(list(self.stations.values()))
        seconds = self.dice.uniform(*NAP_SECONDS)
        station.nap(seconds)
        await asyncio.sleep(seconds)

    async def _revoke(self) -> None:
        """Revoke one device's key; the device takes no part in the story any more, except that it tries."""
        paired = [one for one in self.actors if isinstance(one, Paired)]
        if paired:
            victim = self.dice.choice(paired)
            self.actors.remove(victim)
            if self.wild and self.dice.random() < 0.5:  # what it says now waits for the workstation
                self.stations[victim.tunnel].restart()
                await asyncio.sleep(self.dice.uniform(0, 0.1))
            await victim.revoke()

    # Well again

    def _idle(self) -> list[str]:
        """Return the actors that are not connected, or not authenticated with their workstation."""
        return [
            f"{one.tunnel}/{one.name} {one.errors[-3:]}"
            for one in self.actors
            if not one.at_work
            or (not isinstance(one, Workstation) and one.name not in self.stations[one.tunnel].known)
        ]

    async def _until_well(self, when: str, seconds: float) -> None:
        end = self.world.loop.time() + seconds
        while self._idle():
            if self.world.loop.time() >= end:
                self.broken.append(f"not at work within {seconds} s {when}: {self._idle()}")
                return
            await asyncio.sleep(0.05)

    async def _fresh_messages(self) -> None:
        """Send messages both ways, of all; meanwhile the workstations come to rest."""
        began = self.world.loop.time()
        while late := self._say_and_look(began):
            if self.world.loop.time() > began + ALIVE_SECONDS:
                self.broken.append(f"no fresh message within {ALIVE_SECONDS} s: {late}")
                break
            await asyncio.sleep(0.5)
        await asyncio.sleep(max(0.0, began + CLOSED_LAST_SECONDS - self.world.loop.time()))
        registrations = [one.registrations for one in self.stations.values()]
        await asyncio.sleep(REST_SECONDS)
        if registrations != [one.registrations for one in self.stations.values()]:
            self.broken.append("a workstation does not come to rest")

    def _say_and_look(self, began: float) -> list[str]:
        """Send on each of these ways; return those on which nothing sent since has arrived."""
        account = self.world.account
        arrived = {
            (said.tunnel, said.by, said.to)
            for said in account.said.values()
            if said.at >= began and account.arrived(said)
        }
        late = []
        for actor in self.actors:
            if isinstance(actor, Client):
                for by, to, speaker in (
                    (actor.name, "ws", actor),
                    ("ws", actor.name, self.stations[actor.tunnel]),
                ):
                    if (actor.tunnel, by, to) not in arrived:
                        late.append(f"{actor.tunnel}: {by} to {to}")
                        speaker.tell("request" if to == "ws" else "output", to)
        return late

    async def _settle(self) -> None:
        """Wait until all has arrived and nothing is pinned any more.

        A home keeps the places of clients whose worker died in a move for RETURN_SECONDS.
        """
        end = self.world.loop.time() + SETTLE_SECONDS
        while self.world.loop.time() < end and (self.world.account.lost() or self._pinned()):
            await asyncio.sleep(0.5)
        end += HELD_AT_LAST_SECONDS
        while self.world.loop.time() < end and judge(self.world.account.held, DAY):
            await asyncio.sleep(0.5)

    def _judge(self) -> None:
        world, account = self.world, self.world.account
        self.broken += world.broken
        self.broken += account.doubled[:5] + account.astray[:5]
        if lost := account.lost():
            self.broken.append(f"{len(lost)} lost: {lost[:5]}")
        if idle := self._idle():
            self.broken.append(f"not at work in the end: {idle}")
        self.broken += judge(account.held, DAY)[:5]
        self._judge_calm()
        self.broken += self._pinned()
        for tunnel in self.stations:
            homes = [
                worker.id
                for worker in world.workers.values()
                if tunnel in worker.hub.router.homes
                and worker.hub.router.homes[tunnel].workstation is not None
            ]
            if len(homes) != 1 or world.store.records[tunnel].home != homes[0]:
                told = world.store.records[tunnel].home
                self.broken.append(f"{tunnel} at home in {homes}, the directory says {told}")

    def _pinned(self) -> list[str]:
        """Return what is pinned besides the queues of watches, at their tunnel's home."""
        pinned = []
        for worker in self.world.workers.values():
            worker.measure()
            for account in worker.pinned.accounts():
                pings = account.kinds["bus"]  # that are under way just now
                queued = account.kinds["queues"] if account.tunnel_id in worker.hub.router.homes else 0
                if account.total != queued + pings:
                    pinned.append(f"{worker.id} pins {dict(account.kinds)} for {account.tunnel_id}")
        return pinned

    def _judge_calm(self) -> None:
        """Check that no peer noticed a roll, not even while the bus was away."""
        if self.wild:
            return
        if losses := sum(actor.losses for actor in self.actors):
            self.broken.append(f"{losses} connections closed")
        if told := sum(actor.offline_told for actor in self.actors):
            self.broken.append(f"{told} told that their workstation is offline")
        if self.world.fell_back:
            self.broken.append(f"{self.world.fell_back} sockets not handed over")


def told(seed: int) -> tuple[int, list[str], float, Counter[str]]:
    """Play a story; return its seed, what did not hold, the simulated seconds, and what has happened."""
    story = Story(seed)
    try:
        story.play()
    except Exception as problem:  # noqa: BLE001  # a seed that breaks the simulation is a finding too
        return seed, [repr(problem)], 0.0, Counter()
    return seed, story.broken, story.seconds, story.happened
