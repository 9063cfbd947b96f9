"""The command line: finds the command, reads its arguments, returns its exit code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import tiflis
from tiflis.commands import check, demo, doctor, end, keygen, reload, status, takeover
from tiflis.descriptors import open_standard

COMMANDS = (keygen, check, status, reload, end, takeover, doctor, demo)


def main(arguments: Sequence[str] | None = None) -> int:
    open_standard()  # a server started from here inherits them
    given = parser().parse_args(arguments)
    code: int = given.run(given)
    return code


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="tiflis", description="The tunnel server's tools.")
    made.add_argument("--version", action="version", version=f"tiflis {tiflis.__version__}")
    commands = made.add_subparsers(metavar="command", required=True)
    for command in COMMANDS:
        one = commands.add_parser(command.NAME, help=command.ABOUT, description=f"{command.ABOUT}.")
        command.add_arguments(one)
        one.set_defaults(run=command.run)
    return made


if __name__ == "__main__":
    raise SystemExit(main())
