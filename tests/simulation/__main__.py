"""Many seeds, over all processors: python -m tests.simulation [--seeds N] [--first N] [--minutes M]"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time

from tests.simulation.story import told


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=5.0)
    wanted = parser.parse_args()
    began, done, broken, simulated = time.monotonic(), 0, 0, 0.0
    with multiprocessing.get_context("spawn").Pool() as pool:
        seeds = range(wanted.first, wanted.first + wanted.seeds)
        for seed, faults, seconds in pool.imap_unordered(told, seeds, chunksize=4):
            done, simulated = done + 1, simulated + seconds
            if faults:
                broken += 1
                print(f"seed {seed}: {'; '.join(faults)[:600]}", flush=True)
            if time.monotonic() - began > wanted.minutes * 60:
                pool.terminate()
                break
    took = time.monotonic() - began
    print(f"{done} seeds, {broken} broken, {simulated / 60:.0f} simulated minutes in {took:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
