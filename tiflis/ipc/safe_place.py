"""Whether only this server's user can decide what lies in a folder, and how its files are opened then.

Another user who may write on the way to DATA_DIR, or in it, can put a symbolic link there, and a server that
root starts would write, and change the rights of, whatever the link leads to.
"""

import errno
import grp
import os
import pwd
import stat
from pathlib import Path

LINKS = 40  # as many as the kernel follows
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Unsafe(Exception):
    """Another user can decide what lies there; the text names the place and says why."""


def require_safe(folder: Path) -> None:
    """Raise Unsafe if others can exchange the folder, what leads to it, or what we make in it.

    A place that is not there yet ends the way: we make it. A sticky folder such as /tmp is safe, since
    no other user can rename or delete our files in it; what is made in it has to be `own`.
    """
    _walk(folder.absolute(), LINKS)


def _walk(path: Path, links: int) -> None:
    for place in (*reversed(path.parents), path):
        try:
            status = place.lstat()
        except FileNotFoundError:
            return
        if status.st_uid not in (0, os.geteuid()):
            raise Unsafe(f"{place} belongs to user {status.st_uid}, this one is {os.geteuid()}")
        if stat.S_ISLNK(status.st_mode):
            if not links:
                raise Unsafe(f"{place} leads over too many symbolic links")
            _walk(Path(os.path.normpath(place.parent / place.readlink())), links - 1)
        elif _others_write(status) and not status.st_mode & stat.S_ISVTX:
            raise Unsafe(f"{place} can be written by other users (mode {stat.S_IMODE(status.st_mode):04o})")


def _others_write(status: os.stat_result) -> bool:
    others = status.st_mode & OTHERS_WRITE
    return bool(others) and not (others == stat.S_IWGRP and _only_group_of(status))


def _only_group_of(status: os.stat_result) -> bool:
    """Return whether the group is its owner's alone, as each user's own group is where umask 002 is usual."""
    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return owner.pw_gid == group.gr_gid and set(group.gr_mem) <= {owner.pw_name} and owner.pw_uid != 0


def own_folder(path: Path) -> None:
    """Make the folder, or check that it is this user's own, and close it to all others. Raises Unsafe."""
    path.mkdir(mode=0o700, exist_ok=True)
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as problem:
        if problem.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        raise Unsafe(f"{path} is a symbolic link, or no folder") from None
    try:
        _require_own(path, os.fstat(folder))
        os.fchmod(folder, 0o700)
    finally:
        os.close(folder)


def open_own(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int:
    """Open a file of this user's, never through a symbolic link; made with 0600. Raises Unsafe or OSError."""
    if path.is_symlink():
        raise Unsafe(f"{path} is a symbolic link")
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _require_own(path, os.fstat(descriptor))
    except Unsafe:
        os.close(descriptor)
        raise
    return descriptor


def _require_own(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise Unsafe(f"{path} belongs to user {status.st_uid}, this one is {os.geteuid()}")
