"""The offline queue: messages for a workstation that is away for a moment, bounded and in order."""

from collections.abc import Callable
from typing import NamedTuple


class QueuedMessage(NamedTuple):
    """A spliced message from a device; ``request`` is its raw id, empty without one; ``kind``: the type of a
    large one, as far as it is known."""

    device_id: str
    request: bytes
    text: bytes
    kind: str = ""


class OfflineQueue:
    """The messages of one tunnel that wait for its workstation."""

    __slots__ = ("_bytes", "_limit", "_messages")

    def __init__(self, limit: int) -> None:
        """``limit``: bytes; an empty queue takes a single message of any size."""
        self._limit = limit
        self._messages: list[QueuedMessage] = []
        self._bytes = 0

    @property
    def size(self) -> int:
        """Return how many bytes wait."""
        return self._bytes

    def enter(self, message: QueuedMessage) -> bool:
        """Add a message; return False if there is no room for it."""
        if self._messages and self._bytes + len(message.text) > self._limit:
            return False
        self._messages.append(message)
        self._bytes += len(message.text)
        return True

    def before(self, messages: list[QueuedMessage]) -> None:
        """Insert the last home's messages, which are older than all others."""
        self._messages = messages + self._messages
        self._bytes += sum(len(message.text) for message in messages)

    def leave(self) -> list[QueuedMessage]:
        """Remove and return all messages."""
        messages, self._messages, self._bytes = self._messages, [], 0
        return messages

    def drop(
        self, device_id: str, unless: Callable[[bytes], bool] = lambda text: False
    ) -> list[QueuedMessage]:
        """Remove and return the messages of a device; those stay for which ``unless`` returns True."""
        kept: list[QueuedMessage] = []
        dropped: list[QueuedMessage] = []
        for one in self._messages:
            (kept if one.device_id != device_id or unless(one.text) else dropped).append(one)
        self._messages, self._bytes = kept, sum(len(message.text) for message in kept)
        return dropped

    def seen(self) -> list[QueuedMessage]:
        """Return all messages; they stay in the queue."""
        return list(self._messages)
