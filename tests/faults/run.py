"""One scenario of the fault programme: what it measures, against what should hold, within a time limit."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.accounting import memory
from tests.faults.ledger import Ledger
from tests.harness import Server


@dataclass
class Measure:
    """A figure and its bound: at most so much (or exactly, or at least)."""

    name: str
    value: float
    bound: float
    least: bool = False
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.value >= self.bound if self.least else self.value <= self.bound

    def __str__(self) -> str:
        sign = "≥" if self.least else "≤"
        mark = "" if self.holds else " MISSED"
        return f"{self.name} {self.value:.4g}{self.unit} ({sign} {self.bound:g}){mark}"


class Run:
    """What a scenario gets: its seed and dice, its size, and a place for its figures."""

    def __init__(self, seed: int, small: bool, patient: bool = False) -> None:
        self.seed, self.small, self.patient, self.dice = seed, small, patient, random.Random(seed)
        self.measures: list[Measure] = []
        self.notes: list[str] = []
        self._servers: list[Server] = []

    def size(self, full: Any, small: Any) -> Any:
        """The one or the other, by how large this run is."""
        return small if self.small else full

    def long(self, full: Any, shorter: Any) -> Any:
        """What the programme asks for, if there is time for it."""
        return full if self.patient else shorter

    def slack(self, lag: float) -> float:
        """What this process's own lag excuses; beside other tests, the server is just as late itself."""
        return 1 + 2 * lag if self.small else lag

    def most(self, name: str, value: float, bound: float, unit: str = "") -> None:
        self.measures.append(Measure(name, value, bound, unit=unit))

    def least(self, name: str, value: float, bound: float, unit: str = "") -> None:
        self.measures.append(Measure(name, value, bound, True, unit))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def faithful(self, ledger: Ledger, tunnels: set[str] | None = None) -> None:
        """Nothing lost (of these tunnels), doubled, reordered, spoilt or astray."""
        self.most("lost", ledger.lost(tunnels), 0)
        self.most("doubled", ledger.doubled(), 0)
        self.most("reordered", ledger.reordered(), 0)
        self.most("wrong tunnel", ledger.strangers, 0)
        self.most("spoilt", ledger.spoilt, 0)
        self.note(f"{ledger.sent():,} messages, {ledger.bytes >> 20:,} MiB")

    @contextmanager
    def server(self, workers: int = 2, **options: Any) -> Iterator[Server]:
        """A started server; it is ended, with all its processes, whatever happens."""
        with (
            tempfile.TemporaryDirectory(prefix="tiflis-faults-") as folder,
            self.server_in(Path(folder), workers, **options) as server,
        ):
            yield server

    @contextmanager
    def server_in(self, folder: Path, workers: int = 2, **options: Any) -> Iterator[Server]:
        """The same in a folder that is there already."""
        server = Server(workers=workers, folder=folder, **options)
        try:
            yield server.start()
        finally:
            if self.failed_so_far():
                self.note("log: " + server.tail(5))
            server.kill_everything()

    def failed_so_far(self) -> bool:
        return any(not measure.holds for measure in self.measures)


Body = Callable[[Run], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """A line of the fault programme."""

    id: str
    title: str
    limit: float  # seconds
    body: Body
    in_tests: bool


SCENARIOS: dict[str, Scenario] = {}


def scenario(id: str, title: str, limit: float, *, in_tests: bool = False) -> Callable[[Body], Body]:
    """Enter a scenario into the programme; `in_tests`: its small form runs with the tests."""

    def enter(body: Body) -> Body:
        SCENARIOS[id] = Scenario(id, title, limit, body, in_tests)
        return body

    return enter


@dataclass
class Outcome:
    """How a scenario went."""

    scenario: Scenario
    seed: int
    seconds: float
    measures: list[Measure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: str = ""

    @property
    def holds(self) -> bool:
        return not self.failure and bool(self.measures) and all(one.holds for one in self.measures)

    def lines(self) -> str:
        told = [str(measure) for measure in self.measures] + self.notes
        return "\n    ".join([*told, *([self.failure] if self.failure else [])])


async def perform(chosen: Scenario, seed: int, small: bool, patient: bool = False) -> Outcome:
    """Run it once; whatever goes wrong is part of the outcome."""
    run, began, failure = Run(seed, small, patient), time.monotonic(), ""
    try:
        async with asyncio.timeout(chosen.limit):
            await chosen.body(run)
    except TimeoutError:
        failure = f"not done within {chosen.limit:g} s\n{traceback.format_exc(limit=-4)}"
    except Exception:  # noqa: BLE001  # the report of this scenario must not cost the others theirs
        failure = traceback.format_exc(limit=-6)
    return Outcome(chosen, seed, time.monotonic() - began, run.measures, run.notes, failure)


def resident(server: Server) -> int:
    """Bytes of all the server's processes."""
    return memory(server.processes())
