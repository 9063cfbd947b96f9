"""The pieces of one message as they arrive, and the message that they make."""

from collections.abc import Iterable
from io import BytesIO

# Bytes from which an arrived piece of a message is kept as an object of its own. Smaller ones are gathered
# in one array: a message that drips in byte by byte would otherwise take 40 times its size.
LOOSE = 4096
# Bytes above which a message grows in one place. Joining its pieces at the end would hold everything else up,
# and take its size a second time; for smaller ones the join is cheaper than the growing.
HUGE = 16 * 1024 * 1024


class Pieces:
    """The pieces of one message, in order."""

    __slots__ = ("_loose", "_parts", "_whole")

    def __init__(self, parts: Iterable[bytes] = ()) -> None:
        self._parts = [part for part in parts if part]
        self._loose = bytearray()
        self._whole: BytesIO | None = None

    def expect(self, size: int) -> None:
        """Prepare for a message of at least so many bytes."""
        if size > HUGE and self._whole is None:
            whole = BytesIO()
            whole.writelines(self.export())
            self._whole = whole
            self._parts.clear()
            self._loose.clear()

    def add(self, piece: bytes) -> None:
        if self._whole is not None:
            self._whole.write(piece)
        elif len(piece) < LOOSE:
            self._loose += piece
        else:
            self._settle()
            self._parts.append(piece)

    def message(self) -> bytes:
        """Return the message: one piece or a huge message as it is, others copied once."""
        if self._whole is not None:
            return self._whole.getvalue()
        self._settle()
        return b"".join(self._parts)

    def export(self) -> list[bytes]:
        """Return the pieces as they are, for another process to begin with."""
        return [*self._parts, bytes(self._loose)] if self._whole is None else [self._whole.getvalue()]

    def _settle(self) -> None:
        if self._loose:
            self._parts.append(bytes(self._loose))
            self._loose = bytearray()


NO_PIECES = Pieces()  # where no message is open
