"""The account of a story: who said what to whom, what arrived, and what was lost without a word."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tools.simulation.lines import Line

if TYPE_CHECKING:
    from tools.simulation.holder import HeldMessage

BEFORE, AFTER = 0.6, 6.0  # seconds around a message: what breaks then may have cost it


class Load(msgspec.Struct):
    """A message as it is heard. ``to``: a device, ``ws`` or ``all``."""

    number: int
    tunnel: str
    to: str


class Said(NamedTuple):
    number: int
    at: float
    tunnel: str
    to: str
    by: str
    line: Line | None  # on which it was said; a watch has none
    place: int  # there


class Ear:
    """One who hears: what has come to it, and when it was not there to hear."""

    def __init__(self, tunnel: str, name: str) -> None:
        self.tunnel, self.name = tunnel, name
        self.heard: set[int] = set()
        self.last: dict[tuple[int, int], int] = {}  # the latest number heard of each line, on each of its own
        self.absences: list[float] = []  # when it came, went or was cut off
        self.gap_at = -1.0  # when a watch was told last that something before it may be missing
        self.gone_at = float("inf")  # from then on nothing is for it: its key is being revoked
        self.present = False


class Account:
    """Everything that was said in one story."""

    def __init__(self) -> None:
        self.said: dict[int, Said] = {}
        self.ears: list[Ear] = []
        self.reported: set[int] = set()
        self.crashes: list[tuple[float, str]] = []  # when, and a tunnel that was at home there
        self.held: dict[int, HeldMessage] = {}
        self.revoked: dict[tuple[str, str], float] = {}  # devices, and when their revocation was answered
        self.astray: list[str] = []
        self.doubled: list[str] = []
        self._numbers = itertools.count(1)

    def write(self, kind: str, at: float, tunnel: str, to: str, by: str, line: Line | None) -> bytes:
        """Record a new message and return its text; its id is its number."""
        number = next(self._numbers)
        self.said[number] = Said(number, at, tunnel, to, by, line, line.said if line else 0)
        return b'{"type":"%s","id":"%d","number":%d,"tunnel":"%s","to":"%s"}' % (
            kind.encode(),
            number,
            number,
            tunnel.encode(),
            to.encode(),
        )

    def hear(self, ear: Ear, load: Load, on: Line | None) -> None:
        """Record a message that arrived. There is no order between two connections."""
        if load.tunnel != ear.tunnel or load.to not in (ear.name, "all"):
            self.astray.append(f"{load.number} for {load.tunnel}/{load.to} at {ear.tunnel}/{ear.name}")
            return
        line = (id(self.said[load.number].line), id(on))
        if load.number in ear.heard:
            self.doubled.append(f"{load.number} twice at {ear.tunnel}/{ear.name}")
        elif self.said[load.number].line and load.number < ear.last.get(line, 0):
            self.doubled.append(f"{load.number} after {ear.last[line]} at {ear.tunnel}/{ear.name}")
        ear.heard.add(load.number)
        ear.last[line] = max(load.number, ear.last.get(line, 0))

    def lost(self) -> list[str]:
        """Return what was accepted, has neither arrived nor been reported, and cannot be explained by a loss
        that its sender or receiver has noticed: a connection cut, or a home that has died."""
        return [
            f"{said.number} of {said.at:.3f} for {said.tunnel}/{said.to}"
            for said in self.said.values()
            if said.number not in self.reported and not self._excused(said)
            for ear in self._audience(said)
            if said.number not in ear.heard
            and ear.gap_at < said.at < ear.gone_at
            and not _near(said.at, ear.absences)
        ]

    def arrived(self, said: Said) -> bool:
        """Return whether all its receivers have it."""
        return all(said.number in ear.heard for ear in self._audience(said))

    def _audience(self, said: Said) -> Iterable[Ear]:
        there = (ear for ear in self.ears if ear.tunnel == said.tunnel and ear.name != said.by)
        return (ear for ear in there if said.to in (ear.name, "all"))

    def _excused(self, said: Said) -> bool:
        """Return whether it was not accepted, or its sender's connection or the tunnel's home ended soon
        after."""
        line = said.line
        if line is not None and (said.place >= line.taken or 0 < line.ended_at < said.at + AFTER):
            return True
        return any(tunnel == said.tunnel and -BEFORE < at - said.at < AFTER for at, tunnel in self.crashes)


def _near(at: float, absences: list[float]) -> bool:
    return any(-BEFORE < absence - at < AFTER for absence in absences)
