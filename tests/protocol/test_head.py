"""Message heads: which texts are messages, which fields a head holds, and how a device id is set."""

import json
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tiflis.protocol import head, messages
from tiflis.protocol.errors import InvalidPayload

NOT_JSON = [
    b"",
    b"hello",
    b"{",
    b'{"type":"a"',
    b'{"type":"a"}x',
    b'{"type":"a"}{"type":"b"}',
    b'{"type":"a",}',
    b"{'type':'a'}",
    b'\xef\xbb\xbf{"type":"a"}',
    b'\x0b{"type":"a"}',
    b'{"type":"a"}\x00',
    b'{"type":"a","x":NaN}',
    b'{"type":"a","x":-Infinity}',
    b'{"type":"a","x":01}',
    b'{"type":"a","x":1.}',
    b'{"type":"a","x":+1}',
    b'{"type":"a","x":.5}',
    b'{"type":"a","x":1e}',
    b'{"type":"a","x":tru}',
    b'{"type":"a","x":"\x01"}',
    b'{"type":"a","x":"\\q"}',
    b'{"type":"a","x":"\\u12g4"}',
    b'{"type":"a","x":"\\u12',
    b'{"type":"a","x":\\u0031}',
    b'{"type":"a","x":NaN,"y":"\\ud800"}',
]
NO_MESSAGE = [
    b"null",
    b"1",
    b'"type"',
    b"[]",
    b'["a"]',
    b"{}",
    b'{"Type":"a"}',
    b'{"type":null}',
    b'{"type":5}',
    b'{"type":["a"]}',
    b'{"type":"a","type":5}',
    b'{"x":"\\ud800"}',
    b'{"type":5,"x":"\\ud800"}',
    b'["\\ud800"]',
]


@pytest.mark.parametrize("text", NOT_JSON)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidPayload):
        head.peek(text)


@pytest.mark.parametrize("text", NO_MESSAGE)
def test_json_that_is_no_message_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidPayload) as refused:
        head.peek(text)
    assert refused.value.details == {"type": "a string is required"}


@pytest.mark.parametrize("depth", [100, 500, 900, 5_000, 100_000, 1_000_000])
@pytest.mark.parametrize("core", [b"", b'"\\ud800"'])
@pytest.mark.parametrize("field", [b"x", b"payload", b"id"])
def test_a_nesting_bomb_is_read_or_refused(depth: int, core: bytes, field: bytes) -> None:
    for before, after in ((b"[", b"]"), (b'{"a":', b"}")):
        text = b'{"type":"a","%b":' % field + before * depth + (core or b"1") + after * depth + b"}"
        try:
            found = head.peek(text)
        except InvalidPayload:
            assert depth >= 100
        else:
            assert found.type == "a"
            messages.addressee(found.payload)


def test_a_bomb_that_never_closes_is_refused() -> None:
    for text in (b'{"type":"a","x":' + b"[" * 1_000_000, b'{"x":' * 300_000, b"[" * 1_000_000):
        with pytest.raises(InvalidPayload):
            head.peek(text)


def test_the_head_holds_the_top_level_fields_as_they_came() -> None:
    found = head.peek(
        b'{ "id" : 1.50 ,"type":"a","payload": {"device_id":"in"} ,"device_id":"d\\u0031",'
        b'"timestamp":123456789012345678901234567890,"streaming_message_id":"s"}'
    )
    assert found.type == "a"
    assert bytes(found.id) == b"1.50"
    assert bytes(found.payload) == b'{"device_id":"in"}'
    assert head.string(found.device_id) == "d1"
    assert bytes(found.timestamp) == b"123456789012345678901234567890"
    assert bytes(found.streaming_message_id) == b'"s"'


def test_absent_fields_are_empty() -> None:
    found = head.peek(b'{"type":"a"}')
    fields = (found.id, found.device_id, found.payload, found.timestamp, found.streaming_message_id)
    assert {bytes(field) for field in fields} == {b""}


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"a","type":"b"}',
        b'{"type":5,"type":"b"}',
        b'{"type":"a","\\u0074ype":"b"}',
        b'{"type":"a","\\u0074\\u0079\\u0070\\u0065":"b"}',
        b'{"type":"a","x":"\\ud800","\\u0074ype":"b"}',
    ],
)
def test_the_last_of_duplicate_keys_counts_however_it_is_spelt(text: bytes) -> None:
    assert head.peek(text).type == "b"


def test_white_space_around_is_allowed() -> None:
    assert head.peek(b' \t\r\n{"type":"a"}\n ').type == "a"


@pytest.mark.parametrize("spelling", [rb"\ud800", rb"\udc00\ud800", rb"x\uDFFFy", rb"\ud83d\ude00\ud83d"])
def test_lone_surrogates_are_no_reason_to_refuse(spelling: bytes) -> None:
    found = head.peek(b'{"type":"a","id":7,"payload":{"x":"%b","n":1.10},"device_id":"d"}' % spelling)
    assert (found.type, bytes(found.id), head.string(found.device_id)) == ("a", b"7", "d")
    assert bytes(found.payload) == b'{"x":"%b","n":1.10}' % spelling
    whole = json.loads(b'"%b"' % spelling).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert head.string(msgspec.Raw(b'"%b"' % spelling)) == whole


@pytest.mark.parametrize("coding", ["utf-16-be", "utf-16-le", "utf-32-be", "utf-8-sig"])
def test_json_is_utf_8_and_no_other_unicode(coding: str) -> None:
    for text in ('{"type":"\u5c75"}', '{"type":"a","x":"\\ud800"}'):
        with pytest.raises(InvalidPayload):
            head.peek(text.encode(coding))


def test_a_refused_object_tells_its_id() -> None:
    for text in (b'{"id":"q","type":5}', b'{"id":"q"}', b'{"id":"q","type":null,"x":"\\ud800"}'):
        with pytest.raises(InvalidPayload) as refused:
            head.peek(text)
        assert refused.value.request == b'"q"'


def test_a_hostile_message_is_read_without_building_it() -> None:
    """Two million small objects would take twenty times the text."""
    text = b'{"type":"auth","payload":{"x":"\\ud800","y":[' + b"{}," * 2_000_000 + b"0]}}"
    tracemalloc.start()
    try:
        messages.read_auth(head.peek(text).payload)
        assert tracemalloc.get_traced_memory()[1] < 5 * len(text)
    finally:
        tracemalloc.stop()


def test_a_string_with_lone_surrogates_can_be_encoded() -> None:
    found = head.peek(b'{"type":"a","payload":"x\\ud800y"}')
    assert head.string(found.payload) == "x\ufffdy"
    assert head.string(head.peek(b'{"type":"a","payload":"\\ud83d\\ude00"}').payload) == "😀"


@pytest.mark.parametrize("raw", [b"", b"1", b"null", b"{}", b'["a"]', b"true"])
def test_what_is_no_string(raw: bytes) -> None:
    assert head.string(msgspec.Raw(raw)) is None


@pytest.mark.parametrize("raw", [b"1", b"-1.5", b"0", b"12345678901234567890123", b"1e999"])
def test_numbers(raw: bytes) -> None:
    assert head.is_number(head.peek(b'{"type":"ping","timestamp":%b}' % raw).timestamp)


@pytest.mark.parametrize("raw", [b'"1"', b"null", b"true", b"{}", b"[1]"])
def test_what_is_no_number(raw: bytes) -> None:
    assert not head.is_number(head.peek(b'{"type":"ping","timestamp":%b}' % raw).timestamp)


def test_an_absurd_id_is_not_echoed() -> None:
    assert head.echoable(msgspec.Raw(b"1" * head.MAX_ECHOED_ID)) != b""
    assert head.echoable(msgspec.Raw(b"1" * (head.MAX_ECHOED_ID + 1))) == b""


@pytest.mark.parametrize("raw", [b"", b"null", b'"' + b"x" * head.MAX_REMEMBERED_ID + b'"'])
def test_ids_not_worth_remembering(raw: bytes) -> None:
    assert head.request_id(raw) == b""


def test_two_spellings_of_an_id_are_one() -> None:
    assert head.request_id(b'"\\u0061b"') == head.request_id(b'"ab"') == b'"ab"'
    assert head.request_id(b'"\\/"') == head.request_id(b'"/"')
    assert head.request_id(b"1") != head.request_id(b'"1"')


MARKED: list[bytes] = [
    b'{"type":"a"}',
    b'{"type":"a"} \r\n\t',
    b'{"type":"a","device_id":"forged"}',
    b'{"type":"a","\\u0064evice_id":"forged"}',
    b'{"type":"a","device_id":"forged","device_id":{"x":"}"}}',
    b'{"type":"a","payload":"}"}',
]


@pytest.mark.parametrize("text", MARKED)
@pytest.mark.parametrize("device_id", ["d", 'quote"back\\slash', "телефон", "😀", "}"])
def test_the_device_id_is_the_connections_own(text: bytes, device_id: str) -> None:
    marked = head.splice_device_id(text, device_id)
    assert json.loads(marked)["device_id"] == device_id
    assert {**json.loads(text), "device_id": device_id} == json.loads(marked)


def test_otherwise_the_text_is_left_as_it_came() -> None:
    text = b'{ "n":1.000,"big":123456789012345678901234567890 ,"e":1E5,"u":"\\u00e9\\ud800","type":"a" }'
    assert head.splice_device_id(text, "d") == text[:-1] + b',"device_id":"d"}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
MESSAGES = st.dictionaries(
    st.sampled_from(["type", "id", "payload", "device_id", "x"]), JSON, min_size=1, max_size=6
)


@given(MESSAGES, st.text(min_size=1, max_size=5))
def test_any_object_is_marked_or_refused(message: dict[str, Any], device_id: str) -> None:
    text = json.dumps(message).encode()
    try:
        found = head.peek(text)
    except InvalidPayload:
        assert not isinstance(message.get("type"), str)
    else:
        assert found.type == message["type"]
        assert json.loads(head.splice_device_id(text, device_id)) == {**message, "device_id": device_id}


@given(st.binary(max_size=60))
@example(b'{"type":"\\ud800","\\ud800":0}')
def test_no_bytes_raise_past_the_reader(noise: bytes) -> None:
    for text in (noise, b'{"type":"a","x":' + noise + b"}", b'{"type":"a' + noise + b'"}'):
        try:
            found = head.peek(text)
            messages.addressee(found.payload), head.string(found.device_id)
            head.request_id(bytes(found.id))
        except InvalidPayload:
            pass
