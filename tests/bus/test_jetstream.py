"""Requests to JetStream: few at a time, so that those under way are answered in time."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from tiflis.bus.errors import LinkUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.nats.jetstream import AT_ONCE, Requests


class SlowStore:
    """A link whose other end answers when it is told to."""

    def __init__(self) -> None:
        self.up = True
        self.asked: list[tuple[str, str]] = []  # subject, where the answer goes

    def subscribe_whole(self, subject: str, handler: object) -> None:
        self.handler = handler

    def listen(self, listener: object) -> None: ...

    def fits(self, subject: str, size: int) -> bool:
        return True

    def publish_whole(self, subject: str, reply: str, headers: bytes, payload: bytes) -> None:
        self.asked.append((subject, reply))

    def answer(self, requests: Requests, number: int) -> None:
        subject, reply = self.asked[number]
        requests._answered(reply.encode(), b"", b"", subject.encode())


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_only_so_many_are_on_the_way() -> None:
    store = SlowStore()
    requests = Requests(cast(NatsClient, store))
    asking = [asyncio.create_task(requests.ask(f"q{n}", b"", 30)) for n in range(AT_ONCE + 2)]
    await turns()
    assert len(store.asked) == AT_ONCE
    store.answer(requests, 0)
    await turns()
    assert await asking[0] == b"q0"
    assert len(store.asked) == AT_ONCE + 1
    for number in range(1, AT_ONCE + 2):
        store.answer(requests, number)
        await turns()
    assert [await one for one in asking] == [b"q%d" % n for n in range(AT_ONCE + 2)]


async def test_who_has_given_up_waiting_is_never_asked_for() -> None:
    store = SlowStore()
    requests = Requests(cast(NatsClient, store))
    asking = [asyncio.create_task(requests.ask("q", b"", 30)) for _ in range(AT_ONCE)]
    await turns()
    with pytest.raises(LinkUnavailable, match="in time"):
        await requests.ask("too late", b"", 0.01)
    for number in range(AT_ONCE):
        store.answer(requests, number)
    await asyncio.gather(*asking)
    assert ("too late" in dict(store.asked)) is False
