"""Many seeds, over all processors: python -m tools.simulation [--seeds N] [--first N] [--minutes M]"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter

from tools.simulation.story import told

CHUNK = 16  # seeds that a process is given at a time


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.simulation")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=5.0)
    wanted = parser.parse_args()
    began, done, simulated = time.monotonic(), 0, 0.0
    broken: list[int] = []
    happened: Counter[str] = Counter()
    with multiprocessing.get_context("spawn").Pool() as pool:
        seeds = range(wanted.first, wanted.first + wanted.seeds)
        for seed, faults, seconds, what in pool.imap_unordered(told, seeds, chunksize=CHUNK):
            done, simulated = done + 1, simulated + seconds
            happened += what
            if faults:
                broken.append(seed)
                print(f"seed {seed}: {'; '.join(faults)[:600]}", flush=True)
            if time.monotonic() - began > wanted.minutes * 60:
                pool.terminate()
                break
    took = time.monotonic() - began
    print("happened: " + ", ".join(f"{count} {what}" for what, count in happened.most_common()))
    if broken:
        print(f"broken: {sorted(broken)}")
    print(f"{done} seeds, {len(broken)} broken, {simulated / 60:.0f} simulated minutes in {took:.0f} s")
    return 1 if broken or done < wanted.seeds else 0


if __name__ == "__main__":
    sys.exit(main())
