"""The Unix socket on which a server listens: made once by the main process, shared by all workers."""

import contextlib
import os
import secrets
import socket
import stat
import time
from pathlib import Path

from tiflis.ipc.run_folder import socket_address

LOOK_SECONDS = 0.05


class CannotListen(Exception):
    """Nothing can listen at this path; the text contains the reason."""


def listen(path: Path, mode: int, backlog: int, seconds: float) -> socket.socket:
    """Return a socket that listens at ``path``, with these permissions.

    A socket file of a dead server is replaced; a server that is ending has `seconds` for it. Raise
    CannotListen.
    """
    check_place(path, seconds)
    draft = path.with_name(f".tiflis-{secrets.token_hex(4)}")
    listener = socket.socket(socket.AF_UNIX)
    try:
        with socket_address(draft) as address:
            listener.bind(address)
        set_mode(draft, mode)
        listener.listen(backlog)  # before the rename: a peer that finds the file can connect
        draft.rename(path)
    except OSError as problem:
        listener.close()
        with contextlib.suppress(OSError):
            draft.unlink()
        raise CannotListen(f"{path} cannot be listened on: {problem.strerror or problem}") from None
    return listener


def set_mode(path: Path, mode: int) -> None:
    """Set the permissions of a socket, never of what a link leads to that another user has put in its place.
    Raise OSError."""
    if not hasattr(os, "O_PATH"):
        path.chmod(mode)
        return
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
            raise OSError(f"{path} was replaced by another user")
        os.chmod(f"/proc/self/fd/{descriptor}", mode)
    finally:
        os.close(descriptor)


def check_place(path: Path, seconds: float) -> None:
    """Raise CannotListen unless a socket can be made at ``path``; wait up to ``seconds`` for a server there
    to end."""
    if not path.parent.is_dir():
        raise CannotListen(f"{path} cannot be listened on: its folder does not exist")
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise CannotListen(f"{path} cannot be listened on: it is a file, no socket")
    except FileNotFoundError:
        return
    except OSError as problem:
        raise CannotListen(f"{path} cannot be listened on: {problem.strerror}") from None
    end = time.monotonic() + seconds
    while is_served(path):
        if time.monotonic() > end:
            raise CannotListen(f"{path} cannot be listened on: another process listens there")
        time.sleep(LOOK_SECONDS)


def is_served(path: Path) -> bool:
    """Return whether a process listens at ``path``."""
    with socket.socket(socket.AF_UNIX) as probe, contextlib.ExitStack() as stack:
        probe.setblocking(False)
        try:
            probe.connect(stack.enter_context(socket_address(path)))
        except BlockingIOError:
            return True  # its queue is full
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # unknown: leave it alone
    return True


def remove(path: Path) -> None:
    """Remove a socket at which no process listens any more."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(path.lstat().st_mode) and not is_served(path):
            path.unlink()
