"""Request memory: which device an answer belongs to (protocol, section 3.3)."""

from hypothesis import given
from hypothesis import strategies as st

from tiflis.protocol.routing import MEMORY_OF_ALL, MEMORY_PER_DEVICE, MEMORY_SECONDS, Requests


def test_the_asker_is_remembered() -> None:
    requests = Requests()
    requests.note("phone", b'"1"', 0.0)
    assert requests.asker(b'"1"', 59.0) == "phone"
    assert requests.asker(b'"1"', 61.0) is None
    assert requests.asker(b'"2"', 0.0) is None


def test_an_answer_does_not_use_the_request_up() -> None:
    requests = Requests()
    requests.note("phone", b"1", 0.0)
    assert [requests.asker(b"1", 1.0) for _ in range(3)] == ["phone"] * 3


def test_two_askers_are_none() -> None:
    requests = Requests()
    requests.note("phone", b"1", 0.0)
    requests.note("tablet", b"1", 30.0)
    assert requests.asker(b"1", 40.0) is None
    assert requests.asker(b"1", 70.0) == "tablet", "the phone's question is forgotten by then"


def test_a_repeated_request_lives_on() -> None:
    requests = Requests()
    requests.note("phone", b"1", 0.0)
    requests.note("phone", b"1", 50.0)
    requests.note("phone", b"2", 70.0)
    assert requests.asker(b"1", 100.0) == "phone"


def test_a_device_that_asks_too_much_forgets_its_oldest_alone() -> None:
    requests = Requests()
    requests.note("tablet", b"0", 0.0)
    for number in range(MEMORY_PER_DEVICE + 1):
        requests.note("phone", b"p%d" % number, 0.0)
    assert requests.asker(b"p0", 0.0) is None
    assert requests.asker(b"p1", 0.0) == "phone"
    assert requests.asker(b"0", 0.0) == "tablet"


def test_silent_devices_cost_nothing() -> None:
    requests = Requests()
    for number in range(100):
        requests.note(f"device {number}", b"%d" % number, 0.0)
    requests.forget_older(MEMORY_SECONDS + 1)
    assert requests.export() == []


def test_what_is_exported_can_be_noted_again() -> None:
    old, new = Requests(), Requests()
    old.note("phone", b"1", 5.0)
    old.note("tablet", b"2", 6.0)
    for device, request, at in old.export():
        new.note(device, request, at)
    assert (new.asker(b"1", 10.0), new.asker(b"2", 10.0)) == ("phone", "tablet")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]), st.sampled_from([b"1", b"2", b"3"]), st.sampled_from([0, 0, 1, 30])
    ),
    max_size=30,
)


@given(STEPS)
def test_it_remembers_what_a_plain_list_would(steps: list[tuple[str, bytes, int]]) -> None:
    requests = Requests(memory=60.0, per_device=3)
    noted: dict[str, list[tuple[bytes, float]]] = {}
    now = 0.0
    for device, request, pause in steps:
        now += pause
        requests.note(device, request, now)
        noted[device] = [*noted.get(device, []), (request, now)][-3:]
        for wanted in (b"1", b"2", b"3"):
            askers = {
                who for who, said in noted.items() for what, at in said if what == wanted and at >= now - 60.0
            }
            assert requests.asker(wanted, now) == (askers.pop() if len(askers) == 1 else None)


def test_the_requests_of_all_devices_together_are_bounded() -> None:
    requests = Requests(per_device=2)
    for number in range(MEMORY_OF_ALL + 10):
        requests.note(f"device-{number}", b"1%d" % number, 0.0)
    assert len(requests.export()) == MEMORY_OF_ALL
    assert requests.asker(b"10", 1.0) is None
    assert requests.asker(b"1%d" % (MEMORY_OF_ALL + 9), 1.0) == f"device-{MEMORY_OF_ALL + 9}"
    requests.forget_older(100.0)
    assert requests.export() == []
