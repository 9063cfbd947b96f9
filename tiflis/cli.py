"""The command line: find the command, read its arguments, return its exit code."""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from typing import Any, NoReturn

from tiflis.commands import (
    audit,
    check,
    completion,
    devices,
    doctor,
    end,
    keygen,
    rekey,
    reload,
    serve,
    status,
    takeover,
)
from tiflis.descriptors import open_standard
from tiflis.environment import read_instead
from tiflis.release import build

COMMANDS = (serve, keygen, check, status, devices, audit, rekey, reload, end, takeover, doctor, completion)
EXTENSIONS = "tiflis.commands"  # entry points by which other packages bring commands
BEGIN = "To begin: tiflis keygen --write .env, then tiflis serve. tiflis COMMAND --help explains a command."
INTERRUPTED, PIPE_CLOSED = 130, 141  # exit codes, as a shell has them for a program that the signal ends
DEMO = "demo"  # comes with the package in workstation/


def commands() -> Iterator[Any]:
    """Return our commands, then those of other installed packages; one that cannot be loaded is left out."""
    yield from COMMANDS
    for found in entry_points(group=EXTENSIONS):
        try:
            yield found.load()
        except ImportError as problem:
            print(f"tiflis {found.name} cannot be loaded: {problem}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; print no traceback for a closed pipe or Ctrl-C."""
    open_standard()  # a server started from here inherits them
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale may have letters for less than we print
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        return _unread(PIPE_CLOSED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as problem:
        if problem.errno != errno.ENOSPC:
            raise
        print(f"tiflis: the output cannot be written: {problem.strerror}", file=sys.stderr)
        return _unread(1)


def _unread(code: int) -> int:
    """Return the code, after redirecting the rest of the output to /dev/null: Python writes it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    made = parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        made.print_help()
        return 0
    given, unknown = made.parse_known_args(arguments)
    if unknown and given.run is not _demo_is_missing:
        given.leaf.error(f"unrecognized arguments: {' '.join(unknown)}")
    if file := getattr(given, "env_file", None):
        read_instead(file)
    code: int = given.run(given)
    return code


class Parser(argparse.ArgumentParser):
    """The argument parser; it suggests the right word for a misspelled command or option."""

    def error(self, message: str) -> NoReturn:
        """End with code 2 after the usage, the mistake and, if one resembles it, the right word."""
        wrong = re.search(r"invalid choice: '([^']+)'|unrecognized arguments: .*?(--[\w-]+)", message)
        words = [
            word for action in self._actions for word in (*action.option_strings, *(action.choices or ()))
        ]
        meant = difflib.get_close_matches(wrong[1] or wrong[2], words, 1) if wrong else []
        super().error(f"{message}; did you mean {meant[0]}?" if meant else message)


def parser() -> argparse.ArgumentParser:
    made = Parser(prog="tiflis", description="The tunnel server and its tools.", epilog=BEGIN)
    made.add_argument("--version", action="version", version=f"tiflis {build()}")
    made.set_defaults(parser=made)
    subparsers = made.add_subparsers(metavar="command", required=True)
    known = list(commands())
    for command in known:
        one = subparsers.add_parser(command.NAME, help=command.ABOUT, description=f"{command.ABOUT}.")
        command.add_arguments(one)
        one.set_defaults(run=command.run)
    if DEMO not in {command.NAME for command in known}:
        about = "run a demo workstation; not installed: pip install ./workstation"
        subparsers.add_parser(DEMO, help=about, description=about).set_defaults(run=_demo_is_missing)
    for command in leaves(made):
        command.set_defaults(leaf=command)
        command.add_argument(
            "--env-file",
            metavar="FILE",
            type=_readable,
            help="read the settings from this file instead of .env and .env.local",
        )
    return made


def _readable(name: str) -> str:
    """Return the absolute path of a file. Raise ArgumentTypeError when it cannot be read."""
    name = os.path.expanduser(name)
    try:
        with open(name, "rb"):
            return os.path.abspath(name)
    except OSError as problem:
        raise argparse.ArgumentTypeError(f"{name} cannot be read: {problem.strerror}") from None


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers that have no commands below them."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for one in action.choices.values():
            yield from leaves(one)


def _demo_is_missing(given: argparse.Namespace) -> int:
    """Print how to install the demo, whatever the arguments are."""
    print("tiflis demo is a package of its own: pip install ./workstation", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
