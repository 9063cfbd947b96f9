"""The kept inputs of each target: one a line as a bytes literal, or the folder of files a fuzzer wants."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def path(target: str) -> Path:
    return FOLDER / f"{target}.txt"


def kept(target: str) -> list[bytes]:
    """Return every kept input, the shortest first."""
    file = path(target)
    lines = file.read_text("ascii").splitlines() if file.exists() else []
    return [ast.literal_eval(line) for line in lines]


def keep(target: str, inputs: Iterable[bytes]) -> None:
    """Replace what is kept."""
    ordered = sorted(set(inputs), key=lambda data: (len(data), data))
    FOLDER.mkdir(exist_ok=True)
    path(target).write_text("".join(f"{data!r}\n" for data in ordered), "ascii")


def unpack(inputs: Iterable[bytes], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for data in inputs:
        (folder / sha256(data).hexdigest()).write_bytes(data)


def pack(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.iterdir()]
