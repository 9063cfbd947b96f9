"""Nobody but the server's own user decides what its folders hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.arbiter.conftest import Stage
from tests.patience import WALL_PATIENCE
from tiflis.arbiter import unix_listener
from tiflis.arbiter.ground import folder_mistake
from tiflis.commands import keygen
from tiflis.ipc.run_folder import RunFolder
from tiflis.ipc.safe_place import Unsafe, open_own, own_folder, require_safe

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
STRANGER = 4711


def test_a_strangers_link_in_the_place_of_the_run_folder_is_refused_in_one_line(
    stage: Callable[..., Stage], tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    running = stage()
    running.data_dir.mkdir()
    running.data_dir.chmod(0o1777)
    running.run_dir.symlink_to(victim)
    os.lchown(running.run_dir, STRANGER, STRANGER)
    process = running.start(wait=False).process
    assert process is not None
    assert process.wait(WALL_PATIENCE) == 2
    assert f"DATA_DIR {running.data_dir} cannot be used: {running.run_dir}" in running.logs()
    assert (stat.S_IMODE(victim.stat().st_mode), os.listdir(victim)) == (0o755, [])


@pytest.mark.parametrize("place", ["data", "above"])
def test_a_folder_that_others_may_write_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "above" / "data").mkdir(parents=True)
    open_one = {"data": tmp_path / "above" / "data", "above": tmp_path / "above"}[place]
    open_one.chmod(0o777)
    with pytest.raises(Unsafe, match=f"{open_one} can be written by other users"):
        RunFolder(tmp_path / "above" / "data", 3001).take(0)
    assert "can be written" in str(folder_mistake(tmp_path / "above" / "data", 3001))


def test_a_sticky_parent_and_links_of_our_own_are_fine(tmp_path: Path) -> None:
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    (tmp_path / "link").symlink_to(tmp_path / "sticky")
    folder = RunFolder(tmp_path / "link" / "data", 3001)
    folder.take(0)
    folder.lock.release()


def test_a_strangers_link_or_folder_on_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").symlink_to(tmp_path)
    os.lchown(tmp_path / "theirs", STRANGER, STRANGER)
    (tmp_path / "ours").symlink_to(tmp_path / "theirs")
    for place in ("theirs", "ours"):
        with pytest.raises(Unsafe, match="belongs to user 4711"):
            require_safe(tmp_path / place / "data")


@pytest.mark.parametrize("name", ["lock", "main.sock", "attempts"])
def test_no_file_is_opened_through_a_link_or_in_a_strangers_place(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "victim")
    with pytest.raises(Unsafe, match="symbolic link"):
        open_own(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).touch()
    os.chown(tmp_path / name, STRANGER, STRANGER)
    with pytest.raises(Unsafe, match="belongs to user 4711"):
        open_own(tmp_path / name)
    assert not (tmp_path / "victim").exists()


def test_a_strangers_folder_in_the_place_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nats").mkdir()
    os.chown(tmp_path / "nats", STRANGER, STRANGER)
    with pytest.raises(Unsafe, match="belongs to user 4711"):
        own_folder(tmp_path / "nats")


def test_the_rights_of_a_unix_socket_are_never_given_to_what_a_link_leads_to(tmp_path: Path) -> None:
    """Another user who may write in its folder can put a link in its place."""
    secret, link = tmp_path / "secret", tmp_path / "link"
    secret.touch(mode=0o600)
    link.symlink_to(secret)
    with pytest.raises(OSError):
        unix_listener.set_mode(link, 0o666)
    assert secret.stat().st_mode & 0o777 == 0o600
    with unix_listener.listen(tmp_path / "s", 0o660, 1, 0.0):
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o660


def test_a_new_key_goes_to_no_file_that_another_user_has_prepared(tmp_path: Path) -> None:
    shared, victim = tmp_path / "shared", tmp_path / "victim"
    shared.mkdir()
    shared.chmod(0o1777)
    victim.write_text("A=1\n")
    (shared / "link").symlink_to(victim)
    (shared / "theirs").touch(mode=0o666)
    os.chown(shared / "theirs", STRANGER, STRANGER)
    for name in ("link", "theirs"):
        with pytest.raises(Unsafe):
            keygen.add_key(shared / name)
    assert victim.read_text() == "A=1\n"
    assert keygen.add_key(shared / "own")
