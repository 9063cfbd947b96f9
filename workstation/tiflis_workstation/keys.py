"""Turns what a terminal sends into keys, also when an escape sequence arrives in pieces."""

from __future__ import annotations

import re

INTERRUPT = "\x03"
END_OF_INPUT = "\x04"
ENTER = "\r"
TAB = "\t"
BACKSPACE = "\x7f"
CLEAR = "\x0c"
KILL_TO_START = "\x15"
KILL_TO_END = "\x0b"
KILL_WORD = "\x17"
UP, DOWN, RIGHT, LEFT = "up", "down", "right", "left"
HOME, END, DELETE = "home", "end", "delete"

NAMES = {
    "\n": ENTER,
    "\x08": BACKSPACE,
    "\x01": HOME,
    "\x05": END,
    "\x1b[A": UP,
    "\x1b[B": DOWN,
    "\x1b[C": RIGHT,
    "\x1b[D": LEFT,
    "\x1bOA": UP,
    "\x1bOB": DOWN,
    "\x1bOC": RIGHT,
    "\x1bOD": LEFT,
    "\x1b[H": HOME,
    "\x1b[F": END,
    "\x1bOH": HOME,
    "\x1bOF": END,
    "\x1b[1~": HOME,
    "\x1b[4~": END,
    "\x1b[3~": DELETE,
}

# A sequence of more than 31 characters is no key; it is thrown away instead of kept for ever.
_KEY = re.compile(
    r"""
      \x1b\[(?![ -?]{31})[ -?]*[@-~]      # a control sequence
    | \x1b\[[ -?]{31}                     # the beginning of one that is too long
    | \x1bO[ -~]                          # a function key
    | \x1b[^\[O\x00-\x1f]                 # Alt and a character
    | \x1b(?:\[[ -?]{0,30}|O)?(?=[^ -~])  # broken off by a character that counts
    | [^\x1b]
    """,
    re.VERBOSE,
)


class KeyReader:
    """Give it data, get keys: one character, or one of the names above. Unknown sequences are dropped."""

    def __init__(self) -> None:
        self._rest = ""
        self._before = ""

    def feed(self, data: str) -> list[str]:
        text = self._rest + data
        keys, at = [], 0
        while found := _KEY.match(text, at):
            keys.append(self._name(found.group()))
            at = found.end()
        self._rest = text[at:]
        return [key for key in keys if key]

    def _name(self, raw: str) -> str:
        before, self._before = self._before, raw
        if before == "\r" and raw == "\n":
            return ""  # both together are one Enter
        name = NAMES.get(raw, raw)
        return "" if name.startswith("\x1b") else name
