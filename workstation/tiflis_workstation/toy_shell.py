"""The toy shell: prompt, line editing and commands as a pure state machine; its owner has the clock."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Callable

from tiflis_workstation import keys
from tiflis_workstation.line_editor import LineEditor
from tiflis_workstation.toy_commands import COMMANDS, Program, Surroundings

PROMPT = "\x1b[1;32mdemo\x1b[0m:\x1b[1;34m~\x1b[0m$ "
PROMPT_WIDTH = 8
WELCOME = "Welcome to the \x1b[1mtoy shell\x1b[0m. Type \x1b[36mhelp\x1b[0m.\r\n"
TYPED_AHEAD = 4_096  # keys kept while a program runs


class ToyShell:
    """Feed it input, write what it returns. The owner plays `program`, when set, then calls `finished`."""

    def __init__(self, now: Callable[[], float], columns: int, rows: int) -> None:
        self.program: Program | None = None
        self.closed = False
        self.rows = rows
        self._now = now
        self._keys = keys.KeyReader()
        self._editor = LineEditor(PROMPT, PROMPT_WIDTH, columns)
        self._ahead: deque[str] = deque()

    def start(self) -> str:
        return WELCOME + PROMPT

    def resize(self, columns: int, rows: int) -> str:
        """Return the prompt again while a line is edited: the terminal may have wrapped it."""
        self._editor.columns, self.rows = columns, rows
        return "" if self.program else self._editor.draw()

    def feed(self, data: str) -> str:
        return "".join(self._press(key) for key in self._keys.feed(data))

    def finished(self) -> str:
        """Return the prompt after a program has ended, then the echo of what was typed meanwhile."""
        self.program = None
        output = [PROMPT]
        while self._ahead and not self.program and not self.closed:
            output.append(self._press(self._ahead.popleft()))
        return "".join(output)

    def _press(self, key: str) -> str:
        if self.closed:
            return ""
        if key == keys.INTERRUPT:
            return self._interrupt()
        if self.program:
            if len(self._ahead) < TYPED_AHEAD:
                self._ahead.append(key)
            return ""
        return self._edit(key)

    def _interrupt(self) -> str:
        self.program = None
        self._ahead.clear()
        self._editor.drop()
        return "^C\r\n" + PROMPT

    def _edit(self, key: str) -> str:
        match key:
            case keys.ENTER:
                return "\r\n" + self._run(self._editor.take())
            case keys.END_OF_INPUT:
                return "" if self._editor.text else self._close()
            case keys.TAB:
                return self._editor.complete(list(COMMANDS))
            case keys.CLEAR:
                return "\x1b[H\x1b[2J" + self._editor.draw()
        return self._editor.press(key)

    def _run(self, line: str) -> str:
        try:
            name, *arguments = shlex.split(line) or [""]
        except ValueError as mistake:
            return f"shell: {mistake}\r\n{PROMPT}"
        if not name:
            return PROMPT
        if name == "exit":
            return self._close()
        if name not in COMMANDS:
            return f"\x1b[31m{name}\x1b[0m: no such command, try help\r\n{PROMPT}"
        around = Surroundings(self._now, self._editor.columns, self.rows, self._editor.history)
        output = COMMANDS[name].run(arguments, around)
        if isinstance(output, str):
            return returned(output) + PROMPT
        self.program = output
        return ""

    def _close(self) -> str:
        self.closed = True
        return "logout\r\n"


def returned(text: str) -> str:
    """Line feeds as a terminal driver writes them."""
    return text.replace("\n", "\r\n")
