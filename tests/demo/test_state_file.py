"""What survives a restart of the demo."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from tiflis_workstation.state_file import Remembered, StateFile

URL = "ws://127.0.0.1:3001/ws"


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "demo.json"
    StateFile(path).save(URL, Remembered("tunnel", "key"))
    StateFile(path).save("wss://elsewhere/ws", Remembered("other", "key"))
    assert StateFile(path).load(URL) == Remembered("tunnel", "key")


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    path.touch(mode=0o644)
    StateFile(path).save(URL, Remembered("tunnel", "key"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ws://127.0.0.1:3001/ws": 3}', "\xff"])
def test_a_damaged_file_is_a_first_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "demo.json"
    path.write_text(content, encoding="latin-1")
    assert StateFile(path).load(URL) == Remembered()


def test_no_file_is_a_first_start(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "none").load(URL) == Remembered()
