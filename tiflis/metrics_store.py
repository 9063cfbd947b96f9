"""Stores the metrics of all workers of this server, one small file per worker.

Totals must never decrease, or Prometheus takes it for a restart. So totals are made of these files alone, and
the counters of a dead worker count for ever. Gauges count while their worker lives and writes.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tiflis.metrics import CATALOGUE, Kind, Values, add

log = logging.getLogger(__name__)

FOLDER = "metrics"  # in the run folder
PAST = "past"  # the sum of the counters of dead workers, whose files have been removed
FRESH_SECONDS = 10.0  # gauges that are older do not count: their worker does not answer, or it is dead


class MetricsStore:
    """The files of one server's workers. A file that cannot be written costs precision, nothing else."""

    def __init__(self, run_dir: Path, me: str) -> None:
        self._folder = run_dir / FOLDER
        self._me = me
        self._taken = 0  # how many times the values were taken down
        self._written = 0  # the number of those that are in the file
        self._writing = threading.Lock()

    def write(self, values: Values) -> None:
        """Write this worker's counters and gauges as they are now."""
        self.taken_down(values)()

    def taken_down(self, values: Values) -> Callable[[], None]:
        """Return a function that writes the values as they are now; it may be called in any thread."""
        self._taken += 1
        gauges = {name: rows for name, rows in values.items() if CATALOGUE[name].kind is Kind.GAUGE}
        counters = {name: rows for name, rows in values.items() if name not in gauges}
        entry = {"pid": os.getpid(), "at": time.monotonic(), "values": counters, "gauges": gauges}
        return partial(self._write, self._taken, _text(entry))

    def _write(self, number: int, text: str) -> None:
        """Replace the file, unless it holds newer values."""
        with self._writing:
            if number > self._written:
                self._written = number
                self._put(self._me, text)

    def read(self) -> dict[str, Values]:
        """Return the values that each worker last wrote, by its id; PAST is the sum of the dead."""
        with self._locked():
            entries = {path.stem: _entry(path) for path in self._folder.glob("*.json")}
            values: dict[str, Values] = {name: entry["values"] for name, entry in entries.items() if entry}
            dead = [name for name, entry in entries.items() if entry and not _lives(name, entry["pid"])]
            for name in values.keys() - dead:
                values[name] = values[name] | _gauges(entries[name])
            if dead:
                past = values.setdefault(PAST, {})
                for name in dead:
                    add(past, values.pop(name))
                if self._put(PAST, _text({"pid": 0, "values": past})):
                    for name in dead:
                        (self._folder / f"{name}.json").unlink(missing_ok=True)
        return values

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Admit one reader at a time: two must not add the same dead worker to PAST."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(
                self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError:
            yield
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _put(self, name: str, text: str) -> bool:
        """Write a file; return whether it is there now, whole."""
        draft = self._folder / f"{name}.{secrets.token_hex(4)}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with draft.open("x") as file:
                file.write(text)
            draft.replace(self._folder / f"{name}.json")
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            return False
        return True


def _text(entry: dict[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":"))


def _entry(path: Path) -> dict[str, Any] | None:
    try:
        entry = json.loads(path.read_bytes())
        return entry if isinstance(entry["pid"], int) and isinstance(entry["values"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _gauges(entry: dict[str, Any] | None) -> Values:
    """Return the gauges of an entry, if they are fresh. The clock is the same in all processes of a host."""
    if entry is None or abs(time.monotonic() - float(entry.get("at", -FRESH_SECONDS))) >= FRESH_SECONDS:
        return {}  # that of code which writes no gauges is as good as old
    return dict(entry.get("gauges") or {})


def _lives(name: str, pid: int) -> bool:
    """Return whether the process lives. If another process has got its number, the file stays for longer, and
    its counters count all the same."""
    if name == PAST:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
