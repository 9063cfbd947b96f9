"""P1, P12, S12: what other suites of ours, and one of others, say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys

from tests.harness import ROOT
from tools.faults.run import Absent, Run, scenario

QUIETLY = ("-m", "pytest", "-q", "-n", "0")
MISSING = 3  # what tools/autobahn/run.py ends with when a part is not on this machine


async def output(*command: str, **environment: str) -> tuple[int, str]:
    """Return what a command of ours prints, and its exit code. It is ended, with its children, if we are."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        told, _ = await process.communicate()
        return process.returncode or 0, told.decode(errors="replace")
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
            await process.wait()


@scenario("P1", "Autobahn's core cases against the WebSocket layer", 400)
async def autobahn(run: Run) -> None:
    code, told = await output("tools/autobahn/run.py", *run.size((), ("1.*", "5.*")))
    if code == MISSING:
        raise Absent(told.strip().splitlines()[-1])
    found = re.search(r"autobahn: (\d+) of (\d+) cases hold", told)
    assert found, told[-500:]
    run.least("cases that hold", int(found[1]), run.size(246, int(found[2])))
    run.note(f"of {found[2]}; others: {re.findall(r'^([0-9.]+): (?:.*)$', told, re.M) or 'none'}")


@scenario("P12", "fuzzing of the parsers of input; requests generated from the OpenAPI page", 900)
async def fuzzing(run: Run) -> None:
    code, told = await output("-m", "tools.fuzz", "--seconds", str(run.size(105, 7)))
    outcomes = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    if not outcomes and "atheris" in told:
        raise Absent("atheris, which the fuzzer needs, is not installed: pip install -e '.[fuzz]'")
    assert outcomes, told[-500:]
    run.most("targets broken", sum(bool(outcome["error"]) for outcome in outcomes), 0)
    run.most("ended with", code, 0)
    ran = {outcome["target"]: outcome["executions"] for outcome in outcomes}
    run.note(f"{sum(ran.values()):,} inputs: {ran}")
    await generated_requests(run)


async def generated_requests(run: Run) -> None:
    code, told = await output(
        *QUIETLY, "tests/api/test_generated.py", TIFLIS_TEST_EFFORT=run.size("4", "0.2")
    )
    judge(run, "suites of generated requests", code, told)


def judge(run: Run, name: str, code: int, told: str) -> None:
    """Record what pytest reported."""
    last = told.strip().splitlines()[-1] if told.strip() else "no words"
    passed = re.search(r"(\d+) passed", last)
    run.most(f"{name} broken or not run", code, 0)
    run.least(name, int(passed[1]) if passed else 0, 1)
    run.note(last.strip("= ")[:200])


@scenario("S12", "script in every text that the web client shows", 400)
async def hostile_texts(run: Run) -> None:
    code, told = await output(*QUIETLY, "tests/client/test_hostile.py")
    judge(run, "texts tried in a browser", code, told)
