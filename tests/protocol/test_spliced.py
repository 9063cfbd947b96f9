"""A large message with the id of its device is the one that splicing makes, whatever parts are taken."""

from __future__ import annotations

import pytest

from tiflis.protocol import head
from tiflis.protocol.spliced import SplicedText


@pytest.mark.parametrize("end", [b"}", b" } \n"])
@pytest.mark.parametrize("step", [1, 3, 7, 100])
def test_a_spliced_text_is_the_same_in_parts(end: bytes, step: int) -> None:
    suffix = head.device_suffix("phone")
    text = b'{"type":"a.b","payload":{"x":1}' + end
    spliced, whole = SplicedText(text, suffix), head.splice(text, suffix)
    assert (len(spliced), bytes(spliced)) == (len(whole), whole)
    assert b"".join(spliced[at : at + step] for at in range(0, len(spliced), step)) == whole
