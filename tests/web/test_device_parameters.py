"""Parameters of the device API."""

import json

import pytest

from tiflis.protocol.errors import InvalidPayload
from tiflis.web.device_parameters import read_change, read_mint


@pytest.mark.parametrize("odd", ["\n", "\x1b", "\x9b", "\u2028", "\u202e", "\u2066", "\u200f", "\u061c"])
def test_a_name_that_could_be_read_as_another_is_refused(odd: str) -> None:
    body = json.dumps({"name": f"Ann's{odd}phone"}).encode()
    for read in (read_mint, read_change):
        with pytest.raises(InvalidPayload):
            read(body)


def test_a_name_may_be_written_in_any_language() -> None:
    for name in ("Küche", "אבא", "家 \N{FAMILY}", "\U0001f468\u200d\U0001f469\u200d\U0001f467"):
        assert read_mint(json.dumps({"name": name}).encode()).name == name
