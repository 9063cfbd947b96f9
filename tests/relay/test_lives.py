"""Random lives of a tunnel on three workers: nothing is lost, doubled or reordered silently."""

import asyncio
import json
import os
import random
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest

from tests.relay.fakes import FakeWire
from tests.relay.town import Town
from tiflis.relay.home import Home

SEED = int(os.environ.get("TIFLIS_TEST_SEED", "0"))
WORKERS = ("a", "b", "c")
GRACE = 0.03
AT_ONCE = 2  # registrations under way: with three, a departure may be sent twice
TUNNEL = "tunnel-1"


class Peer:
    """A wire, its worker, and the broadcasts that it should have received."""

    def __init__(self, wire: FakeWire, worker: str, device_id: str = "") -> None:
        self.wire, self.worker, self.device_id = wire, worker, device_id
        self.sent = 0
        self.expected: list[int] = []  # the numbers of the broadcasts that it must receive

    @property
    def types(self) -> list[str]:
        return self.wire.types

    @property
    def open(self) -> bool:
        return self.wire.closed is None


class Life:
    """One tunnel's random life; ``story`` lists what happened, to find the cause of a failure."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.story: list[str] = []
        self.town = Town(*WORKERS, offline_grace=GRACE)
        self.stations: list[Peer] = []
        self.clients: list[Peer] = []
        self.sent = 0
        self.pace = self.chance.choice([4, 10, 30])  # deliveries that are tried between two steps, at most

    def steps(self) -> list[Any]:
        return [
            *[self.note] * 8,
            *[self.news] * 4,
            *[self.join] * 3,
            *[self.leave] * 2,
            *[self.register] * 3,
            *[self.drop] * 2,
            *[self.breathe] * 6,
            self.wait,
            self.settle,
        ]

    async def live(self, steps: int) -> None:
        await self.register()
        await self.settle()
        for _ in range(steps):
            await self.chance.choice(self.steps())()
            await self.breathe()
        await self.settle()
        await self.wait()
        await self.town.until(
            lambda: all("workstation.registered" in peer.types for peer in self.stations if peer.open)
        )
        await self.register()
        last = self.stations[-1].wire
        await self.town.until(lambda: "workstation.registered" in last.types)
        await self.settle()
        await self.wait()
        await self.town.until(lambda: not any(home.transit.awaited for home in self.homes()))
        await self.settle()

    def homes(self) -> list[Home]:
        return [hub.router.homes[TUNNEL] for hub in self.town.hubs.values() if TUNNEL in hub.router.homes]

    # Steps

    async def breathe(self) -> None:
        """Deliver a few messages, run a few tasks."""
        self.town.cable.carry_some(self.chance, self.chance.randrange(self.pace))
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)

    async def settle(self) -> None:
        self.story.append("settle")
        await self.town.settle()

    async def wait(self) -> None:
        """Let the grace pass."""
        self.story.append("wait")
        end = asyncio.get_running_loop().time() + GRACE * 1.5
        while asyncio.get_running_loop().time() < end:
            self.town.cable.carry_some(self.chance, self.pace)
            await asyncio.sleep(GRACE / 20)

    async def register(self) -> None:
        if sum(peer.open and "workstation.registered" not in peer.types for peer in self.stations) >= AT_ONCE:
            return
        worker = self.chance.choice(WORKERS)
        self.story.append(f"station {len(self.stations)} registers at {worker}")
        self.stations.append(Peer(self.town.socket(worker), worker))
        self.stations[-1].wire.say(self.town.registration())

    async def drop(self) -> None:
        """Close a workstation's socket: the newest or a superseded one."""
        living = [peer for peer in self.stations if peer.open]
        if living:
            peer = self.chance.choice([living[-1], self.chance.choice(living)])
            self.story.append(f"station {self.stations.index(peer)} closes")
            peer.wire.end()

    async def join(self) -> None:
        worker = self.chance.choice(WORKERS)
        name = f"client {len(self.clients)}"
        self.story.append(f"{name} joins at {worker}")
        self.clients.append(Peer(self.town.socket(worker), worker, name))
        self.clients[-1].wire.say(self.town.connecting(name))

    async def leave(self) -> None:
        living = [peer for peer in self.clients if peer.open]
        if len(living) > 2:
            peer = self.chance.choice(living)
            self.story.append(f"{peer.device_id} leaves")
            peer.wire.end()

    async def note(self) -> None:
        living = [peer for peer in self.clients if peer.open and "connected" in peer.types]
        if living:
            peer = self.chance.choice(living)
            self.story.append(f"{peer.device_id} says {peer.sent}")
            peer.wire.say({"type": "note", "id": peer.sent, "from": peer.device_id})
            peer.sent += 1

    async def news(self) -> None:
        """Have the workstation broadcast a message."""
        home = next(iter(self.homes()), None)
        if home is None or home.workstation is None:
            return
        station = next(peer for peer in self.stations if peer.wire is home.workstation.wire)
        if not station.wire.paused:
            self.story.append(f"station {self.stations.index(station)} sends news {self.sent}")
            station.wire.say({"type": "news", "n": self.sent})
            for peer in self.clients:
                if peer.open and "connected" in peer.types and peer.device_id in home.device_registry:
                    peer.expected.append(self.sent)
            self.sent += 1

    # Invariants

    def check(self) -> None:
        self._check_notes()
        for peer in self.clients:
            if peer.open:
                heard = [m["n"] for m in peer.wire.messages if m["type"] == "news"]
                assert heard == sorted(set(heard)), f"{peer.device_id}: news out of order, or twice"
                assert set(peer.expected) <= set(heard), f"{peer.device_id} missed news"
                self._check_announcements(peer)
        self._check_departures()

    def _received_by_stations(self) -> list[dict[str, Any]]:
        """Return what all workstations have received, in the order of time."""
        wires = [station.wire for station in self.stations]
        return [
            json.loads(text)
            for _, text in sorted(p for w in wires for p in zip(w.times, w.texts, strict=True))
        ]

    def _check_notes(self) -> None:
        heard: dict[str, list[int]] = defaultdict(list)
        for message in self._received_by_stations():
            if message["type"] == "note":
                heard[message["from"]].append(message["id"])
        for peer in self.clients:
            arrived = heard[peer.device_id]
            errors = [m.get("id") for m in peer.wire.messages if m["type"] == "error"]
            returned = [which for which in errors if which not in ("c", None)]
            assert arrived == sorted(set(arrived)), f"{peer.device_id}: out of order, or twice: {arrived}"
            if peer.open:
                assert Counter(arrived + returned) == Counter(range(peer.sent)), (
                    f"{peer.device_id} sent {peer.sent}, arrived {arrived}, returned {returned}"
                )

    def _check_announcements(self, peer: Peer) -> None:
        states = [kind for kind in peer.types if kind.startswith("connection.")]
        offline = "connection.workstation_offline"
        assert (offline, offline) not in pairwise(states), f"{peer.device_id}: offline twice"
        assert not states or states[-1] != offline, f"{peer.device_id} was never sent that it is back"
        assert "connected" in peer.types

    def _check_departures(self) -> None:
        """Check that a device leaves once; after a stall it may count as gone, but is then introduced
        again."""
        story: dict[str, list[str]] = defaultdict(list)
        for message in self._received_by_stations():
            if message["type"] in ("auth", "client.disconnected"):
                story[message["payload"]["device_id"]].append(message["type"])
        for peer in self.clients:
            sent = story[peer.device_id]
            assert ("client.disconnected",) * 2 not in pairwise(sent), f"{peer.device_id} left twice: {sent}"
            if peer.open or "connected" in peer.types:
                left = sent[-1:] == ["client.disconnected"]
                assert left is not peer.open, f"{peer.device_id} is {'here' if peer.open else 'gone'}: {sent}"


@pytest.mark.parametrize("seed", range(20) if not SEED else [SEED])
async def test_a_life(seed: int) -> None:
    life = Life(seed)
    try:
        await life.live(60)
        life.check()
    except (AssertionError, TimeoutError) as failure:
        raise AssertionError(f"seed {seed}: {failure}\n" + "\n".join(life.story)) from failure
    finally:
        await life.town.close()
