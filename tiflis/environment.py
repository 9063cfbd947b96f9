"""The variables that settings are read from: the files ``.env`` and ``.env.local``, and the environment."""

import contextlib
import difflib
import os
import stat
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import NamedTuple, NoReturn

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from tiflis.values import is_quoted, trimmed

DOTENV = (".env", ".env.local")  # the later one wins; the environment wins over both
IN_A_FILE = "_FILE"  # NAME_FILE names a file with the value of NAME, which wins over it
ENV_FILE = "TIFLIS_ENV_FILE"  # names a file to read in their place: option --env-file of the commands
OF_COMPOSE = {"NATS_TOKEN"}  # a variable of docker-compose.yml in the same file, which resembles one of ours
RESEMBLING = 0.8  # share of equal letters from which an unknown name counts as a misspelled setting
EXIT_MISCONFIGURED = 2


class ConfigError(Exception):
    """The settings are wrong; ``lines`` are the errors, one per variable or file."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def refuse(lines: Iterable[str]) -> NoReturn:
    """End this process with code 2, after one line per mistake on stderr, each with its value's place."""
    sys.stderr.write("".join(f"tiflis: {with_place(line)}\n" for line in lines))
    sys.stderr.flush()
    raise SystemExit(EXIT_MISCONFIGURED) from None


class Variables(NamedTuple):
    """Values by upper-case name, trimmed, without the empty ones; ``quoted`` names those that lost quotes."""

    values: dict[str, str]
    quoted: list[str]


class Source(NamedTuple):
    """A file of settings, or the environment, with its values; ``lines`` gives the line of each in a file."""

    name: str
    values: Mapping[str, str | None]
    lines: Mapping[str, int]

    def place(self, variable: str) -> str | None:
        """Return where the variable is set here, None if it is not or is empty."""
        for name in reversed(list(self.values)):
            if name.upper() == variable and trimmed(self.values[name] or ""):
                return f"{self.name} line {self.lines[name]}" if name in self.lines else self.name
        return None


def read(names: Collection[str]) -> Variables:
    """Return these variables, whose names count in any case. Raise ConfigError for what cannot be read.

    ``NAME_FILE`` names a file that holds the value of ``NAME``.
    """
    raw: dict[str, str] = {}
    known = {*names, *(f"{name}{IN_A_FILE}" for name in names)}
    for source in _sources():
        items = source.values.items()
        raw |= {name.upper(): value for name, value in items if value and name.upper() in known}
    for name in [name for name in raw if name not in names]:
        path = raw.pop(name)
        if (of := name.removesuffix(IN_A_FILE)) not in raw:
            raw[of] = _secret(name, path)
    wrong = [f"{name} is not UTF-8" for name, value in raw.items() if not _is_text(value)]
    wrong += [f"{name} contains a NUL character" for name, value in raw.items() if "\0" in value]
    if wrong:
        raise ConfigError(wrong)
    values = {name: trimmed(value) for name, value in raw.items()}
    quoted = [name for name, value in raw.items() if is_quoted(value)]
    return Variables({name: value for name, value in values.items() if value}, quoted)


def handed(name: str) -> str:
    """Return what the main process has put into the environment for its workers, such as a path of any bytes;
    empty without it."""
    return os.environ.get(name, "")


_arguments: dict[str, str] = {}


def note_argument(variable: str, option: str) -> None:
    """Record that the value of a variable came from this option of the command line."""
    _arguments[variable] = option


def with_place(line: str) -> str:
    """Return a line about a variable, its first word, with the place that its value comes from.

    The line stays as it is when the value is the default, and when a file cannot be read.
    """
    variable = line.split(" ", 1)[0]
    if variable in _arguments:
        return f"{line} (set by {_arguments[variable]})"
    with contextlib.suppress(ConfigError):
        sources = list(_sources())
        for name in (variable, f"{variable}{IN_A_FILE}"):
            for source in reversed(sources):
                if place := source.place(name):
                    return f"{line} (set in {place})"
    return line


def searched() -> str:
    """Return where variables are looked for, in words."""
    files = os.environ.get(ENV_FILE) or f"{' and '.join(DOTENV)} of {os.getcwd()}"
    return f"the environment, {files}"


def doubts(names: Collection[str], confidential: Collection[str]) -> Iterator[str]:
    """Yield one line per misspelled name in the files, and per file that shows the value of a `confidential`
    name to every user."""
    known = {*names, *(f"{name}{IN_A_FILE}" for name in names), *OF_COMPOSE}
    for file, given, _ in _files():
        for name in given:
            if name.upper() not in known:
                for meant in difflib.get_close_matches(name.upper(), names, 1, RESEMBLING):
                    yield f"{name} in {file} is not a setting: did you mean {meant}?"
        held = [
            name for name, value in given.items() if name.upper() in confidential and _is_secret(value or "")
        ]
        if held and os.stat(file).st_mode & stat.S_IROTH:
            yield f"{file} contains {held[0]} and every user of this machine can read it: chmod 600 {file}"


def _is_secret(value: str) -> bool:
    """Return whether the value of a secret variable tells something: not an empty one, or a URL without
    credentials."""
    return bool(trimmed(value)) and not ("://" in value and "@" not in value)


def _secret(name: str, path: str) -> str:
    """Return the text of a file that a variable names, such as a Docker secret. Raise ConfigError."""
    try:
        return Path(trimmed(path)).expanduser().read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError([f"{name} {path} is not UTF-8"]) from None
    except OSError as problem:
        raise ConfigError([f"{name} {path} cannot be read: {problem.strerror}"]) from None
    except (RuntimeError, ValueError):  # the home folder of no user, a NUL character
        raise ConfigError([f"{name} must be the path of a file"]) from None


def read_instead(file: str) -> None:
    """Read this file from now on, in place of those in the folder; so do servers that this process starts."""
    os.environ[ENV_FILE] = file


def wants_colours() -> bool:
    """Return whether a terminal gets colours: not with a NO_COLOR that is not empty (no-color.org)."""
    return not os.environ.get("NO_COLOR")


def _sources() -> Iterator[Source]:
    """Yield what variables are read from; the later one wins. Raise ConfigError."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise ConfigError(["the working directory has been deleted: change to another one"]) from None
    yield from _files()
    yield Source("the environment", os.environ, {})


def _files() -> Iterator[Source]:
    """Yield the file that --env-file named, else those that are in the folder. Raise ConfigError."""
    if named := os.path.expanduser(os.environ.get(ENV_FILE, "")):
        yield _file(named)
        return
    for name in DOTENV:
        if os.path.lexists(name) and not os.path.isdir(name):  # a folder .env is no file of settings
            yield _file(name)


def _file(name: str) -> Source:
    """Return the variables of one file. Raise ConfigError when it cannot be read."""
    try:
        data = Path(name).read_bytes()
    except OSError as problem:
        raise ConfigError([f"{name} cannot be read: {problem.strerror}"]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise ConfigError([f"{name} line {line} is not UTF-8"]) from None
    bindings = list(parse_stream(StringIO(text)))
    lines = {one.key: _first_line(*one.original) for one in bindings if one.key is not None}
    wrong = [_first_line(*one.original) for one in bindings if one.error]
    if wrong:
        raise ConfigError([f"{name} line {line} must be NAME=value" for line in wrong])
    return Source(name, dotenv_values(stream=StringIO(text)), lines)


def _first_line(text: str, line: int) -> int:
    """Return where the text of a binding begins, behind the empty lines before it."""
    return line + text[: len(text) - len(text.lstrip())].count("\n")


def _is_text(value: str) -> bool:
    """Bytes of the environment that are not UTF-8 reach Python as surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
