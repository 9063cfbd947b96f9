"""A terminal session: a shell, numbered output for its viewers, and a size within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from tiflis_workstation.output_buffer import Output, OutputBuffer
from tiflis_workstation.stage import Stage

COLUMNS, ROWS = 80, 24
LEAST_COLUMNS, LEAST_ROWS = 40, 24
MOST_COLUMNS, MOST_ROWS = 1_000, 500
CHUNK = 8_192  # characters a message


class Shell(Protocol):
    """A program inside a terminal."""

    def start(self) -> None: ...
    def write(self, data: str) -> None: ...
    def resize(self, columns: int, rows: int) -> None: ...
    async def close(self) -> None: ...


Emit = Callable[[str], None]
ShellMaker = Callable[[Emit, Callable[[], None]], Shell]
"""Makes a shell that writes through the first callback and says through the second that it ended."""


class Terminal:
    """Joins a shell with its viewers. `show` is called with each output, `ended` at the end of the shell."""

    def __init__(
        self, stage: Stage, make_shell: ShellMaker, show: Callable[[Output], None], ended: Callable[[], None]
    ) -> None:
        self.columns, self.rows = COLUMNS, ROWS
        self.buffer = OutputBuffer()
        self.alive = True
        self._stage = stage
        self._show = show
        self._ended = ended
        self._shell = make_shell(self._emit, self._exited)
        self._shell.start()

    def write(self, data: str) -> None:
        if self.alive:
            self._shell.write(data)

    def resize(self, columns: int, rows: int) -> None:
        self.columns = min(max(columns, LEAST_COLUMNS), MOST_COLUMNS)
        self.rows = min(max(rows, LEAST_ROWS), MOST_ROWS)
        self._shell.resize(self.columns, self.rows)

    async def close(self) -> None:
        self.alive = False
        await self._shell.close()

    def _emit(self, text: str) -> None:
        for piece in _pieces(text):
            self._show(self.buffer.add(piece, self._stage.milliseconds()))

    def _exited(self) -> None:
        if self.alive:
            self.alive = False
            self._ended()


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + CHUNK] for at in range(0, len(text), CHUNK))
