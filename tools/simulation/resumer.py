"""A client that resumes: it counts as the protocol says, and holds the server to each verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiflis.protocol import cursor
from tiflis.protocol.cursor import Cursor
from tools.simulation.actors import Heard
from tools.simulation.clients import Client
from tools.simulation.lines import Line

if TYPE_CHECKING:
    from tools.simulation.world import World


class Resumer(Client):
    """Keeps its cursor from socket to socket. After ``ok`` it does not authenticate: it has stayed."""

    kind = "resumer"

    def __init__(self, world: World, tunnel: str, name: str) -> None:
        super().__init__(world, tunnel, name)
        self.cursor = Cursor()
        self.missed = -1  # messages that are still to follow a ``connected`` with ``ok``; -1: none
        self.latest: dict[int, int] = {}  # per line of the workstation: the last message that came unbroken
        world.watched.add(tunnel)

    def absent(self) -> None:
        """Nothing that it misses is excused: the next verdict says whether it has missed something."""

    def connection(self) -> dict[str, object]:
        asked = {"epoch": self.cursor.epoch, "seq": self.cursor.seq} if self.cursor.epoch else {}
        return super().connection() | {"resume": asked}

    def hear_any(self, heard: Heard, line: Line) -> None:
        if line is not self.line:
            return
        if heard.type == "tunnel.mark":
            self._marked(Cursor(heard.epoch, heard.seq))
        elif heard.type == "connected":
            self._connected(heard)
        elif cursor.counts(heard.type) or heard.type == "error":
            self.cursor = Cursor(self.cursor.epoch, self.cursor.seq + cursor.counts(heard.type))
            self.world.check(self.missed != 0, f"{self.tunnel}/{self.name}: more than it has missed")
            self.missed -= self.missed > 0
        if heard.type.startswith("connection."):
            self._broken()

    def _broken(self) -> None:
        """Note that it may have missed something."""
        self.latest.clear()

    def _connected(self, heard: Heard) -> None:
        resume = heard.payload.resume
        self.world.count(f"resumed: {resume.verdict if resume else 'none'}")
        if resume is not None and resume.verdict == "ok":
            self.world.check(
                (resume.epoch, resume.seq) == self.cursor, f"{self.tunnel}/{self.name}: ok elsewhere"
            )
            self.missed = resume.missed
            return
        self.missed = -1
        self._broken()
        self.ear.gap_at = self.world.loop.time()
        self.cursor = Cursor(resume.epoch, resume.seq) if resume else Cursor()

    def _marked(self, mark: Cursor) -> None:
        left_out = mark.epoch == self.cursor.epoch and mark.seq > self.cursor.seq  # then more may follow
        right = self.missed <= 0 or left_out
        self.world.check(right, f"{self.tunnel}/{self.name}: {self.missed} missed did not follow")
        if self.missed <= 0 or not left_out:
            self.missed = -1
        if mark.epoch == self.cursor.epoch:
            self.world.check(
                mark.seq >= self.cursor.seq, f"{self.tunnel}/{self.name}: {mark} at {self.cursor}"
            )
        self.cursor = mark

    def hear(self, heard: Heard) -> None:
        resume = heard.payload.resume
        if heard.type == "connected" and resume is not None and resume.verdict == "ok":
            self.at_work = True
        else:
            super().hear(heard)

    def hear_load(self, heard: Heard, line: Line) -> None:
        super().hear_load(heard, line)
        said = self.world.account.said
        by = said[heard.number].line
        before = self.latest.get(id(by))
        if before is not None:
            skipped = [
                number
                for number in range(before + 1, heard.number)
                if said[number].line is by and said[number].to in (self.name, "all")
            ]
            self.world.check(not skipped, f"{self.tunnel}/{self.name}: {skipped} skipped, without a gap")
        self.latest[id(by)] = max(heard.number, before or 0)
