"""The past of one chat, in pages from the newest back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from tiflis_workstation.blocks import Block
from tiflis_workstation.wire import Message

PAGE = 20
LARGEST_PAGE = 50
REMEMBERED = 2_000  # messages a chat; the oldest go


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a user or an agent; `created_at` is ISO 8601."""

    message_id: str
    sequence: int
    role: str
    content: str
    created_at: str
    blocks: list[Block] = field(default_factory=list)

    def as_message(self) -> Message:
        made: Message = {
            "message_id": self.message_id,
            "sequence": self.sequence,
            "role": self.role,
            "content": self.content,
            "createdAt": self.created_at,
        }
        return made | {"content_blocks": self.blocks} if self.blocks else made


class History:
    """Entries in the order of their sequence numbers, which rise but may have gaps."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: deque[Entry] = deque(entries, maxlen=REMEMBERED)

    @property
    def newest(self) -> int:
        """The highest sequence so far, 0 when there is none."""
        return self._entries[-1].sequence if self._entries else 0

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)

    def clear(self) -> None:
        self._entries.clear()

    def __contains__(self, message_id: object) -> bool:
        return any(entry.message_id == message_id for entry in self._entries)

    def page(self, before: int | None = None, limit: int | None = None) -> Message:
        """Return the `limit` newest entries below `before`, oldest first, with what a client needs to go
        on."""
        older = [entry for entry in self._entries if before is None or entry.sequence < before]
        size = min(max(limit if limit is not None else PAGE, 1), LARGEST_PAGE)
        shown = older[-size:]
        made: Message = {"history": [entry.as_message() for entry in shown], "has_more": len(older) > size}
        if shown:
            made |= {"oldest_sequence": shown[0].sequence, "newest_sequence": shown[-1].sequence}
        return made

    def __len__(self) -> int:
        return len(self._entries)
