"""Each call is read or refused with InvalidPayload."""

import contextlib
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiflis.protocol.errors import InvalidPayload
from tiflis.web.watch_parameters import Query, check_message, read_body, read_poll, read_query

WHO = {"tunnel_id": "tunnel-1", "auth_key": "a key of sixteen", "device_id": "watch-1"}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6
)
names = st.sampled_from([*WHO, "message", "type", "since", "ack", "wait", "device_id"])
documents = st.dictionaries(names | st.text(max_size=3), values, max_size=6)
bodies = st.binary(max_size=80) | documents.map(lambda document: json.dumps(document).encode())
query_texts = st.text(st.sampled_from("abtunel_idsc=&%+ 0FfwW.-é\ud800\x00"), max_size=60)


@given(bodies)
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(InvalidPayload):
        check_message(read_body(body)[1], "w")


@given(values)
def test_any_message_is_sent_as_it_came_or_refused(message: object) -> None:
    text = json.dumps(message).encode()
    with contextlib.suppress(InvalidPayload):
        found = read_body(json.dumps(WHO).encode()[:-1] + b',"message":' + text + b"}")
        assert found[1] == text
        check_message(found[1], "w")


@given(query_texts, st.dictionaries(st.sampled_from(["authorization", "x-tunnel-id"]), st.text(max_size=20)))
def test_any_query_is_read_or_refused(text: str, headers: dict[str, str]) -> None:
    with contextlib.suppress(InvalidPayload):
        query = Query(text)
        read_query(query, headers)
        read_poll(query, 25.0)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_key_survives_every_way_of_writing_it(key: str) -> None:
    for written in (quote(key, safe=""), quote_plus(key), quote(key, safe="+")):
        assert key in Query(f"auth_key={written}").keys("auth_key")


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_bearer_key_is_read(scheme: str) -> None:
    headers = {"authorization": f"{scheme}the key", "x-tunnel-id": "t", "x-device-id": "d"}
    assert read_query(Query(""), headers) == ("t", ["the key"], "d")


@pytest.mark.parametrize("text", ["Basic abc", "Bearer", "Bearer ", ""])
def test_another_scheme_is_no_key(text: str) -> None:
    with pytest.raises(InvalidPayload):
        read_query(Query("tunnel_id=t&device_id=d"), {"authorization": text})
