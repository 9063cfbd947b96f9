"""A terminal's latest output, numbered, for those who missed some of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tiflis_workstation.wire import TERMINAL, Message

BUFFER_SIZE = 512 * 2**10  # characters: the 10,000 lines of `big` and a little more
BUFFER_MESSAGES = 5_000
REPLAY_PAGE = 200
LARGEST_REPLAY = 1_000


@dataclass(frozen=True, slots=True)
class Output:
    """One numbered piece of output."""

    sequence: int
    content: str
    timestamp: int

    def as_message(self) -> Message:
        return {
            "content_type": TERMINAL,
            "content": self.content,
            "timestamp": self.timestamp,
            "sequence": self.sequence,
        }


class OutputBuffer:
    """The latest output; numbers rise by one and never start again."""

    def __init__(self) -> None:
        self.current = 0
        self._kept: deque[Output] = deque()
        self._size = 0

    def add(self, content: str, timestamp: int) -> Output:
        self.current += 1
        made = Output(self.current, content, timestamp)
        self._kept.append(made)
        self._size += len(content)
        while self._size > BUFFER_SIZE or len(self._kept) > BUFFER_MESSAGES:
            self._size -= len(self._kept.popleft().content)
        return made

    def replay(
        self,
        since_sequence: int | None = None,
        since_timestamp: float | None = None,
        limit: int | None = None,
    ) -> Message:
        """Return the payload of `session.replay.data`: what came after, oldest first, a page of it."""
        newer = [
            output
            for output in self._kept
            if output.sequence > (since_sequence or 0) and output.timestamp > (since_timestamp or 0)
        ]
        size = min(max(limit or REPLAY_PAGE, 1), LARGEST_REPLAY)
        shown = newer[:size]
        made: Message = {
            "messages": [output.as_message() for output in shown],
            "has_more": len(newer) > size,
            "current_sequence": self.current,
        }
        if shown:
            made |= {"first_sequence": shown[0].sequence, "last_sequence": shown[-1].sequence}
        return made
