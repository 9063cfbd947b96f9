"""A real shell on a pseudo-terminal, only for those who asked for it; it can do all that its user can."""

from __future__ import annotations

import asyncio
import codecs
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable

from tiflis_workstation.stage import Stage
from tiflis_workstation.terminal import COLUMNS, ROWS, Emit

READ_SIZE = 16_384
CLOSE_SECONDS = 2.0
TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Run in the child: makes the terminal its controlling one (a `preexec_fn` is unsafe with threads)."""
UNWRITTEN = 2**20  # input the shell does not read; more is thrown away


class PtyShell:
    """The login shell of the user. Reads only when the way to the devices is free."""

    def __init__(self, stage: Stage, emit: Emit, ended: Callable[[], None]) -> None:
        self._stage = stage
        self._emit = emit
        self._ended = ended
        self._master = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unwritten = bytearray()
        self._resuming: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._master, terminal = pty.openpty()
        os.set_blocking(self._master, False)
        self.resize(COLUMNS, ROWS)
        shell = os.environ.get("SHELL", "/bin/sh")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-ISc", TAKE_TERMINAL, shell, "-i"],
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                start_new_session=True,
                env=_environment(),
            )
        finally:
            os.close(terminal)
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def write(self, data: str) -> None:
        if self._master < 0 or len(self._unwritten) > UNWRITTEN:
            return
        self._unwritten += data.encode(errors="replace")
        self._flush()

    def resize(self, columns: int, rows: int) -> None:
        if self._master >= 0:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def close(self) -> None:
        self._hang_up()
        if self._resuming is not None:
            self._resuming.cancel()
            await asyncio.gather(self._resuming, return_exceptions=True)
        if self._process is not None:
            await asyncio.to_thread(_reap, self._process)

    def _read(self) -> None:
        try:
            data = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:  # EIO: the shell has gone
            data = b""
        if not data:
            self._hang_up()
            self._ended()
            return
        self._emit(self._decoder.decode(data))
        asyncio.get_running_loop().remove_reader(self._master)
        self._resuming = asyncio.create_task(self._resume())

    async def _resume(self) -> None:
        await self._stage.writable()
        if self._master >= 0:
            asyncio.get_running_loop().add_reader(self._master, self._read)

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            del self._unwritten[: os.write(self._master, self._unwritten)]
        except BlockingIOError:
            pass
        except OSError:
            self._unwritten.clear()
        if self._unwritten:
            loop.add_writer(self._master, self._flush)
        else:
            loop.remove_writer(self._master)

    def _hang_up(self) -> None:
        if self._master < 0:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        os.close(self._master)
        self._master = -1


def _environment() -> dict[str, str]:
    """Return the user's own environment without the keys of the tunnel, which a shell does not need."""
    hidden = ("TUNNEL_REGISTRATION_API_KEY", "TIFLIS_AUTH_KEY")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Hang up, since its terminal is closed, and kill the shell if it does not end."""
    try:
        process.send_signal(signal.SIGHUP)
        process.wait(CLOSE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(CLOSE_SECONDS)
