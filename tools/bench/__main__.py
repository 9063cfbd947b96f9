"""`make bench`: all contenders side by side; writes docs/performance.md and compares with what was kept.

Exits with 1 when one of our ratios to another contender has become worse by a third.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.harness import REGISTRATION_KEY
from tools.bench import page
from tools.bench.contenders import Contender, Start, bun, floor, go, native, node, ours, peer, plain
from tools.bench.results import Results, keep, kept, steps_back
from tools.bench.scenarios import SCENARIOS
from tools.bench.targets import BUN, FLOOR, GO, NATIVE, NODE, OURS

ROOT = Path(__file__).parents[2]
LOAD_SECONDS = 150.0
QUICK = ("pipelined", "one at a time", "stream to 10", "voice")
ONCE = ("idle", "1,000 tunnels", "connect storm", "register")  # one round is enough
MANY = (*ONCE, "500 pairs")  # too many connections where each stops and continues a worker
OFTEN = ("latency",)  # its tail differs from round to round
ONLY_OURS = ("watch polling",)
CONTENDERS: dict[str, Start] = {
    "1": partial(ours, 1),
    "2": partial(ours, 2),
    "4": partial(ours, 4),
    "bus": partial(ours, 2, steering=False),
    "native": native,
    "plain": plain,
    "node": node,
    "bun": bun,
    "go": go,
    "floor": floor,
}
QUICKLY = ("1", "2", "node", "native")


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the contenders end with us
    arguments = parse()
    scenarios = arguments.scenario or (QUICK if arguments.quick else tuple(SCENARIOS))
    rounds = 1 if arguments.quick else arguments.rounds
    results = Results()
    with contextlib.ExitStack() as stack:
        running = [one for start in chosen(arguments) if (one := stack.enter_context(start()))]
        for name in sorted({NODE, BUN, GO, FLOOR} - {one.name for one in running}):
            print(f"left out: {name}", file=sys.stderr)
        for scenario in scenarios:
            for number in range(1 if scenario in ONCE else rounds):
                for contender in running if number % 2 == 0 else reversed(running):
                    measure(results, scenario, contender, arguments.seconds)
    names = [one.name for one in running]
    print(page.console(results, names))
    if not (arguments.quick or arguments.scenario or arguments.contender):
        page.write(results, names)
    return judge(results, arguments.keep)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the main scenarios, within a minute")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each load is measured")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    parser.add_argument("--contender", action="append", choices=list(CONTENDERS))
    parser.add_argument("--keep", action="store_true", help="later runs are compared with this one")
    parser.add_argument("--peer", help="ws:// address of another server of the same protocol …")
    parser.add_argument("--pid", type=int, help="… and its process; BENCH_PEER_KEY is its registration key")
    return parser.parse_args()


def chosen(arguments: argparse.Namespace) -> list[Start]:
    given: list[Start] = []
    if arguments.peer:
        key = os.environ.get("BENCH_PEER_KEY", REGISTRATION_KEY)
        given = [peer(arguments.peer, arguments.pid, key)]
    wanted = arguments.contender or (QUICKLY if arguments.quick else tuple(CONTENDERS))
    return [*(CONTENDERS[name] for name in wanted), *given]


def measure(results: Results, scenario: str, contender: Contender, seconds: float) -> None:
    """Run one load in a process of its own; report and leave out one that fails."""
    if scenario in ONLY_OURS and not contender.watches:
        return
    if scenario in MANY and contender.apart:
        return
    wanted = {"scenario": scenario, "contender": dataclasses.asdict(contender), "seconds": seconds}
    command = [sys.executable, "-m", "tools.bench.load", json.dumps(wanted)]
    try:
        run = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=LOAD_SECONDS, check=True
        )
    except subprocess.SubprocessError as problem:
        told = str(getattr(problem, "stderr", "") or problem).strip().splitlines() or ["?"]
        print(f"{scenario}, {contender.name}: failed: {told[-1]}", file=sys.stderr)
        return
    figures = json.loads(run.stdout)
    results.add(scenario, contender.name, figures)
    shown = "  ".join(f"{name} {value:.3g}" for name, value in figures.items())
    print(f"{scenario}, {contender.name}: {shown}", file=sys.stderr)


def judge(results: Results, keep_it: bool) -> int:
    ratios = {of: results.ratios(OURS, of) for of in (NODE, NATIVE)}
    worse = steps_back(ratios, kept())
    for line in worse:
        print(f"WORSE   {line}")
    if keep_it:
        keep(ratios)
    return 1 if worse and not keep_it else 0


if __name__ == "__main__":
    sys.exit(main())
