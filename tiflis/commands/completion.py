"""`tiflis completion`: print a shell's completion of all commands and options."""

from __future__ import annotations

import argparse

import shtab

NAME = "completion"
ABOUT = "print the completion for a shell: tiflis completion bash > /etc/bash_completion.d/tiflis"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)


def run(arguments: argparse.Namespace) -> int:
    """Print the completion of the whole command line (`arguments.parser`); return 0."""
    print(shtab.complete(arguments.parser, arguments.shell))
    return 0
