"""Which messages a device key allows, whatever their spelling."""

import random

import pytest

from tiflis.protocol import scopes
from tiflis.protocol.device_keys import key_id_of, new_code, read_code, shown_code
from tiflis.protocol.errors import Forbidden
from tiflis.protocol.head import peek
from tools.fuzz.scopes import scopes_hold

GENERATED = 3000


def allowed(scope: str, text: str) -> bool:
    try:
        scopes.check(scope, peek(text.encode()), text.encode())
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("scope", list(scopes.Scope))
@pytest.mark.parametrize(
    ("text", "least"),
    [
        ('{"type":"sync"}', "view"),
        ('{"type":"session.replay","payload":{}}', "view"),
        ('{"type":"session.execute","payload":{"content":"x"}}', "chat"),
        ('{"type":"supervisor.create_session","payload":{"session_type":"claude"}}', "chat"),
        ('{"type":"supervisor.create_session","payload":{"session_type":"terminal"}}', "full"),
        ('{"type":"supervisor.create_session","payload":{"session_type":"\\u0074erminal"}}', "full"),
        ('{"type":"supervisor.create_session","payload":{}}', "full"),
        ('{"type":"supervisor.create_session"}', "full"),
        ('{"type":"session.input"}', "full"),
        ('{"type":"session.resize"}', "full"),
        ('{"type":"unheard.of"}', "full"),
        ('{"type":"sync","type":"sync"}', "full"),
        ('{"type":"sync","\\u0074ype":"sync"}', "full"),
        ('{"payload":1,"type":"sync","payload":2}', "full"),
    ],
)
def test_a_scope_allows_its_types_and_no_ambiguous_form(scope: str, text: str, least: str) -> None:
    order = ["view", "chat", "full", "owner"]
    assert allowed(scope, text) is (order.index(scope) >= order.index(least))


def test_nothing_that_writes_passes_a_limited_scope_in_any_spelling() -> None:
    dice = random.Random(7)
    for _ in range(GENERATED):
        scopes_hold(dice.randbytes(48))


def test_a_type_of_an_unknown_scope_is_refused() -> None:
    assert not allowed("someday", '{"type":"sync"}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dk_",
        "dk_12345678",
        "dk_12345678_" + "x" * 31,
        "dk_12345678_" + "x" * 33,
        "xk_12345678_" + "x" * 32,
    ],
)
def test_other_texts_are_no_device_keys(text: str) -> None:
    assert key_id_of(text) == ""


def test_a_device_key_names_its_id_also_where_that_has_underscores() -> None:
    assert key_id_of("dk_a_b-_c_d_" + "s_-" * 10 + "ss") == "a_b-_c_d"


def test_a_code_is_read_as_people_write_it() -> None:
    code = new_code(lambda below: 1)
    assert code == "11111111"
    assert read_code(" iLl1-1i 1l ") == code
    assert read_code(shown_code("7K3MQ9XD").lower()) == "7K3MQ9XD"
    assert read_code("o0o0o0o0") == "00000000"
    assert [read_code(wrong) for wrong in ("", "7K3MQ9X", "7K3MQ9XDD", "7K3MQ9XU", "x" * 99)] == [""] * 5
