"""A bounded run of the fuzzer over one target, beginning with the kept inputs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.fuzz import corpus
from tools.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
INPUT_SECONDS = 10  # an input that takes longer is a finding
MEMORY_MIB = 1024
STOP_SECONDS = 60.0  # over the time given: reading the kept inputs, and ending
_UNITS = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)
_COVERED = re.compile(r"\bcov: (\d+)")


@dataclass(frozen=True)
class Outcome:
    """What one run came to; `found` is the input that broke the target, as a bytes literal."""

    target: str
    executions: int
    seconds: float
    covered: int
    kept: int
    found: str = ""
    error: str = ""

    @property
    def holds(self) -> bool:
        return not self.error

    def line(self) -> str:
        return json.dumps(asdict(self))


def run(target: str, seconds: float, *, keeping: bool = False) -> Outcome:
    """Fuzz for so long. With `keeping`, what is new is kept, and what others cover is not any more."""
    known = corpus.kept(target)
    with tempfile.TemporaryDirectory(prefix="tiflis-fuzz-") as place:
        folder = Path(place)
        words = [word.encode() for word in TARGETS[target].words]
        corpus.unpack([b"\0", *words, *TARGETS[target].seeds, *known], folder / "inputs")
        (folder / "words").write_text("".join(map(_quoted, TARGETS[target].words)))
        done = _engine(target, seconds, folder)
        outcome = _read(target, seconds, len(known), done, folder)
        if keeping and outcome.holds:
            (folder / "least").mkdir()
            merged = _start(target, ["-merge=1", f"{folder}/least", f"{folder}/inputs"], 600.0)
            if merged.returncode == 0:
                corpus.keep(target, corpus.pack(folder / "least"))
    return outcome


def _engine(target: str, seconds: float, folder: Path) -> subprocess.CompletedProcess[str]:
    options = [
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={TARGETS[target].longest}",
        f"-timeout={INPUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-artifact_prefix={folder}/found-",
        *([f"-dict={folder}/words"] if TARGETS[target].words else []),
        "-print_final_stats=1",
        f"{folder}/inputs",
    ]
    return _start(target, options, seconds + STOP_SECONDS)


def _start(target: str, options: list[str], limit: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.fuzz.engine", target, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=limit,
        check=False,
    )


def _read(
    target: str, seconds: float, known: int, done: subprocess.CompletedProcess[str], folder: Path
) -> Outcome:
    units, covered = _UNITS.search(done.stdout), _COVERED.findall(done.stdout)
    found = next((file.read_bytes() for file in folder.glob("found-*")), None)
    error = "" if done.returncode == 0 and units else _why(done.stdout)
    return Outcome(
        target,
        int(units[1]) if units else 0,
        round(seconds, 1),
        int(covered[-1]) if covered else 0,
        known,
        "" if found is None else repr(found),
        error,
    )


def _why(output: str) -> str:
    """Return the traceback, without libFuzzer's own words after it."""
    return output.partition("Traceback")[2].partition("\n==")[0][-3000:] or output[-1000:]


def _quoted(word: str) -> str:
    """Return a line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"\n'
