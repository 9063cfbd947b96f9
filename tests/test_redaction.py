"""Nothing secret survives redaction, and what an operator needs does."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiflis.redaction import KEPT, MASK, TEXT_LIMIT, Redactor

CANARY = 'ca"na\\ry &key=é/+ 0123456789'


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/watch/messages?tunnel_id=t&auth_key=canary HTTP/1.1",
        "https://x/?data=canary#rest",
        "opened /#data=canary",
        '{"type":"command","payload":{"a":"canary"},"id":"canary"}',
        "{'auth_key': 'canary canary'}",
        '"api_key" : "can\\"canary"',
        "auth-key=canary",
        "token: canary",
        "Authorization: Bearer canary-canary",
        "authorization=Basic canarycanary",
        "Proxy sent Bearer canary-canary",
        "nats://canary@host:4222",
        "nats://user:canary@host:4222",
        "body was b'canary \\x00 it\\'s canary'",
        'got b"canary',
        "input_value='canary', input_type=str",
        "audio_base64='canary",
        "content=[1, canary]",
        "query_string=canary",
        "set-cookie: canary",
        "canary" * 20,
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    assert "canary" not in Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "workstation registered",
        "GET /api/v1/watch/messages",
        "closed with 1009: message of 52428801 bytes is above 52428800",
        "content-type: text/html",
        "monkey: see",
        "what is this? nothing",
        "worker h1x9Qz-0-k3Jd8a is gone",
        "0123456789abcdef" * 4,
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "spell", [str, repr, json.dumps, lambda text: quote(text, safe=""), lambda text: [text]]
)
def test_a_registered_secret_is_found_in_every_spelling(spell: object) -> None:
    redactor = Redactor()
    redactor.conceal(CANARY)
    assert callable(spell)
    shown = redactor.text(f"before {spell(CANARY)} after")
    assert "0123456789" not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@given(st.text(min_size=4), st.text(), st.text())
def test_no_registered_secret_is_ever_shown(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.conceal(secret)
    assert secret not in redactor.text(before + secret + after).replace(MASK, "")


@given(st.text(max_size=300))
def test_any_text_can_be_redacted(text: str) -> None:
    Redactor().text(text)


def test_a_forgotten_secret_is_an_ordinary_text_again_and_its_neighbour_is_not() -> None:
    redactor = Redactor()
    redactor.conceal("same-start-one")
    redactor.conceal("same-start-one-and-more")
    assert redactor.text("x same-start-one-and-more y") == f"x {MASK} y"
    redactor.forget("same-start-one-and-more")
    redactor.forget("never known")
    assert redactor.text("x same-start-one-and-more y") == f"x {MASK}-and-more y"


def test_the_number_of_remembered_secrets_is_bounded() -> None:
    redactor = Redactor()
    for number in range(KEPT + 10):
        redactor.conceal(f"secret number {number}")
    assert redactor.text("secret number 3,") == "secret number 3,"
    assert redactor.text(f"secret number {KEPT + 3},") == f"{MASK},"


def test_values_keep_their_shape_and_lose_their_secrets() -> None:
    value = {
        "tunnel": "abc",
        "count": 3,
        "auth_key": "canary",
        "Auth-Key": "canary",
        "nested": [{"payload": {"x": "canary"}}, b"canary", ("a=1&token=canary",)],
        "?token=canary": None,
    }
    shown = Redactor().value(value)
    assert "canary" not in str(shown)
    assert isinstance(shown, dict)
    assert (shown["tunnel"], shown["count"], shown["nested"][1]) == ("abc", 3, "<6 bytes>")


def test_endless_values_are_cut() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert len(str(Redactor().value(endless))) < TEXT_LIMIT
    assert len(str(Redactor().value(list(range(100_000))))) < TEXT_LIMIT
    assert len(Redactor().text("word " * 100_000)) <= TEXT_LIMIT + 1
