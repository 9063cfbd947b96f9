"""One scenario that hangs costs the others nothing, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.harness import ROOT, environment_of, wait_until
from tests.patience import PATIENCE
from tools.faults.lanes import END_SECONDS, Lanes
from tools.faults.page import page
from tools.faults.programme import SCENARIOS
from tools.faults.run import Measure, Outcome


def started_from(folder: str) -> list[int]:
    """Processes whose scenario's folder is below this one."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [pid for pid in pids if environment_of(pid).get("TMPDIR", "").startswith(folder)]


async def test_one_that_hangs_is_ended_and_the_next_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = dataclasses.replace(SCENARIOS["F3"], limit=4 - END_SECONDS)
    monkeypatch.setitem(SCENARIOS, "F3", hangs)
    outcomes = list[Outcome]()
    running = Lanes(1, True, outcomes.append)
    await running.run(["F3", "S13"])
    told = {outcome.scenario.id: outcome for outcome in outcomes}
    assert told["F3"].failure == "its process ended without a word"
    assert told["S13"].holds, told["S13"].lines()
    assert started_from(str(running.folder)) == []


def test_told_to_end_it_ends_all_servers(tmp_path: object) -> None:
    folder = str(tmp_path)
    command = [sys.executable, "-m", "tools.faults", "--small", "--no-report", "S13", "S4"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"TMPDIR": folder}) as process:
        wait_until(lambda: len(started_from(folder)) > 4, 30, "a server has started")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert process.returncode
    wait_until(lambda: started_from(folder) == [], PATIENCE, "nothing is left")


def test_a_row_is_renewed_and_the_others_stay() -> None:
    first = Outcome(SCENARIOS["S13"], 1, 2.0, [Measure("ports", 1, 0)])
    other = Outcome(SCENARIOS["P1"], 1, 2.0, absent="no Python 2.7")
    before = page([first, other], "full", "")
    assert "Not held: S13." in before
    after = page([dataclasses.replace(first, measures=[Measure("ports", 0, 0)])], "small", before)
    assert "Not held" not in after
    assert "Not run: " in after
    assert "no Python 2.7" in after
    assert "| S13 | listening sockets after the start | small | yes | ports 0 (≤ 0)" in after
