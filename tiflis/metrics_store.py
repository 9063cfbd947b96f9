"""What all workers of this server have counted, also those that are gone: one small file a worker.

Sums must never fall, or whoever reads them takes it for a restart. So a worker writes down what it tells, and
what a dead one has written counts for ever.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tiflis.metrics import CATALOGUE, Kind, Values, add

log = logging.getLogger(__name__)

FOLDER = "metrics"  # in the run folder
PAST = "past"  # the sum of those whose files have been removed


class MetricsStore:
    """The files of one server's workers. Files that cannot be written cost precision, nothing else."""

    def __init__(self, run_dir: Path, me: str) -> None:
        self._folder = run_dir / FOLDER
        self._me = me
        self._taken = 0  # how many times the counters were taken down
        self._written = 0  # which of these is in the file
        self._writing = threading.Lock()

    def write(self, values: Values) -> None:
        """Put down this worker's counters as they are now."""
        self.taken_down(values)()

    def taken_down(self, values: Values) -> Callable[[], None]:
        """The counters as they are now; to be called, in any thread, to have them written."""
        self._taken += 1
        counters = {name: rows for name, rows in values.items() if CATALOGUE[name].kind is not Kind.GAUGE}
        return partial(self._write, self._taken, _text({"pid": os.getpid(), "values": counters}))

    def _write(self, number: int, text: str) -> None:
        """What is older than what the file holds comes too late."""
        with self._writing:
            if number > self._written:
                self._written = number
                self._put(self._me, text)

    def read(self) -> dict[str, Values]:
        """What each worker last wrote, by its id; the dead are summed up under PAST."""
        with self._locked():
            entries = {path.stem: _entry(path) for path in self._folder.glob("*.json")}
            values: dict[str, Values] = {name: entry["values"] for name, entry in entries.items() if entry}
            dead = [name for name, entry in entries.items() if entry and not _lives(name, entry["pid"])]
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
        """One reader at a time: two must not sum up the same dead."""
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
        """Whether the file is there now, whole."""
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


def _lives(name: str, pid: int) -> bool:
    """A number that another process has got since keeps the file a while longer; it counts all the same."""
    if name == PAST:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
