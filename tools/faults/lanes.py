"""All scenarios, each in a process of its own: first those alone, then the patient ones beside the rest."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.harness import ROOT, environment_of
from tools.faults.programme import SCENARIOS
from tools.faults.run import Company, Measure, Outcome

END_SECONDS = 40.0  # over a scenario's limit: for its servers to be ended by itself
KILL_SECONDS = 20.0  # for what was told to end

Told = Callable[[Outcome], None]


class Lanes:
    """Runs what is wanted; `told` hears of each outcome as it comes."""

    def __init__(self, seed: int | None, small: bool, told: Told) -> None:
        self._seed, self._small, self._told = seed, small, told
        self.folder = Path(tempfile.mkdtemp(prefix="faults-"))

    async def run(self, wanted: list[str]) -> None:
        """Cancelled, it ends everything that it has started."""
        of = {company: [name for name in wanted if SCENARIOS[name].company is company] for company in Company}
        try:
            await self._lane(of[Company.ALONE])
            async with asyncio.TaskGroup() as group:
                for name in of[Company.PATIENT]:
                    group.create_task(self._one(name))
                group.create_task(self._lane(of[Company.BESIDE]))
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _lane(self, names: list[str]) -> None:
        for name in names:
            await self._one(name)

    async def _one(self, name: str) -> None:
        seed = self._seed if self._seed is not None else random.randrange(1 << 30)
        place = self.folder / name
        place.mkdir()
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tools.faults", name, "--seed", str(seed)),
            *(["--small"] if self._small else []),
            *("--outcome", str(place / "outcome")),
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(place)},
            start_new_session=True,  # the terminal's Ctrl-C is for us alone, who tell them in order
        )
        try:
            await asyncio.wait_for(process.wait(), SCENARIOS[name].limit + END_SECONDS)
        except TimeoutError:
            pass
        finally:
            await _end(process, place)
        self._told(read_outcome(place / "outcome", name, seed, time.monotonic() - began))


async def _end(process: asyncio.subprocess.Process, place: Path) -> None:
    """Gone, with all that it has started: servers inherit their scenario's folder."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(process.wait()), KILL_SECONDS)
    if process.returncode is None:
        process.kill()
        await process.wait()
    for pid in [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]:
        if environment_of(pid).get("TMPDIR") == str(place):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def write_outcome(path: Path, outcome: Outcome) -> None:
    told: dict[str, Any] = asdict(outcome)
    del told["scenario"]
    path.write_text(json.dumps(told))


def read_outcome(path: Path, name: str, seed: int, seconds: float) -> Outcome:
    chosen = SCENARIOS[name]
    if not path.exists():
        return Outcome(chosen, seed, seconds, failure="its process ended without a word")
    told = json.loads(path.read_text())
    told["measures"] = [Measure(**measure) for measure in told["measures"]]
    return Outcome(chosen, **told)
