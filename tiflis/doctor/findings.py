"""Findings of the doctor: one line each, and for a failure what to change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

OK, NOTE, FAIL = "ok", "note", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding. ``state`` is ok, note or fail; ``change`` names the remedy."""

    state: str
    check: str
    text: str
    change: str = ""

    def lines(self) -> list[str]:
        """Format the finding for a terminal."""
        first = f"{self.state:<4}  {self.check:<12}  {self.text}"
        return [first, f"{'':20}-> {self.change}"] if self.change else [first]


Check = Callable[..., AsyncIterator[Finding]]


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def mebibytes(size: int) -> str:
    if size >= 1024 * 1024:
        return f"{size / 1024 / 1024:g} MiB"
    return f"{size / 1024:g} KiB" if size >= 1024 else f"{size} B"
