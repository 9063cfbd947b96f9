"""`tiflis status`: what the running server is doing, asked over its control socket."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tiflis.arbiter.control import Message, NoServer, request
from tiflis.arbiter.run_folder import RunFolder
from tiflis.config import load

NAME = "status"
ABOUT = "show the workers, tunnels and devices of the running server"
NO_SERVER = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as the server tells it")
    parser.add_argument("--data-dir", type=Path, help="of the server (default: DATA_DIR)")
    parser.add_argument("--port", type=int, help="of the server (default: PORT)")


def run(arguments: argparse.Namespace) -> int:
    """0: shown; 1: the server could not tell; 3: no server runs."""
    try:
        answer = request(run_folder(arguments), "status")
    except NoServer as problem:
        print(f"tiflis: {problem}", file=sys.stderr)
        return NO_SERVER
    if not answer.get("ok"):
        print(f"tiflis: {answer.get('error', 'the server gave no status')}", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2) if arguments.json else "\n".join(tables(answer)))
    return 0


def run_folder(arguments: argparse.Namespace) -> Path:
    """Where the server's control socket is; settings are read only for what was not given."""
    data_dir, port = arguments.data_dir, arguments.port
    if data_dir is None or port is None:
        settings = load()
        data_dir = settings.data_dir if data_dir is None else data_dir
        port = settings.port if port is None else port
    return RunFolder(data_dir, port).path


def tables(answer: Message) -> Iterable[str]:
    """One table for each list of the answer, one line for each plain value."""
    for part in ("arbiter", "status"):
        told = answer.get(part)
        for name, value in (told if isinstance(told, dict) else {}).items():
            if isinstance(value, list) and all(isinstance(row, dict) for row in value):
                yield from ("", f"{name} ({len(value)})", *table(value))
            else:
                yield f"{name:<18}{shown(value)}"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Columns as wide as their widest cell; the columns are those of all rows, in order of appearance."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([shown(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    return [
        "  " + "  ".join(f"{cell:<{wide}}" for cell, wide in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def shown(value: Any) -> str:
    """A value on one line: nothing of it may steer the terminal, for names come from workstations."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return "".join(character if character.isprintable() else "?" for character in text)
