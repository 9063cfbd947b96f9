"""Checks that only this server's user can change a folder's contents, and safe ways to open its files.

Another user who can write to DATA_DIR or to a folder above it can put a symbolic link there. A server that
root starts would then write to the target of the link, and change its permissions.
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
    """Another user can change the contents of a place; the text contains the place and the reason."""


def require_safe(folder: Path) -> None:
    """Raise Unsafe if other users can replace the folder, a folder above it, or files that we make in it.

    The check ends at the first folder that does not exist yet: we make it. A sticky folder such as /tmp is
    safe, because no other user can rename or delete our files in it; folders in it must be our `own_folder`.
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
    """Make the folder, or check that it is this user's own, and close it to other users. Raise Unsafe."""
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
    """Open this user's own file, never through a symbolic link; make it with 0600. Raise Unsafe or
    OSError."""
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
