"""The wire to the server: what is kept, when it tries again."""

from __future__ import annotations

import asyncio

import pytest
from tiflis_workstation import link
from tiflis_workstation.link import Credentials, read, retry_seconds
from tiflis_workstation.outbox import FULL, HIGH_WATER, Outbox
from tiflis_workstation.wire import Request
from tiflis_workstation.workstation import DemoWorkstation

from tests.demo.relay import Relay
from tests.harness import eventually
from tests.patience import PATIENCE, patience, within
from tests.peers import AUTH_KEY, REGISTRATION_KEY


def test_it_waits_longer_each_time_but_never_over_five_seconds() -> None:
    assert [retry_seconds(failures) for failures in (0, 1, 2, 3, 4, 99_999)] == [0.5, 1, 2, 4, 5, 5]


def test_the_first_registration_asks_for_no_tunnel() -> None:
    first = Credentials("a" * 32, "b" * 16, "Demo").registration()
    assert first["payload"] == {"api_key": "a" * 32, "name": "Demo", "auth_key": "b" * 16}


def test_a_later_registration_asks_for_the_same_tunnel() -> None:
    later = Credentials("a" * 32, "b" * 16, "Demo", "tunnel").registration()
    assert (later["payload"]["reconnect"], later["payload"]["previous_tunnel_id"]) == (True, "tunnel")


def test_credentials_do_not_show_their_keys() -> None:
    assert "aaaa" not in repr(Credentials("a" * 32, "b" * 16, "Demo"))


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "3", b"\xff", "[" * 100_000, '{"type": 3}'])
def test_nonsense_is_no_request(text: str | bytes) -> None:
    assert Request.read(read(text)).type == ""


@pytest.mark.parametrize("value", [None, "3", True, [], {}, float("nan"), float("inf"), 1e300])
def test_what_is_no_whole_number_is_absent(value: object) -> None:
    assert Request.read({"type": "x", "payload": {"cols": value}}).integer("cols") is None


async def test_the_outbox_keeps_what_could_not_be_sent() -> None:
    outbox = Outbox()
    outbox.put("one")
    outbox.put("two")
    assert await outbox.first() == "one"
    assert await outbox.first() == "one"
    outbox.sent("one")
    assert await outbox.first() == "two"


async def test_a_full_outbox_holds_the_agents_back() -> None:
    outbox = Outbox()
    outbox.put("x" * (HIGH_WATER + 1))
    waiting = asyncio.create_task(outbox.writable())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.sent(await outbox.first())
    await within(waiting)


async def test_an_overfull_outbox_drops_the_oldest() -> None:
    outbox = Outbox()
    for letter in "abc":
        outbox.put(letter * (FULL // 2))
    assert (await outbox.first())[0] == "b"
    assert (len(outbox), outbox.dropped) == (2, 1)


async def test_it_counts_failures_until_it_is_registered(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def at_once(failures: int) -> float:
        asked.append(failures)
        relay.api_key = REGISTRATION_KEY[::-1] if failures < 3 else REGISTRATION_KEY
        return 0.0

    monkeypatch.setattr(link, "retry_seconds", at_once)
    relay.api_key = REGISTRATION_KEY[::-1]
    workstation = DemoWorkstation(relay.url, REGISTRATION_KEY, AUTH_KEY)
    await workstation.start()
    assert relay.workstation is not None
    relay.workstation.transport.abort()
    await eventually(lambda: len(asked) == 8 and workstation.online, PATIENCE, "registered again")
    assert asked == [0, 1, 2, 3] * 2
    await workstation.stop()


async def test_a_server_that_says_nothing_is_left(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "PING_SECONDS", 0.05)
    monkeypatch.setattr(link, "SILENCE_SECONDS", 0.2)
    workstation = DemoWorkstation(relay.url, REGISTRATION_KEY, AUTH_KEY)
    await workstation.start()
    await eventually(lambda: relay.pings > 8, PATIENCE, "eight pings, longer than the allowed silence")
    assert workstation.online
    relay.answers_pings = False
    async with patience():
        await workstation.until(lambda: workstation.failure is not None)
    assert isinstance(workstation.failure, TimeoutError)
    await workstation.stop()


async def test_it_finds_a_server_that_starts_later() -> None:
    async with Relay() as first:
        url = first.url
    workstation = DemoWorkstation(url, REGISTRATION_KEY, AUTH_KEY)
    starting = asyncio.create_task(workstation.start(deadline=10))
    async with patience():
        await workstation.until(lambda: workstation.failure is not None)
    async with Relay(int(url.split(":")[2].split("/")[0])):
        await starting
        assert workstation.online
        await workstation.stop()
