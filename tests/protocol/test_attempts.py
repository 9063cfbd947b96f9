"""The counting rule of key attempts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiflis.protocol.attempts import address_group, wait, within


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("64:ff9b::192.0.2.7", "192.0.2.7"),
        ("64:ff9b::c000:208", "192.0.2.8"),
        ("64:ff9b:1::192.0.2.7", "64:ff9b:1::c000:207"),
        ("::ffff:0:192.0.2.7", "192.0.2.7"),
        ("2002:c000:207:1::1", "192.0.2.7"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"),
        ("", ""),
        ("unix socket", "unix socket"),
    ],
)
def test_addresses_count_as_what_one_customer_gets(address: str, group: str) -> None:
    assert address_group(address) == group


@given(st.text(max_size=60))
def test_any_text_is_an_address_to_count_under(text: str) -> None:
    address_group(text)


def test_an_attempt_is_allowed_again_when_the_oldest_of_the_last_ten_is_a_minute_old() -> None:
    times = [float(second) for second in range(1, 11)]
    assert wait(times[:9], 20.0, 60.0, 10) == 0.0
    assert wait(times, 20.0, 60.0, 10) == 41.0
    assert wait(within(times, 61.0, 60.0), 61.0, 60.0, 10) == 0.0


@given(st.lists(st.integers(1, 300).map(float), max_size=200))
def test_no_minute_ever_holds_more_than_the_limit(instants: list[float]) -> None:
    allowed: list[float] = []
    for now in sorted(instants):
        if not wait(within(allowed, now, 60.0), now, 60.0, 10):
            allowed.append(now)
    assert all(len(within(allowed, end, 60.0)) <= 10 for end in allowed)


def test_times_of_a_clock_that_started_over_do_not_count() -> None:
    assert within([5000.0, 6000.0], 10.0, 60.0) == []
