"""Freed memory goes back to the system, also from the middle of the heap."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own, with the allocator set as the arbiter does for workers.
HOLES = """
from tiflis.heap import Heap, resident
heap = Heap()
blocks = [b"x" * 2**20 for _ in range(128)]
heap.tidy()
full = resident()
del blocks[::2]  # each hole is too small for the next
heap.tidy()
large = b"x" * 40 * 2**20  # not from the heap: the process grows, though there are holes
heap.tidy()
print((full - resident()) >> 20)
"""


def test_holes_in_the_heap_are_given_back() -> None:
    env = {"MALLOC_MMAP_THRESHOLD_": str(8 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20)}
    told = subprocess.run([sys.executable, "-c", HOLES], env=env, capture_output=True, text=True, check=True)
    assert int(told.stdout) > 10
