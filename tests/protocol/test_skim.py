"""The string members of an object are found as soon as they have arrived, whatever stands around them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiflis.protocol.skim import MEMBERS, Skim

NAMES = frozenset({"tunnel_id", "auth_key", "device_id"})
texts = st.text(st.sampled_from('ab\\"{}[],: \n\té😀/u'), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def skimmed(text: bytes, step: int) -> Skim:
    skim = Skim(NAMES)
    for at in range(0, len(text), step):
        skim.feed(text[at : at + step])
    return skim


@given(
    st.dictionaries(st.sampled_from(sorted(NAMES)) | texts, values, max_size=6),
    st.integers(1, 40),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_all_wanted_strings_are_found(
    document: dict[str, Any], step: int, indent: int | None, plain: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=plain).encode()
    skim = skimmed(text, step)
    assert not skim.lost
    assert skim.found == {k: v for k, v in document.items() if k in NAMES and isinstance(v, str)}


@pytest.mark.parametrize(
    "before", ["", '"m":{"auth_key":"inner","x":["}\\"",{}]},', '"s":"' + "y" * 99_999 + '",']
)
def test_a_key_is_known_before_the_rest_comes(before: str) -> None:
    skim = skimmed(("{" + before + r' "auth\u005fkey" : "k\n" ,"message":{"a').encode(), 1000)
    assert skim.found == {"auth_key": "k\n"}


@given(st.binary(max_size=60), st.integers(1, 9))
def test_no_bytes_break_it(noise: bytes, step: int) -> None:
    for text in (noise, b"{" + noise, b'{"a":' + noise, b'{"auth_key":"' + noise):
        skimmed(text, step)


@pytest.mark.parametrize("text", ["[]", '"x"', "{1", '{"a"1', '{"' + "k" * 10_000])
def test_what_is_no_object_is_lost(text: str) -> None:
    assert skimmed(text.encode(), 100).lost


def test_more_members_than_a_call_has_are_not_looked_at() -> None:
    many = json.dumps({f"k{number}": number for number in range(MEMBERS)} | {"auth_key": "x"})
    assert skimmed(many.encode(), 100).lost
