"""`make faults`: the whole fault programme; writes docs/faults.md.

python -m tests.faults [--small | --long] [--seed N] [--no-report] [id …]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

from tests.faults.programme import ORDER, SCENARIOS
from tests.faults.run import Outcome, perform

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def main() -> int:
    arguments = parse()
    wanted = arguments.ids or ORDER
    outcomes = []
    for name in wanted:
        seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 30)
        chosen = SCENARIOS[name]
        print(f"{name}: {chosen.title} (seed {seed}) …", flush=True)
        outcome = asyncio.run(perform(chosen, seed, arguments.small, arguments.long))
        outcomes.append(outcome)
        print(f"  {'holds' if outcome.holds else 'FAILED'} after {outcome.seconds:.1f} s")
        print(f"    {outcome.lines()}", flush=True)
    missed = [outcome.scenario.id for outcome in outcomes if not outcome.holds]
    print(f"\n{len(outcomes) - len(missed)} of {len(outcomes)} hold; not: {', '.join(missed) or 'none'}")
    if not arguments.ids and not arguments.no_report:
        PAGE.write_text(page(outcomes, arguments.small))
    return 1 if missed else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("ids", nargs="*", help="only these")
    parser.add_argument("--small", action="store_true", help="the sizes of the tests")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--long", action="store_true", help="the minutes that the longest ones ask for, too")
    parser.add_argument("--no-report", action="store_true")
    return parser.parse_args()


def page(outcomes: list[Outcome], small: bool) -> str:
    rows = "\n".join(row(outcome) for outcome in outcomes)
    missed = [outcome for outcome in outcomes if not outcome.holds]
    verdict = (
        "Every line holds."
        if not missed
        else "Not held: " + ", ".join(outcome.scenario.id for outcome in missed) + "."
    )
    size = "the small sizes" if small else "full size"
    return f"""# The fault programme

Written by `make faults` on {time.strftime("%Y-%m-%d")}, at {size}: a seeded load of numbered, checksummed
messages both ways over several tunnels, and what must not happen to it. *Lost* means: accepted, and neither
delivered nor reported to its sender. Each scenario has a time limit and prints its seed;
`python -m tests.faults --seed N ID` repeats one. {verdict}

| id | scenario | holds | measured (bound) | seconds | seed |
|---|---|---|---|---|---|
{rows}
"""


def row(outcome: Outcome) -> str:
    told = [str(measure) for measure in outcome.measures]
    told += [note for note in outcome.notes if not note.startswith("log: ")]
    if outcome.failure:
        told.append("failed: " + outcome.failure.strip().splitlines()[-1][:200])
    cells = [
        outcome.scenario.id,
        outcome.scenario.title,
        "yes" if outcome.holds else "**no**",
        "; ".join(told).replace("|", "/").replace("\n", " "),
        f"{outcome.seconds:.0f}",
        str(outcome.seed),
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
