"""Rows of JSON that commands print."""

import json

import pytest

from tiflis.commands.running import print_lines


def test_a_name_cannot_steer_the_operators_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "a\u202eb\u009bc\n\u200dé\U000e0001"}, {"name": "Küche"}]
    print_lines(rows)
    printed = capsys.readouterr().out
    assert [json.loads(line) for line in printed.splitlines()] == rows
    assert printed.replace("\n", "").isprintable()
    assert "Küche" in printed
