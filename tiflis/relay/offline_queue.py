"""Messages for a workstation that is away for a moment: bounded, in order, returned if it stays away."""

from typing import NamedTuple


class QueuedMessage(NamedTuple):
    """One message, spliced already, from a device; ``request`` is its raw id."""

    device_id: str
    request: bytes
    text: bytes


class OfflineQueue:
    """The messages of one tunnel that wait for its workstation."""

    __slots__ = ("_bytes", "_limit", "_messages")

    def __init__(self, limit: int) -> None:
        """``limit``: bytes; a single bigger message still finds room in an empty room."""
        self._limit = limit
        self._messages: list[QueuedMessage] = []
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._bytes

    def enter(self, message: QueuedMessage) -> bool:
        """Whether there was room."""
        if self._messages and self._bytes + len(message.text) > self._limit:
            return False
        self._messages.append(message)
        self._bytes += len(message.text)
        return True

    def before(self, messages: list[QueuedMessage]) -> None:
        """These were here earlier, at the old home."""
        self._messages = messages + self._messages
        self._bytes += sum(len(message.text) for message in messages)

    def leave(self) -> list[QueuedMessage]:
        """All of them; the room is empty now."""
        messages, self._messages, self._bytes = self._messages, [], 0
        return messages

    def seen(self) -> list[QueuedMessage]:
        """All of them, still here."""
        return list(self._messages)
