"""What an outage of everything is like at sizes that no machine of ours has: who is back when.

Time goes by in steps; people are counted, not made. Everything is lost at second 0, and everybody comes again
as the shipped clients do. Costs are those of docs/scale.md.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

STEP = 0.05  # seconds
CONNECT, REGISTER = 0.4e-3, 0.8e-3  # processor seconds
CHANGE = 11e-6  # of every worker, for each change of the directory
OPERATIONS = 2  # of the directory, for each registration
STORED = 7_000  # operations a second that a replicated stream takes
PATIENCE = 1.8  # seconds that a registration waits for the directory
BACKLOG = 4_096  # connections that a host lets wait; the kernel of a refused one asks again after a second
ASKS_AGAIN = 1.0
PAUSES = (0.5, 1.0, 2.0, 4.0, 5.0)  # before a peer's next attempt; each varies by half
SPREAD = 5  # shares into which those who come again at about one time are divided
LIMIT = 300.0


@dataclass(frozen=True)
class Size:
    """A cell: hosts that share one NATS cluster."""

    hosts: int
    users: int
    clients: float = 1.5  # of each user
    workers: int = 14  # of each host
    at_once: int | None = 32  # questions to the directory on the way from each worker; None: no bound


@dataclass
class Story:
    """Seconds until so many of a hundred were at work again; what was worst."""

    registered: dict[int, float] = field(default_factory=dict)
    clients: dict[int, float] = field(default_factory=dict)
    refused: float = 0.0  # registrations that the directory did not take in time
    line: float = 0.0  # most connections that waited to be accepted, a host

    @property
    def over(self) -> bool:
        return 100 in self.registered and 100 in self.clients


Attempt = tuple[bool, int]  # whether a workstation's; its number


def outage(size: Size) -> Story:
    """Play it until all are back, or for ``LIMIT`` seconds."""
    return _Outage(size).play()


class _Outage:
    def __init__(self, size: Size) -> None:
        self.size, self.story = size, Story()
        self.due: defaultdict[int, defaultdict[Attempt, float]] = defaultdict(lambda: defaultdict(float))
        self.line: deque[tuple[Attempt, float]] = deque()  # to be accepted
        self.directory: deque[tuple[int, float, float]] = deque()  # attempt's number, since when, how many
        self.registered = self.connected = self.changes = 0.0
        self._later(0.0, (True, 0), size.users)
        self._later(0.0, (False, 0), size.users * size.clients)

    def play(self) -> Story:
        for step in range(int(LIMIT / STEP)):
            self._arrive(step)
            self._work(step)
            self._store(step)
            self._judge(step * STEP)
            if self.story.over:
                break
        return self.story

    def _later(self, now: float, attempt: Attempt, count: float) -> None:
        pause = PAUSES[min(attempt[1], len(PAUSES) - 1)]
        for share in range(SPREAD):
            at = now + pause * (0.5 + share / (SPREAD - 1))
            self.due[int(at / STEP) + 1][attempt] += count / SPREAD

    def _arrive(self, step: int) -> None:
        room = BACKLOG * self.size.hosts - sum(count for _, count in self.line)
        for attempt, count in self.due.pop(step, {}).items():
            taken = max(0.0, min(room, count))
            room -= taken
            self.line.append((attempt, taken))
            if count > taken:
                self.due[step + int(ASKS_AGAIN / STEP)][attempt] += count - taken
        self.story.line = max(self.story.line, sum(count for _, count in self.line) / self.size.hosts)

    def _work(self, step: int) -> None:
        workers = self.size.hosts * self.size.workers
        budget = workers * (STEP - self.changes * CHANGE)
        self.changes = 0.0
        while self.line and budget > 0:
            (workstation, number), count = self.line.popleft()
            cost = REGISTER if workstation else CONNECT
            done = min(count, budget / cost)
            budget -= done * cost
            if workstation:
                self.directory.append((number, step * STEP, done))
            else:
                self.connected += done  # and told once the workstation is there
            if done < count:
                self.line.appendleft(((workstation, number), count - done))

    def _store(self, step: int) -> None:
        """First come, first served. Without a bound those who have given up are served too, for nothing."""
        now, budget = step * STEP, STORED / OPERATIONS * STEP
        bound = self.size.at_once
        while self.directory and budget > 0:
            number, since, count = self.directory.popleft()
            late = now - since > PATIENCE
            done = count if late and bound is not None else min(count, budget)
            if late:
                self.story.refused += done
                self._later(now, (True, number + 1), done)
            else:
                self.registered += done
                self.changes += done
            if not late or bound is None:
                budget -= done
            if done < count:
                self.directory.appendleft((number, since, count - done))

    def _judge(self, now: float) -> None:
        users = self.size.users
        there = min(self.connected / (users * self.size.clients), self.registered / users)
        for percent in (50, 99, 100):
            if self.registered >= users * percent / 100 - 0.5:
                self.story.registered.setdefault(percent, now)
            if there >= percent / 100 - 1e-6:
                self.story.clients.setdefault(percent, now)
