"""`make fuzz`: every target under the coverage-guided fuzzer; one line of JSON each, and 1 if any was broken.

python -m tools.fuzz [--seconds N, for all together] [--keep] [--replay FILE] [target …]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from tools.fuzz.campaign import run
from tools.fuzz.targets import TARGETS, checked, quiet


def main() -> int:
    wanted = parse()
    if wanted.replay is not None:
        with quiet() as errors:
            for target in wanted.targets:
                checked(target, errors)(wanted.replay.read_bytes())
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("atheris is needed, and has wheels for Linux: pip install -e '.[dev,fuzz]'", file=sys.stderr)
        return 2
    os.nice(5)
    holds = True
    for target in wanted.targets:
        outcome = run(target, wanted.seconds / len(wanted.targets), keeping=wanted.keep)
        print(outcome.line(), flush=True)
        if not outcome.holds:
            holds = False
            print(f"{target} is broken by {outcome.found}\nTraceback{outcome.error}", file=sys.stderr)
    return 0 if holds else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="only these")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all together")
    parser.add_argument("--keep", action="store_true", help="keep what is new in tools/fuzz/corpus")
    parser.add_argument("--replay", type=Path, help="run this one input, in a file, instead")
    wanted = parser.parse_args()
    wanted.targets = wanted.targets or list(TARGETS)
    return wanted


if __name__ == "__main__":
    sys.exit(main())
