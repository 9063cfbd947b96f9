"""The folder of one running server: private to its user, locked by its main process."""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiflis.ipc.safe_place import open_own, own_folder, require_safe

LOCK_POLL_SECONDS = 0.02
# What the smallest system takes for the address of a Unix socket (108 on Linux, 104 on BSD), less the end.
SOCKET_PATH_BYTES = 103


PLACE_NAME = "place"  # file in the folder of a server: where it listens, for people

Place = int | Path  # where a server listens: a TCP port, or a Unix socket


class LockHeld(Exception):
    """Another process holds the lock; `holder` is the text that it wrote into the file."""

    def __init__(self, path: Path, holder: dict[str, Any]) -> None:
        super().__init__(f"{path} is held by {holder or 'another process'}")
        self.path = path
        self.holder = holder


class Lock:
    """An advisory lock on a file, which ends with the processes that hold its descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def take(self, seconds: float) -> None:
        """Take the lock, after at most `seconds`. Raise LockHeld, or Unsafe if the file is another user's."""
        descriptor = open_own(self.path)
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > end:
                    holder = _read_holder(descriptor)
                    os.close(descriptor)
                    raise LockHeld(self.path, holder) from None
                time.sleep(LOCK_POLL_SECONDS)
            else:
                self._descriptor = descriptor
                return

    def is_held(self) -> bool:
        """Return whether another process holds it. Raise OSError if the file cannot be read."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @property
    def descriptor(self) -> int:
        """Return the descriptor, for a child process that shares the lock."""
        if self._descriptor is None:
            raise RuntimeError(f"{self.path} is not locked")
        return self._descriptor

    def adopt(self, descriptor: int) -> None:
        """Hold the lock by a descriptor received from its present holder, which is about to close its own."""
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor

    def say(self, **holder: Any) -> None:
        """Write the holder into the file, for a process that waits for the lock."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps(holder).encode(), 0)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class RunFolder:
    """`<DATA_DIR>/run-<port>`: control socket, configuration and address of the embedded bus.

    That of a server on a Unix socket is `run-unix-<digest of its path>`.
    """

    def __init__(self, data_dir: Path, place: Place) -> None:
        self.data_dir = data_dir.absolute()
        self.path = self.data_dir / f"run-{_name(place)}"
        self.lock = Lock(self.path / "lock")

    def take(self, seconds: float) -> None:
        """Make the folder and lock it. Raise LockHeld if another server runs in it, and Unsafe if another
        user could change its contents."""
        self._make()
        self.lock.take(seconds)
        self.lock.say(main=os.getpid())

    def _make(self) -> None:
        require_safe(self.data_dir)
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        own_folder(self.path)

    def restore(self) -> None:
        """Make the folder and its lock again after they were deleted. Raise OSError or LockHeld."""
        self._make()
        if not self.lock.path.exists():
            self.lock.release()
            self.lock.take(0)
            self.lock.say(main=os.getpid())

    def write(self, name: str, text: str) -> Path:
        """Write a file into the folder, readable by its owner only, whole or not at all. Return its path."""
        draft = self.path / f"{name}.{secrets.token_hex(4)}"
        descriptor = open_own(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:  # it may hold a path
            file.write(text)
        path = self.path / name
        draft.replace(path)
        return path

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)


def _name(place: Place) -> str:
    if isinstance(place, int):
        return str(place)
    path = os.fsencode(os.path.abspath(place))
    return f"unix-{hashlib.blake2b(path, digest_size=6).hexdigest()}"


def described(place: Place) -> str:
    """Return the name of a place in messages: `port 3001` or `unix:/path`."""
    return f"port {place}" if isinstance(place, int) else f"unix:{place}"


@contextlib.contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """Return a spelling of a Unix socket's path that fits into an address, for bind or connect.

    A deep DATA_DIR does not: Linux reaches the folder through a descriptor of it instead.
    """
    plain = os.fspath(path)
    if len(os.fsencode(plain)) <= SOCKET_PATH_BYTES or sys.platform != "linux":
        yield plain
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _read_holder(descriptor: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}
