"""The folder for the socket of Sanic's shared state: TMPDIR, unless its path is too long for a socket."""

import multiprocessing.util
import os
import tempfile
from pathlib import Path

from tiflis.arbiter.run_folder import SOCKET_PATH_BYTES

NAME_BYTES = len("/pymp-xxxxxxxx/listener-xxxxxxxx")
SHORT = ("/tmp", "/var/tmp", "/dev/shm", "/run")


def keep_socket_paths_short() -> None:
    """Give multiprocessing a folder of its own below a short path, if the usual one is too long.

    All else that is temporary stays where TMPDIR says: it may be large.
    """
    usual = tempfile.gettempdir()
    if _fits(usual):
        return
    short = next((place for place in SHORT if _fits(place) and _takes_files(place)), usual)
    tempfile.tempdir = short
    try:
        multiprocessing.util.get_temp_dir()  # makes it, and remembers it for all children
    finally:
        tempfile.tempdir = usual


def _fits(place: str) -> bool:
    return len(os.fsencode(os.path.abspath(place))) + NAME_BYTES <= SOCKET_PATH_BYTES


def _takes_files(place: str) -> bool:
    return Path(place).is_dir() and os.access(place, os.W_OK | os.X_OK)
