"""Rows of an answer as columns for a terminal."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def table(rows: list[Row]) -> list[str]:
    """Format rows in columns as wide as their widest cell; columns are in order of appearance."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if not rows:
        return ["  none"]
    cells = [columns, *([shown(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    return [
        "  " + "  ".join(f"{cell:<{wide}}" for cell, wide in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def shown(value: Any) -> str:
    """Format a value on one line without control characters: names come from workstations."""
    words = {True: "yes", False: "no", None: "-"}
    text = words[value] if value is None or isinstance(value, bool) else str(value)
    return "".join(character if character.isprintable() else "?" for character in text)
