"""A server that is to take over: when it starts anew instead, waits, or gives up."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tiflis.arbiter.takeover import TURN_NAME, CannotTakeOver, NothingRuns, Successor
from tiflis.ipc.run_folder import Lock, RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Return the run folder of a server that has ended."""
    made = RunFolder(tmp_path, 3001)
    made.take(0)
    made.lock.release()
    return made


def test_without_a_server_there_is_nothing_to_take_over(folder: RunFolder, tmp_path: Path) -> None:
    for where in (folder, RunFolder(tmp_path, 3002)):
        with pytest.raises(NothingRuns):
            Successor(where, None).inherit()


def test_a_server_that_is_about_to_end_is_waited_for(folder: RunFolder) -> None:
    ending = RunFolder(folder.data_dir, 3001)
    ending.lock.take(0)
    timer = threading.Timer(0.5, ending.lock.release)
    timer.start()
    with pytest.raises(NothingRuns):
        Successor(folder, None).inherit()
    assert not ending.lock.is_held()
    timer.join()


def test_two_servers_do_not_take_over_at_once(folder: RunFolder) -> None:
    first = Lock(folder.path / TURN_NAME)
    first.take(0)
    with pytest.raises(CannotTakeOver, match="another server"):
        Successor(folder, None).inherit()
    first.release()
    with pytest.raises(NothingRuns):
        Successor(folder, None).inherit()
