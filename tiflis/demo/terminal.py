"""A terminal session: numbered output, a bounded buffer for replay, one master who decides the size."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from tiflis.demo.chat import Stage
from tiflis.demo.toy_commands import Program
from tiflis.demo.toy_shell import ToyShell, returned
from tiflis.demo.wire import Message

COLUMNS, ROWS = 80, 24
LEAST_COLUMNS, LEAST_ROWS = 40, 24
MOST_COLUMNS, MOST_ROWS = 1_000, 500
CHUNK = 8_192  # characters a message
BUFFER_SIZE = 512 * 2**10  # characters kept for replay; `big` does not fit, on purpose
BUFFER_MESSAGES = 5_000
REPLAY_PAGE = 200
LARGEST_REPLAY = 1_000


class Shell(Protocol):
    """What runs inside a terminal."""

    def start(self) -> None: ...
    def write(self, data: str) -> None: ...
    def resize(self, columns: int, rows: int) -> None: ...
    async def close(self) -> None: ...


Emit = Callable[[str], None]
ShellMaker = Callable[[Emit, Callable[[], None]], Shell]
"""Makes a shell that writes through the first callback and says through the second that it ended."""


@dataclass(frozen=True, slots=True)
class Output:
    """One numbered piece of output."""

    sequence: int
    content: str
    timestamp: int

    def as_message(self) -> Message:
        return {
            "content_type": "terminal",
            "content": self.content,
            "timestamp": self.timestamp,
            "sequence": self.sequence,
        }


class OutputBuffer:
    """The latest output; numbers rise by one and never start again."""

    def __init__(self) -> None:
        self.current = 0
        self._kept: deque[Output] = deque()
        self._size = 0

    def add(self, content: str, timestamp: int) -> Output:
        self.current += 1
        made = Output(self.current, content, timestamp)
        self._kept.append(made)
        self._size += len(content)
        while self._size > BUFFER_SIZE or len(self._kept) > BUFFER_MESSAGES:
            self._size -= len(self._kept.popleft().content)
        return made

    def replay(
        self,
        since_sequence: int | None = None,
        since_timestamp: float | None = None,
        limit: int | None = None,
    ) -> Message:
        """The payload of `session.replay.data`: what came after, oldest first, a page of it."""
        newer = [
            output
            for output in self._kept
            if output.sequence > (since_sequence or 0) and output.timestamp > (since_timestamp or 0)
        ]
        size = min(max(limit or REPLAY_PAGE, 1), LARGEST_REPLAY)
        shown = newer[:size]
        made: Message = {
            "messages": [output.as_message() for output in shown],
            "has_more": len(newer) > size,
            "current_sequence": self.current,
        }
        if shown:
            made |= {"first_sequence": shown[0].sequence, "last_sequence": shown[-1].sequence}
        return made


class Terminal:
    """Joins a shell with its viewers. `show` gets each output, `ended` hears that the shell is gone."""

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
