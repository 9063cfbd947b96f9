"""`make faults`: the whole fault programme; writes docs/faults.md.

python -m tools.faults [--small] [--seed N] [--no-report] [id …]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
import time
from pathlib import Path

import uvloop

from tools.faults.lanes import Lanes, write_outcome
from tools.faults.page import write
from tools.faults.programme import ORDER, SCENARIOS
from tools.faults.run import Outcome, perform


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # our servers end with us
    arguments = parse()
    try:
        return one(arguments) if arguments.outcome else everything(arguments)
    except KeyboardInterrupt:
        return 130


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("ids", nargs="*", help="only these")
    parser.add_argument("--small", action="store_true", help="the sizes of the tests")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--no-report", action="store_true")
    parser.add_argument("--outcome", type=Path, help="run one here, and write how it went to this file")
    return parser.parse_args()


def one(arguments: argparse.Namespace) -> int:
    """Run one in a process of its own, so that what it leaves behind, and its lateness, touch no other."""
    gc.set_threshold(100_000, 50, 1000)  # its pauses would be measured as the server's
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(perform(SCENARIOS[arguments.ids[0]], arguments.seed, arguments.small))
    write_outcome(arguments.outcome, outcome)
    return 0


def everything(arguments: argparse.Namespace) -> int:
    began, size, outcomes = time.monotonic(), "small" if arguments.small else "full", list[Outcome]()

    def told(outcome: Outcome) -> None:
        outcomes.append(outcome)
        verdict = "not run" if outcome.absent else "holds" if outcome.holds else "FAILED"
        print(f"{outcome.scenario.id}: {outcome.scenario.title} (seed {outcome.seed})")
        print(f"  {verdict} after {outcome.seconds:.1f} s\n    {outcome.lines()}", flush=True)
        if not arguments.no_report:
            write(outcomes, size, anew=not arguments.ids)

    asyncio.run(Lanes(arguments.seed, arguments.small, told).run(arguments.ids or ORDER))
    missed = [outcome.scenario.id for outcome in outcomes if not (outcome.holds or outcome.absent)]
    absent = [outcome.scenario.id for outcome in outcomes if outcome.absent]
    held = len(outcomes) - len(missed) - len(absent)
    print(f"\n{held} of {len(outcomes)} hold; not: {', '.join(missed) or 'none'}; not run: ", end="")
    print(f"{', '.join(absent) or 'none'}; {(time.monotonic() - began) / 60:.1f} minutes")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
