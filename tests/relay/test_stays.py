"""The queue of a device that stays: how long what it was sent is kept."""

from collections.abc import AsyncIterator

import pytest

from tests.relay.watch_fakes import Stage
from tiflis.limits import MIB
from tiflis.protocol.cursor import Cursor
from tiflis.relay.watch.operations import WatchOperations
from tiflis.relay.watch.stays import STAYS, StayLimits


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    stage.limits = stage.limits._replace(stay=StayLimits(resume=600.0))
    yield stage
    await stage.close()


async def sent(watches: WatchOperations, count: int) -> Cursor:
    """Send a device's socket so many messages, and return the cursor that follows them."""
    for number in range(count):
        watches.keep("phone", b'{"type":"note","n":%d}' % number)
    await watches.registry.settle()
    return watches.stays.cursor("phone")


def verdict(watches: WatchOperations, epoch: str, seq: int) -> str:
    return watches.stays.resume("phone", Cursor(epoch, seq), "a late socket").verdict


async def test_what_a_client_has_seen_is_dropped_and_an_earlier_cursor_is_a_gap(stage: Stage) -> None:
    watches = stage.watches()
    watches.registry.begin_empty()
    watches.stays.resume("phone", Cursor(), "tab")
    epoch, last = await sent(watches, 10)
    watches.stays.seen("phone", "tab", last - 3, ["tab"])
    watches.stays.seen("phone", "tab", last + 1, ["tab"])  # a number that was never given
    assert len(watches.registry.staying[STAYS + "phone"].queue) == 3
    assert verdict(watches, epoch, last - 3) == "ok"
    assert verdict(watches, epoch, last - 4) == "gap"
    await watches.release()

    successor = stage.watches()
    successor.registry.open()
    await successor.registry.settle()
    assert verdict(successor, epoch, last - 4) == "gap"
    assert verdict(successor, epoch, last - 3) == "ok"


async def test_two_tabs_keep_what_either_has_not_seen(stage: Stage) -> None:
    watches = stage.watches()
    watches.registry.begin_empty()
    for tab in ("first", "second"):
        watches.stays.resume("phone", Cursor(), tab)
    epoch, last = await sent(watches, 10)
    watches.stays.seen("phone", "second", last - 6, ["first", "second"])
    watches.stays.socket_left("phone", "second")
    watches.stays.seen("phone", "first", last, ["first"])
    again = watches.stays.resume("phone", Cursor(epoch, last - 6), "second again")
    assert (again.verdict, len(again.missed)) == ("ok", 6)
    both = ["first", "second again"]
    watches.stays.seen("phone", "second again", last - 1, both)
    assert len(watches.registry.staying[STAYS + "phone"].queue) == 1
    watches.stays.socket_left("phone", "second again")
    stage.clock.now += 601.0
    watches.stays.seen("phone", "first", last, ["first"])
    assert len(watches.registry.staying[STAYS + "phone"].queue) == 0


async def test_a_tab_that_never_says_what_it_has_seen_loses_nothing(stage: Stage) -> None:
    watches = stage.watches()
    watches.registry.begin_empty()
    watches.stays.resume("phone", Cursor(), "silent")
    epoch, last = await sent(watches, 5)
    watches.stays.resume("phone", Cursor(epoch, last), "other")
    watches.stays.seen("phone", "other", last, ["silent", "other"])
    assert verdict(watches, epoch, 0) == "ok"


async def test_a_message_larger_than_the_queue_is_a_gap_and_is_not_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiflis.relay.watch.registry.digest", None)
    watches = stage.watches()
    watches.registry.begin_empty()
    epoch, last = watches.stays.cursor("phone")
    watches.keep("phone", b'{"type":"note","pad":"%b"}' % (b"x" * 5 * MIB))
    await watches.registry.settle()
    assert watches.stays.cursor("phone") == (epoch, last + 1)
    assert verdict(watches, epoch, last) == "gap"
    assert verdict(watches, epoch, last + 1) == "ok"


async def test_an_operator_ends_the_stay_of_a_device_that_has_no_socket(stage: Stage) -> None:
    watches = stage.watches()
    watches.registry.begin_empty()
    watches.stays.cursor("phone")
    watches.stays.cursor("tablet")
    assert [watches.stays.forget("phone"), watches.stays.forget("phone")] == [True, False]
    assert watches.stays.forget_all() == 1
