"""One scenario of the fault programme: what it measures, against what should hold, within a time limit."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import random
import shutil
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.harness import AUTH_KEY, REGISTRATION_KEY, Server
from tests.patience import now
from tools.bench.accounting import memory
from tools.faults.ledger import Ledger


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

    def __init__(self, seed: int, small: bool) -> None:
        self.seed, self.small, self.dice = seed, small, random.Random(seed)
        self.measures: list[Measure] = []
        self.notes: list[str] = []
        self.keys_left = 0  # places where a server of this scenario has left a key (S9)

    def size(self, full: Any, small: Any) -> Any:
        """Return the one or the other, by how large this run is."""
        return small if self.small else full

    def slack(self, lag: float) -> float:
        """Return the seconds that this process's own lag excuses; beside other tests, the server is just as
        late itself."""
        return 1 + 2 * lag if self.small else lag

    def clock(self) -> float:
        """Return seconds; beside other tests those of a machine that keeps up."""
        return now() if self.small else time.monotonic()

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
        """Start a server; end it, with all its processes, whatever happens."""
        with (
            tempfile.TemporaryDirectory(prefix="tiflis-faults-") as folder,
            self.server_in(Path(folder), workers, **options) as server,
        ):
            yield server

    @contextmanager
    def server_in(self, folder: Path, workers: int = 2, **options: Any) -> Iterator[Server]:
        """Do the same in a folder that is there already."""
        env = {
            "LIVENESS_TIMEOUT": "15",
            **(options.pop("env", None) or {}),
        }  # the default of the server itself
        server = Server(workers=workers, folder=folder, env=env, **options)
        try:
            yield server.start()
        finally:
            if self.failed_so_far():
                self.note("log: " + server.tail(5))
            server.kill_everything()
            self.keys_left += keys_in(server)

    def failed_so_far(self) -> bool:
        return any(not measure.holds for measure in self.measures)


Body = Callable[[Run], Awaitable[None]]


class Absent(Exception):
    """Something that a scenario needs is not on this machine; says what."""


def need(program: str, what_for: str) -> None:
    """Raises Absent without it."""
    if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        raise Absent(f"{program} is needed for {what_for}")


class Company(StrEnum):
    """What else may run at the same time."""

    ALONE = "alone"  # nothing: its figures are of milliseconds, or its crowd needs the machine
    BESIDE = "beside"  # the patient ones
    PATIENT = "patient"  # everything but those alone: it takes minutes and little else


@dataclass(frozen=True)
class Scenario:
    """A line of the fault programme."""

    id: str
    title: str
    limit: float  # seconds
    body: Body
    in_tests: bool
    company: Company


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    id: str, title: str, limit: float, *, in_tests: bool = False, company: Company = Company.BESIDE
) -> Callable[[Body], Body]:
    """Enter a scenario into the programme; `in_tests`: its small form runs with the tests."""

    def enter(body: Body) -> Body:
        SCENARIOS[id] = Scenario(id, title, limit, body, in_tests, company)
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
    absent: str = ""  # why it could not run at all
    load: float = 0.0  # load average of the machine at its end

    @property
    def holds(self) -> bool:
        return (
            not self.absent
            and not self.failure
            and bool(self.measures)
            and all(one.holds for one in self.measures)
        )

    def lines(self) -> str:
        told = [str(measure) for measure in self.measures] + self.notes
        return "\n    ".join([*told, *(text for text in (self.failure, self.absent) if text)])


async def perform(chosen: Scenario, seed: int, small: bool) -> Outcome:
    """Run it once; whatever goes wrong is part of the outcome."""
    run, began, failure, absent = Run(seed, small), time.monotonic(), "", ""
    try:
        async with asyncio.timeout(chosen.limit):
            await chosen.body(run)
    except Absent as missing:
        absent = str(missing)
    except TimeoutError:
        failure = f"{traceback.format_exc(limit=-4)}\nnot done within {chosen.limit:g} s"
    except Exception:  # noqa: BLE001  # the report of this scenario must not cost the others theirs
        failure = traceback.format_exc(limit=-6)
    if run.keys_left:
        run.most("keys left behind in logs and files", run.keys_left, 0)
    seconds = time.monotonic() - began
    await asyncio.sleep(0)  # sockets that have just been closed are so after a turn of the loop
    return Outcome(chosen, seed, seconds, run.measures, run.notes, failure, absent, os.getloadavg()[0])


def keys_in(server: Server) -> int:
    """Files of this server, its logs among them, that hold a key which came over the wire or was given."""
    keys = (AUTH_KEY.encode(), REGISTRATION_KEY.encode())
    found = 0
    for path in server.folder.rglob("*"):
        # Empty ones cannot be mapped, and some are gone by now.
        with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                found += any(content.find(key) >= 0 for key in keys)
    return found


def resident(server: Server) -> int:
    """Bytes of all the server's processes."""
    return memory(server.processes())
