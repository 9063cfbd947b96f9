"""The run folder: private, and locked by whoever lives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tiflis.ipc.run_folder import Lock, LockHeld, RunFolder


def test_a_lock_is_held_once_and_says_by_whom(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    first.take(0)
    first.say(main=17)
    with pytest.raises(LockHeld) as held:
        second.take(0)
    assert held.value.holder == {"main": 17}
    first.release()
    second.take(0)
    second.release()


def test_a_lock_waits_for_its_holder_to_leave(tmp_path: Path) -> None:
    holder = Lock(tmp_path / "lock")
    holder.take(0)
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; print('held', flush=True); sys.stdin.read(1)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(holder.descriptor,),
    )
    with child:
        assert child.stdin is not None and child.stdout is not None
        child.stdout.readline()
        holder.release()  # the child holds on
        with pytest.raises(LockHeld):
            Lock(tmp_path / "lock").take(0)
        child.kill()
        waiting = Lock(tmp_path / "lock")
        waiting.take(2)
        waiting.release()


def test_a_lock_file_with_nonsense_names_nobody(tmp_path: Path) -> None:
    holder = Lock(tmp_path / "lock")
    holder.take(0)
    (tmp_path / "lock").write_text("[1")
    with pytest.raises(LockHeld) as held:
        Lock(tmp_path / "lock").take(0)
    assert held.value.holder == {}
    holder.release()


def test_files_are_written_whole_and_for_the_owner_only(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "data", 3001)
    folder.take(0)
    folder.write("bus.url", "first")
    path = folder.write("bus.url", "second")
    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(entry.name for entry in folder.path.iterdir()) == ["bus.url", "lock"]
    folder.lock.release()


def test_a_folder_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "run-3001").mkdir(mode=0o755)
    folder = RunFolder(tmp_path, 3001)
    folder.take(0)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert "main" in json.loads((folder.path / "lock").read_text())
    folder.lock.release()
