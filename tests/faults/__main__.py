"""`make faults`: the whole fault programme; writes docs/faults.md.

python -m tests.faults [--small | --long] [--seed N] [--no-report] [id …]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import sys
from pathlib import Path

from tests.faults.programme import ORDER, SCENARIOS
from tests.faults.run import Outcome, perform

ROW = re.compile(r"\| [FPS]\d")
PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # our servers end with us
    arguments = parse()
    wanted = arguments.ids or ORDER
    outcomes = []
    size = "small" if arguments.small else "long" if arguments.long else "full"
    for name in wanted:
        seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 30)
        chosen = SCENARIOS[name]
        print(f"{name}: {chosen.title} (seed {seed}) …", flush=True)
        outcome = asyncio.run(perform(chosen, seed, arguments.small, arguments.long))
        outcomes.append(outcome)
        print(f"  {'holds' if outcome.holds else 'FAILED'} after {outcome.seconds:.1f} s")
        print(f"    {outcome.lines()}", flush=True)
        if not arguments.no_report:
            PAGE.write_text(page([outcome], size, PAGE.read_text() if PAGE.exists() else ""))
    missed = [outcome.scenario.id for outcome in outcomes if not outcome.holds]
    print(f"\n{len(outcomes) - len(missed)} of {len(outcomes)} hold; not: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("ids", nargs="*", help="only these")
    parser.add_argument("--small", action="store_true", help="the sizes of the tests")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--long", action="store_true", help="the minutes that the longest ones ask for, too")
    parser.add_argument("--no-report", action="store_true")
    return parser.parse_args()


def page(outcomes: list[Outcome], size: str, before: str) -> str:
    """The report: these outcomes, and of the scenarios that were not run the rows that are there already."""
    rows = {line.split("|")[1].strip(): line for line in before.splitlines() if ROW.match(line)}
    rows |= {outcome.scenario.id: row(outcome, size) for outcome in outcomes}
    known = [rows[name] for name in ORDER if name in rows]
    missed = [line.split("|")[1].strip() for line in known if "| **no** |" in line]
    verdict = f"Not held: {', '.join(missed)}." if missed else "Every line holds."
    lines = "\n".join(known)
    return f"""# The fault programme

Written by `make faults`: a seeded load of numbered, checksummed messages both ways over several tunnels, and
what must not happen to it. *Lost* means: accepted, and neither delivered nor reported to its sender. Each
scenario has a time limit and prints its seed; `python -m tests.faults --seed N ID` repeats one and renews its
row here. *Full* is the size that the programme asks for, *small* that of the tests. Bounds on time allow for
the longest that the load itself was not at work. {verdict}

| id | scenario | size | holds | measured (bound) | seconds | seed |
|---|---|---|---|---|---|---|
{lines}
"""


def row(outcome: Outcome, size: str) -> str:
    told = [str(measure) for measure in outcome.measures]
    told += [note for note in outcome.notes if not note.startswith("log: ")]
    told.append(f"load average of the machine {os.getloadavg()[1]:.0f} on {os.cpu_count()} cores")
    if outcome.failure:
        told.append("failed: " + outcome.failure.strip().splitlines()[-1][:200])
    cells = [
        outcome.scenario.id,
        outcome.scenario.title,
        size,
        "yes" if outcome.holds else "**no**",
        "; ".join(told).replace("|", "/").replace("\n", " "),
        f"{outcome.seconds:.0f}",
        str(outcome.seed),
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
