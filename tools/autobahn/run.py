"""Runs Autobahn's test suite against our frame layer: `python tools/autobahn/run.py`.

The suite exists for Python 2.7 only. It gets an environment of its own in build/autobahn, made on the first
run. Exit code 0: every case holds; 1: some do not; 3: a part is missing.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.autobahn.echo import serving  # noqa: E402 - the script runs from any folder

WORKPLACE = ROOT / "build" / "autobahn"
SUITE = "autobahntestsuite==25.10.1"
# The last virtualenv that makes environments for Python 2.7.
VIRTUALENV = "virtualenv<20.22"

# Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, auto-fragmentation. Not 9 (load; ours is
# measured by the benches) and not 12 and 13 (compression, which is never negotiated).
CORE = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
CORE_COUNT = 247
# Without NON-STRICT, which the suite gives for invalid text that is noticed only at the message's end.
PASSING = frozenset({"OK", "INFORMATIONAL"})
# Seconds for the whole run; the core takes about 15, and longer only where answers fail to come.
DEADLINE = 600
# Seconds for one step of the installation.
INSTALL_DEADLINE = 600


class Missing(Exception):
    """A part that the run needs is not on this machine; says which, and what to do."""


@dataclass(frozen=True)
class Verdict:
    case: str
    behaviour: str
    closing: str

    @property
    def passed(self) -> bool:
        return self.behaviour in PASSING and self.closing in PASSING


def candidates() -> Iterator[str]:
    for name in ("python2.7", "python2"):
        if found := shutil.which(name):
            yield found
    # A pyenv shim refuses to run while its version is not selected; the interpreter behind it does.
    for interpreter in sorted(Path.home().glob(".pyenv/versions/2.7*/bin/python2.7")):
        yield str(interpreter)


def is_python27(python: str) -> bool:
    probe = [python, "-c", "import sys; sys.exit(sys.version_info[:2] != (2, 7))"]
    try:
        return subprocess.run(probe, capture_output=True, timeout=30, check=False).returncode == 0
    except OSError:
        return False


def python27(wanted: str | None) -> str:
    for python in [wanted] if wanted else candidates():
        if is_python27(python):
            return python
    raise Missing(
        f"{wanted or 'python2.7'} is no usable Python 2.7, which the Autobahn test suite needs: install one "
        "(for instance with pyenv) and name it with --python"
    )


def install(arguments: list[str], what: str) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=INSTALL_DEADLINE, check=False)
    if done.returncode:
        raise Missing(f"cannot install {what}:\n{(done.stdout + done.stderr)[-2000:]}")


def wstest(python: str | None) -> Path:
    """Return the suite's program, from the environment in build/autobahn, which is made if it is missing."""
    program = WORKPLACE / "py27" / "bin" / "wstest"
    if program.exists():
        return program
    interpreter = python27(python)
    print(f"making a Python 2.7 environment with {SUITE} in {program.parents[1]}", flush=True)
    tools = WORKPLACE / "tools"
    venv.create(tools, with_pip=True, clear=True)
    install([str(tools / "bin" / "pip"), "install", "-q", VIRTUALENV], VIRTUALENV)
    environment = WORKPLACE / "py27"
    make = [str(tools / "bin" / "virtualenv"), "-q", "--clear", "-p", interpreter, str(environment)]
    install(make, "a Python 2.7 environment")
    install([str(environment / "bin" / "pip"), "install", "-q", SUITE], SUITE)
    return program


async def fuzz(program: Path, url: str, cases: list[str]) -> list[Verdict]:
    reports = WORKPLACE / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    spec = WORKPLACE / "spec.json"
    servers = [{"agent": "tiflis", "url": url, "options": {"version": 18}}]
    wish = {"outdir": str(reports), "servers": servers, "cases": cases, "exclude-cases": []}
    spec.write_text(json.dumps(wish))
    with (WORKPLACE / "wstest.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, "-m", "fuzzingclient", "-s", spec, cwd=WORKPLACE, stdout=log, stderr=log
        )
        try:
            await asyncio.wait_for(process.wait(), DEADLINE)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise Missing(f"the suite did not end within {DEADLINE} s; see {log.name}") from None
    return read_verdicts(reports / "index.json")


def read_verdicts(index: Path) -> list[Verdict]:
    if not index.exists():
        raise Missing(f"the suite left no report; see {WORKPLACE / 'wstest.log'}")
    results = json.loads(index.read_text())["tiflis"]
    return [Verdict(case, result["behavior"], result["behaviorClose"]) for case, result in results.items()]


def judge(verdicts: list[Verdict], whole_core: bool) -> bool:
    failed = [verdict for verdict in verdicts if not verdict.passed]
    for verdict in failed:
        print(f"{verdict.case}: {verdict.behaviour}, closing {verdict.closing}")
    held = len(verdicts) - len(failed)
    print(f"autobahn: {held} of {len(verdicts)} cases hold; reports in {WORKPLACE / 'reports'}")
    if whole_core and len(verdicts) != CORE_COUNT:
        print(f"autobahn: the core has {CORE_COUNT} cases, {len(verdicts)} ran")
        return False
    return bool(verdicts) and not failed


async def run(arguments: argparse.Namespace) -> bool:
    program = wstest(arguments.python)
    cases = arguments.cases or list(CORE)
    if arguments.url:
        verdicts = await fuzz(program, arguments.url, cases)
    else:
        async with serving() as port:
            verdicts = await fuzz(program, f"ws://127.0.0.1:{port}", cases)
    return judge(verdicts, whole_core=not arguments.cases)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="patterns such as 6.4.* (default: the core)")
    parser.add_argument("--python", help="a Python 2.7 interpreter (default: searched)")
    parser.add_argument("--url", help="another echo server, ws://127.0.0.1:PORT/PATH (default: our own)")
    try:
        return 0 if asyncio.run(run(parser.parse_args())) else 1
    except Missing as missing:
        print(f"autobahn: {missing}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
