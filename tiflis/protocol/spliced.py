"""A large message with a member added at its end, of which no second copy is made."""


class SplicedText:
    """A text that ends with ``suffix`` in place of its closing brace, as ``head.splice`` makes one; it is cut
    into pieces as it leaves."""

    __slots__ = ("_end", "_suffix", "_text", "formed", "kind")

    def __init__(self, text: bytes, suffix: bytes, kind: str = "", formed: bool = False) -> None:
        """``text``: JSON text of an object, never an empty one. ``kind``: its type if known, so that it
        is not read again; ``formed``: its form is one that limited scopes allow."""
        self._text, self._suffix, self.kind, self.formed = text, suffix, kind, formed
        self._end = text.rindex(b"}")

    def __len__(self) -> int:
        return self._end + len(self._suffix)

    def __getitem__(self, part: slice) -> bytes:
        """Return a part, from one offset to another."""
        start, stop, _ = part.indices(len(self))
        behind = self._suffix[max(0, start - self._end) : max(0, stop - self._end)]
        return self._text[start : min(stop, self._end)] + behind

    def __bytes__(self) -> bytes:
        return b"".join(self.parts())

    def parts(self) -> list[bytes | memoryview]:
        """Return what makes the text when it is joined."""
        return [memoryview(self._text)[: self._end], self._suffix]
