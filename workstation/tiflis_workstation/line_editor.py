"""A one-line editor over a data stream: echo, cursor, history; of the terminal it knows only the width."""

from __future__ import annotations

import unicodedata
from collections import deque

from tiflis_workstation import keys

REMEMBERED_LINES = 200
LONGEST_LINE = 2_000


def width(text: str) -> int:
    """Columns that the text takes."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Cc", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class LineEditor:
    """Holds the line being typed. `press` returns what to write to the terminal."""

    def __init__(self, prompt: str, prompt_width: int, columns: int) -> None:
        self.prompt = prompt
        self.columns = columns
        self.text = ""
        self._cursor = 0
        self._prompt_width = prompt_width
        self._past: deque[str] = deque(maxlen=REMEMBERED_LINES)
        self._looking_back = 0
        self._keys = {
            keys.BACKSPACE: lambda: self._delete(self._cursor - 1, self._cursor),
            keys.DELETE: lambda: self._delete(self._cursor, self._cursor + 1),
            keys.KILL_TO_START: lambda: self._delete(0, self._cursor),
            keys.KILL_TO_END: lambda: self._delete(self._cursor, len(self.text)),
            keys.KILL_WORD: lambda: self._delete(self._word_start(), self._cursor),
            keys.LEFT: lambda: self._move(self._cursor - 1),
            keys.RIGHT: lambda: self._move(self._cursor + 1),
            keys.HOME: lambda: self._move(0),
            keys.END: lambda: self._move(len(self.text)),
            keys.UP: lambda: self._recall(self._looking_back + 1),
            keys.DOWN: lambda: self._recall(self._looking_back - 1),
        }

    @property
    def history(self) -> list[str]:
        return list(self._past)

    def press(self, key: str) -> str:
        if key in self._keys:
            return self._keys[key]()
        return self._insert(key) if key.isprintable() else ""

    def take(self) -> str:
        """Return the finished line and begin a new one."""
        line = self.text
        if line.strip() and (not self._past or self._past[-1] != line):
            self._past.append(line)
        self.drop()
        return line

    def drop(self) -> None:
        self.text, self._cursor, self._looking_back = "", 0, 0

    def complete(self, words: list[str]) -> str:
        """Finish the word under the cursor when only one word fits."""
        start = self.text[: self._cursor]
        fitting = [word for word in words if start and word.startswith(start)]
        return self._insert(fitting[0][len(start) :] + " ") if len(fitting) == 1 else "\a"

    def draw(self) -> str:
        """Prompt and line, the cursor in its place. A long line is scrolled sideways, so it never wraps."""
        room = max(self.columns - self._prompt_width - 1, 8)
        start = 0
        while width(self.text[start : self._cursor]) > room:
            start += 1
        end = len(self.text)
        while end > self._cursor and width(self.text[start:end]) > room:
            end -= 1
        behind = width(self.text[self._cursor : end])
        back = f"\x1b[{behind}D" if behind else ""
        return f"\r{self.prompt}{self.text[start:end]}\x1b[K{back}"

    def _insert(self, text: str) -> str:
        text = text[: LONGEST_LINE - len(self.text)]
        at_end = self._cursor == len(self.text)
        self.text = self.text[: self._cursor] + text + self.text[self._cursor :]
        self._cursor += len(text)
        fits = self._prompt_width + width(self.text) < self.columns
        return text if at_end and fits else self.draw()

    def _delete(self, start: int, end: int) -> str:
        start, end = max(start, 0), min(end, len(self.text))
        if start >= end:
            return ""
        self.text = self.text[:start] + self.text[end:]
        self._cursor = start
        return self.draw()

    def _move(self, to: int) -> str:
        self._cursor = min(max(to, 0), len(self.text))
        return self.draw()

    def _word_start(self) -> int:
        return self.text[: self._cursor].rstrip().rfind(" ") + 1

    def _recall(self, back: int) -> str:
        if not 0 <= back <= len(self._past):
            return ""
        self._looking_back = back
        self.text = self._past[-back] if back else ""
        self._cursor = len(self.text)
        return self.draw()
