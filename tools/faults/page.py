"""docs/faults.md: what a run of the programme has measured."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from tools.faults.programme import ORDER, SCENARIOS
from tools.faults.run import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
_ROW = re.compile(r"\| [FPS]\d")


def write(outcomes: list[Outcome], size: str, *, anew: bool) -> None:
    """Their rows; unless `anew`, of the others those that are there already."""
    before = "" if anew or not PAGE.exists() else PAGE.read_text()
    PAGE.write_text(page(outcomes, size, before))


def page(outcomes: list[Outcome], size: str, before: str) -> str:
    rows = {_cells(line)[0]: line for line in before.splitlines() if _ROW.match(line)}
    rows |= {outcome.scenario.id: row(outcome, size) for outcome in outcomes}
    known = [rows[name] for name in ORDER if name in rows]
    lines = "\n".join(known)
    return f"""# The fault programme

Written by `make faults`: a seeded load of numbered, checksummed messages both ways over several tunnels, and
what must not happen to it. *Lost* means: accepted, and neither delivered nor reported to its sender. Each
scenario has a time limit and prints its seed; `python -m tools.faults --seed N ID` repeats one and renews its
row here. *Full* is the size that the programme asks for, *small* that of the tests. Bounds on time allow for
the longest that the load itself was not at work. *Alone*: nothing else ran; *beside*: what takes minutes ran
at the same time; *patient*: it is one of those.

{_verdict(known)} Machine: {os.cpu_count()} cores of {_processor()}, Python {platform.python_version()}.
Not covered: the bus server's own clock (F13 sets that of our processes), tasks in the workers (F21 counts
descriptors), and hosts that fail, for all of this is one machine.

| id | scenario | size | holds | measured (bound) | seconds | seed |
|---|---|---|---|---|---|---|
{lines}
"""


def _verdict(rows: list[str]) -> str:
    told = {_cells(line)[0]: _cells(line)[3] for line in rows}
    missed = [name for name, holds in told.items() if holds == "**no**"]
    absent = [name for name, holds in told.items() if holds == "not run"]
    absent += [name for name in ORDER if name not in told]
    held = len(told) - len(missed) - sum(holds == "not run" for holds in told.values())
    words = [f"**{held} of {len(SCENARIOS)} hold.**"]
    words += [f"Not held: {', '.join(missed)}."] if missed else []
    words += [f"Not run: {', '.join(absent)}."] if absent else []
    return " ".join(words)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def row(outcome: Outcome, size: str) -> str:
    told = [str(measure) for measure in outcome.measures]
    told += [note for note in outcome.notes if not note.startswith("log: ")]
    told += [f"{outcome.scenario.company}, load average {outcome.load:.1f}"]
    if outcome.failure:
        told.append("failed: " + outcome.failure.strip().splitlines()[-1][:200])
    if outcome.absent:
        told = [outcome.absent]
    cells = [
        outcome.scenario.id,
        outcome.scenario.title,
        size,
        "not run" if outcome.absent else "yes" if outcome.holds else "**no**",
        "; ".join(told).replace("|", "/").replace("\n", " "),
        f"{outcome.seconds:.0f}",
        str(outcome.seed),
    ]
    return "| " + " | ".join(cells) + " |"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
