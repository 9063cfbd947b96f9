"""A main process that cannot start a process or a thread while a file says so.

Made by hand because the system's own limits on processes do not hold for root, as tests in containers are.
"""

import _posixsubprocess
import contextlib
import errno
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

NO_PROCESS, NO_THREAD, NO_SECOND_WORKER = "no-process", "no-thread", "no-second-worker"  # the files


def lacking(folder: Path, name: str, real: Callable[..., Any], problem: Exception) -> Callable[..., Any]:
    """Return `real`, which raises while the file is there; at the second worker's first start, only then."""

    def maybe(*arguments: Any, **options: Any) -> Any:
        if (folder / name).exists():
            raise problem
        if os.environ.get("SANIC_WORKER_NAME") == "Sanic-Server-1-0":
            with contextlib.suppress(FileNotFoundError):
                (folder / NO_SECOND_WORKER).unlink()
                raise problem
        return real(*arguments, **options)

    return maybe


def make_lacking(folder: Path) -> None:
    """Have the main process lack what the files in the folder name."""
    if os.environ.get("SANIC_WORKER_NAME"):
        return
    no_process = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    start = lacking(folder, NO_PROCESS, _posixsubprocess.fork_exec, no_process)
    _posixsubprocess.fork_exec = start
    subprocess._fork_exec = start  # type: ignore[attr-defined]  # the standard library's own
    no_thread = RuntimeError("can't start new thread")
    thread = lacking(folder, NO_THREAD, threading._start_new_thread, no_thread)  # type: ignore[attr-defined]
    threading._start_new_thread = thread  # type: ignore[attr-defined]
