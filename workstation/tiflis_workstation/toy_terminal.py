"""The toy shell inside a terminal: has the clock and the task that the shell itself has not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tiflis_workstation.stage import Stage
from tiflis_workstation.terminal import COLUMNS, ROWS, Emit
from tiflis_workstation.toy_commands import Program
from tiflis_workstation.toy_shell import ToyShell, returned


class ToyTerminal:
    """Runs the toy shell on the event loop: it owns the task that plays the running program."""

    def __init__(self, stage: Stage, emit: Emit, ended: Callable[[], None]) -> None:
        self._stage = stage
        self._emit = emit
        self._ended = ended
        self._shell = ToyShell(stage.now, COLUMNS, ROWS)
        self._playing: Program | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._emit(self._shell.start())

    def write(self, data: str) -> None:
        output = self._shell.feed(data)
        self._follow()
        self._emit(output)
        if self._shell.closed:
            self._ended()

    def resize(self, columns: int, rows: int) -> None:
        self._emit(self._shell.resize(columns, rows))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _follow(self) -> None:
        """Play the shell's program, no other."""
        if self._shell.program is self._playing:
            return
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._playing = self._shell.program
        if self._playing is not None:
            self._task = asyncio.create_task(self._play(self._playing))

    async def _play(self, program: Program) -> None:
        for seconds, text in program:
            await self._stage.pause(seconds)
            self._emit(returned(text))
        self._playing, self._task = None, None
        self._emit(self._shell.finished())
        self._follow()
        if self._shell.closed:
            self._ended()
