"""docs/faults.md: a short table of what holds, and below it what was measured."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from tools.faults.programme import ORDER, SCENARIOS
from tools.faults.run import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
_ROW = re.compile(r"\| [FNPS]\d+\w* \|(?:[^|]*\|){6}$")  # of the table of measurements


def write(outcomes: list[Outcome], size: str, *, anew: bool) -> None:
    """Write the page: these outcomes and, unless `anew`, the rows of the other scenarios as they are."""
    before = "" if anew or not PAGE.exists() else PAGE.read_text()
    PAGE.write_text(page(outcomes, size, before))


def page(outcomes: list[Outcome], size: str, before: str) -> str:
    rows = {_cells(line)[0]: line for line in before.splitlines() if _ROW.match(line)}
    rows |= {outcome.scenario.id: row(outcome, size) for outcome in outcomes}
    known = [rows[name] for name in ORDER if name in rows]
    lines = "\n".join(known)
    short = "\n".join("| " + " | ".join(_cells(line)[:4]) + " |" for line in known)
    return f"""# What the server survives

{_verdict(known)}

| id | scenario | size | holds |
|---|---|---|---|
{short}

## How it is measured

`make faults` writes this page. Each scenario runs a seeded load of numbered, checksummed messages both
ways over several tunnels and counts what must not happen. *Lost* means: accepted, and neither delivered nor
reported to its sender. `python -m tools.faults --seed N ID` repeats a scenario and renews its row.

- **no**: a measured value, marked MISSED, is above its bound. The other values of the row are within theirs.
- *Full* is the size of the programme, *small* that of the tests.
- Limits on time are extended by the pauses of the load generator itself.
- *Alone*: nothing else ran. *Beside*: the scenarios that take minutes ran at the same time; *patient*: it is
  one of those.

Machine: {os.cpu_count()} cores of {_processor()}, Python {platform.python_version()}. Not covered: the bus
server's own clock (F13 sets that of our processes), tasks in the workers (F21 counts descriptors), and hosts
that fail, since all of this is one machine.

## Measured

| id | scenario | size | holds | measured (bound) | seconds | seed |
|---|---|---|---|---|---|---|
{lines}
"""


def _verdict(rows: list[str]) -> str:
    holds = {_cells(line)[0]: _cells(line)[3] for line in rows}
    missed = [name for name, answer in holds.items() if answer == "**no**"]
    absent = [name for name, answer in holds.items() if answer == "not run"]
    absent += [name for name in ORDER if name not in holds]
    held = list(holds.values()).count("yes")
    words = [f"**{held} of {len(SCENARIOS)} hold.**"]
    words += [f"Not held: {', '.join(missed)}."] if missed else []
    words += [f"Not run: {', '.join(absent)}."] if absent else []
    return " ".join(words)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def row(outcome: Outcome, size: str) -> str:
    found = [str(measure) for measure in outcome.measures]
    found += [note for note in outcome.notes if not note.startswith("log: ")]
    found += [f"{outcome.scenario.company}, load average {outcome.load:.1f}"]
    if outcome.failure:
        found.append("failed: " + outcome.failure.strip().splitlines()[-1][:200])
    if outcome.absent:
        found = [outcome.absent]
    cells = [
        outcome.scenario.id,
        outcome.scenario.title,
        size,
        "not run" if outcome.absent else "yes" if outcome.holds else "**no**",
        "; ".join(found).replace("|", "/").replace("\n", " "),
        f"{outcome.seconds:.0f}",
        str(outcome.seed),
    ]
    return "| " + " | ".join(cells) + " |"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
