"""The commands of the toy shell: nothing here touches the machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

Program = Iterator[tuple[float, str]]
"""A command that takes time: seconds to wait, then text to show."""

BIG_LINES = 10_000
LINES_AT_ONCE = 100
BURST_SECONDS = 0.01

FILES = {
    "README.md": "# Demo\n\nA machine that does not exist. Nothing you do here has consequences.\n",
    "app.py": 'print("Hello from the tunnel")\n',
    "notes.txt": "buy milk\ncall the dentist\nmeasure before you optimise\n",
    "poem.txt": "Roses are red,\nframes are text,\nfirst comes ping\nand pong comes next.\n",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The environment of a command."""

    now: Callable[[], float]
    columns: int
    rows: int
    history: list[str]


@dataclass(frozen=True, slots=True)
class Command:
    """`run` gets the arguments and returns text, or a program."""

    about: str
    run: Callable[[list[str], Surroundings], str | Program]


def _help(arguments: list[str], around: Surroundings) -> str:
    rows = [f"  \x1b[36m{name:<9}\x1b[0m {command.about}" for name, command in COMMANDS.items()]
    return "This is a toy shell: nothing runs on the machine.\n" + "\n".join(rows) + "\n"


def _ls(arguments: list[str], around: Surroundings) -> str:
    if "-l" not in arguments:
        return "  ".join(_coloured(name) for name in FILES) + "\n"
    rows = [
        f"-rw-r--r-- 1 demo demo {len(text.encode()):>5} {_coloured(name)}" for name, text in FILES.items()
    ]
    return "\n".join(rows) + "\n"


def _coloured(name: str) -> str:
    return f"\x1b[32m{name}\x1b[0m" if name.endswith(".py") else name


def _cat(arguments: list[str], around: Surroundings) -> str:
    return "".join(FILES.get(name, f"cat: {name}: No such file\n") for name in arguments)


def _echo(arguments: list[str], around: Surroundings) -> str:
    return " ".join(arguments) + "\n"


def _clear(arguments: list[str], around: Surroundings) -> str:
    return "\x1b[H\x1b[2J\x1b[3J"


def _date(arguments: list[str], around: Surroundings) -> str:
    return datetime.fromtimestamp(around.now(), UTC).strftime("%a %d %b %Y %H:%M:%S UTC") + "\n"


def _colors(arguments: list[str], around: Surroundings) -> str:
    basic = "".join(f"\x1b[{30 + n}m ██\x1b[0m" for n in range(8)) + "\n"
    bright = "".join(f"\x1b[{90 + n}m ██\x1b[0m" for n in range(8)) + "\n"
    cube = "".join(f"\x1b[48;5;{16 + n}m \x1b[0m" + ("\n" if n % 36 == 35 else "") for n in range(216))
    ramp = "".join(f"\x1b[48;2;{n * 8};{96};{255 - n * 8}m \x1b[0m" for n in range(32)) + "\n"
    styles = "\x1b[1mbold\x1b[0m \x1b[3mitalic\x1b[0m \x1b[4munderline\x1b[0m \x1b[7mreverse\x1b[0m\n"
    return basic + bright + cube + ramp + styles


def _bell(arguments: list[str], around: Surroundings) -> str:
    return "\aDing.\n"


def _links(arguments: list[str], around: Surroundings) -> str:
    hidden = "\x1b]8;;https://example.com/\x1b\\a named link\x1b]8;;\x1b\\"
    return f"https://example.com/path?q=1\nhttp://localhost:3000/\n{hidden}\n"


def _unicode(arguments: list[str], around: Surroundings) -> str:
    return (
        "accents  café naïve Ångström\ngeorgian თბილისი\nwide     日本語 中文 한국어\n"
        "emoji    🚇 👩‍💻 🏳️‍🌈 👍🏽\ncombined e\u0301 n\u0303 a\u030a\nboxes    ┌──┬──┐ ╔══╗ ▁▂▃▄▅▆▇█\n"
        "right to left  שלום مرحبا\n"
    )


def _history(arguments: list[str], around: Surroundings) -> str:
    return "".join(f"{number:>5}  {line}\n" for number, line in enumerate(around.history, start=1))


def _size(arguments: list[str], around: Surroundings) -> str:
    return f"{around.columns} columns, {around.rows} rows\n"


def _big(arguments: list[str], around: Surroundings) -> Program:
    for start in range(1, BIG_LINES + 1, LINES_AT_ONCE):
        lines = range(start, min(start + LINES_AT_ONCE, BIG_LINES + 1))
        yield BURST_SECONDS, "".join(f"\x1b[3{n % 7 + 1}m{n:>6}\x1b[0m {'=' * (n % 50)}\n" for n in lines)


def _top(arguments: list[str], around: Surroundings) -> Program:
    tick = 0
    while True:
        yield (1.0 if tick else 0.0), _top_screen(tick, around)
        tick += 1


def _top_screen(tick: int, around: Surroundings) -> str:
    clock = datetime.fromtimestamp(around.now(), UTC).strftime("%H:%M:%S")
    rows = [f"\x1b[H\x1b[2J\x1b[1mtop\x1b[0m - {clock}, tick {tick}. Ctrl-C stops it.", ""]
    rows.append("\x1b[7m  PID  %CPU  COMMAND             \x1b[0m")
    for number, name in enumerate(("agent", "compiler", "tests", "editor", "shell")):
        load = abs(math.sin(tick / 3 + number)) * 100
        rows.append(f"{4200 + number:>5} {load:>5.1f}  {name:<10}{'▇' * int(load / 10)}")
    return "\n".join(rows) + "\n"


def _count(arguments: list[str], around: Surroundings) -> Program:
    for number in range(1, 11):
        yield 0.5, f"{number}\n"


COMMANDS = {
    "help": Command("this list", _help),
    "ls": Command("the files (-l: with sizes)", _ls),
    "cat": Command("what is in a file", _cat),
    "echo": Command("say it again", _echo),
    "clear": Command("an empty screen", _clear),
    "colors": Command("16, 256 and 16 million colours", _colors),
    "date": Command("the time", _date),
    "size": Command("columns and rows", _size),
    "count": Command("to ten, slowly", _count),
    "top": Command("a screen that ticks; Ctrl-C stops it", _top),
    "big": Command("10,000 lines", _big),
    "bell": Command("rings", _bell),
    "links": Command("things to click", _links),
    "unicode": Command("characters that are hard to align", _unicode),
    "history": Command("what was typed", _history),
    "exit": Command("ends the session, as Ctrl-D does", lambda arguments, around: ""),
}
