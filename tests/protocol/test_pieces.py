"""A message that arrives in pieces, small and huge."""

from __future__ import annotations

import os

import pytest

from tiflis.protocol.pieces import HUGE, LOOSE, Pieces

MIB = 1 << 20


@pytest.mark.parametrize("sizes", [(), (1,), (1, 2, LOOSE - 1), (LOOSE,), (1, LOOSE, 1, 2 * LOOSE, 3)])
@pytest.mark.parametrize("announced", [0, HUGE + 1])
def test_pieces_make_their_message(sizes: tuple[int, ...], announced: int) -> None:
    whole = [os.urandom(size) for size in sizes]
    pieces = Pieces()
    pieces.expect(announced)
    for piece in whole:
        pieces.add(piece)
    assert pieces.message() == b"".join(whole)


def test_what_turns_out_to_be_huge_keeps_what_it_had() -> None:
    pieces = Pieces([b"from", b"another process "])
    pieces.add(b"and here ")
    pieces.expect(HUGE + 1)
    pieces.add(b"x" * LOOSE)
    pieces.expect(2 * HUGE)
    pieces.add(b"y")
    assert pieces.message() == b"fromanother process and here " + b"x" * LOOSE + b"y"


@pytest.mark.parametrize("announced", [0, HUGE + 1])
def test_another_process_goes_on_with_what_is_there(announced: int) -> None:
    pieces = Pieces()
    pieces.expect(announced)
    pieces.add(b"a" * LOOSE)
    pieces.add(b"b")
    later = Pieces(pieces.export())
    later.expect(announced)
    later.add(b"c")
    assert later.message() == b"a" * LOOSE + b"bc"


def test_a_huge_message_is_not_copied_at_the_end() -> None:
    pieces = Pieces()
    pieces.expect(HUGE + 1)
    pieces.add(b"z" * MIB)
    assert pieces.message() is pieces.message()
