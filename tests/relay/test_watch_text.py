"""Messages of the workstation as a watch receives them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiflis.relay.watch.digest import digest

texts = st.text(st.characters() | st.sampled_from('\\\ud83d\ude00"u'), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def without_lone(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [without_lone(item) for item in value]
    if isinstance(value, dict):
        return {without_lone(key): without_lone(item) for key, item in value.items()}
    return value


@given(st.dictionaries(texts, values, max_size=5))
def test_every_object_is_digested_and_keeps_its_meaning(document: dict[str, Any]) -> None:
    found = digest(json.dumps(document).encode())
    assert found is not None
    assert json.loads(found[0].decode()) == without_lone(document)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(noise: bytes) -> None:
    found = digest(noise)
    if found is not None:
        assert isinstance(json.loads(found[0]), dict)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b'{"type":"a","streaming_message_id":"s"}', ("a", "s")),
        (b'{"type":"a","payload":{"streaming_message_id":"s"}}', ("a", "s")),
        (b'{"type":"a","streaming_message_id":"s","payload":{"content_type":"agent"}}', ("a", "s")),
        (b'{"type":"a","streaming_message_id":"s","payload":{"content_type":"terminal"}}', None),
        (b'{"type":"a","streaming_message_id":5}', None),
        (b'{"type":"a","streaming_message_id":""}', None),
        (b'{"type":"a","payload":[]}', None),
        (b'{"type":5,"streaming_message_id":"s"}', None),
        (b'{"streaming_message_id":"s"}', None),
        (b'{"type":"a"}', None),
    ],
)
def test_a_messages_stream(text: bytes, key: tuple[str, str] | None) -> None:
    assert digest(text) == (text, key)
