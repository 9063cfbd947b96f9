"""Random lives of two watches: homes crash and hand over at any moment, the store fails, queues overflow.

Whatever happens, numbers never go back, nothing comes twice or out of order, and whatever does not come is
announced as a gap before the next message that does.
"""

import asyncio
import contextlib
import json
import random
from typing import Any

import pytest

from tests.patience import patience
from tests.relay.watch_fakes import KEY, Stage
from tiflis.protocol.errors import SendFailed
from tiflis.relay.watch.calls import Connect, Messages, State
from tiflis.relay.watch.interfaces import QueueLimits
from tiflis.relay.watch.operations import WatchOperations
from tiflis.relay.watch.queue import Bounds

STEPS = 80
SCHEDULES = 150
BOUNDS = Bounds(messages=8, size=3000)
TOO_LARGE = "x" * 3000


class Listener:
    """A watch that polls; ``heard`` is what each poll gave, and whether it announced a gap."""

    def __init__(self, device_id: str) -> None:
        self.who: dict[str, Any] = {"device_id": device_id, "auth_key": KEY}
        self.heard: list[tuple[bool, list[int]]] = []
        self.meant: list[int] = []  # what was said to it
        self.streams: dict[int, int] = {}  # which stream a message belongs to
        self.since = 0

    async def poll(self, watches: WatchOperations) -> bool:
        try:
            answer = await watches.call(Messages(**self.who, since=self.since))
        except SendFailed:
            return False
        assert answer["current_sequence"] >= self.since, "numbers went back"
        self.since = answer["current_sequence"]
        numbers = [message["data"]["n"] for message in json.loads(answer["messages_json"])]
        self.heard.append((answer["may_have_missed_messages"], numbers))
        return True

    def unannounced(self, end: int) -> list[int]:
        """Return the messages up to ``end`` that the watch has missed without a gap announced."""
        lost, before, told = [], -1, False
        for gap, numbers in [*self.heard, (False, [end])]:
            for number in numbers:
                assert number > before, f"{number} after {before}"
                if not (gap or told):
                    lost += [n for n in self.meant if before < n < number and not self.was_replaced(n)]
                before = number
            told = gap or (told and not numbers)
        return lost

    def was_replaced(self, number: int) -> bool:
        stream = self.streams.get(number)
        return stream is not None and any(
            later > number and self.streams[later] == stream for later in self.streams
        )


class Life:
    """One tunnel with two watches."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.stage = Stage()
        self.stage.limits = QueueLimits(BOUNDS, pace=0.0, store_timeout=0.01)
        self.watches = self.stage.watches()
        self.polling = [Listener("watch-0"), Listener("watch-1")]
        self.said = 0

    async def step(self) -> None:
        steps = (self.say, self.poll, self.rest, self.wait, self.crash, self.hand_over, self.break_store)
        await self.chance.choices(steps, (40, 25, 25, 2, 4, 4, 5))[0]()

    async def connect(self) -> None:
        for watch in self.polling:
            with contextlib.suppress(SendFailed):  # on a busy machine the store may not be fast enough
                await self.watches.call(Connect(**watch.who))

    async def say(self) -> None:
        number, self.said = self.said, self.said + 1
        text: dict[str, Any] = {"type": "note", "n": number}
        hearers = self.chance.choice([self.polling, self.polling[:1], self.polling[1:]])
        if self.chance.random() < 0.4:
            text["streaming_message_id"] = str(stream := self.chance.randrange(2))
            for watch in hearers:
                watch.streams[number] = stream
        elif self.chance.random() < 0.1:
            text["payload"] = TOO_LARGE
        for watch in hearers:
            watch.meant.append(number)
        encoded = json.dumps(text).encode()
        if len(hearers) == 1:
            self.watches.deliver_to(hearers[0].who["device_id"], encoded)
        else:
            self.watches.deliver(encoded)

    async def poll(self) -> None:
        await self.chance.choice(self.polling).poll(self.watches)

    async def rest(self) -> None:
        for _ in range(self.chance.randrange(6)):
            await asyncio.sleep(0)
        self.stage.clock.now += self.chance.random()

    async def wait(self) -> None:
        """Long enough for messages to get too old, not for the watches to be forgotten."""
        self.stage.store.mend()
        for _ in range(2):
            self.stage.clock.now += 160
            for watch in self.polling:
                await self.is_settled(watch)

    async def crash(self) -> None:
        # A home that dies before it could write anything at all leaves no trace that it was there.
        if self.watches.registry._opened().done():
            await self.watches.close()
            self.take_over()

    async def hand_over(self) -> None:
        written = await self.watches.release()
        self.take_over()
        if not written:
            self.watches.expect_gap()

    def take_over(self) -> None:
        self.watches = self.stage.watches()
        self.watches.registry.open()

    async def break_store(self) -> None:
        store = self.stage.store
        how = self.chance.randrange(4)
        if how == 0:
            store.fail_puts = 1
        elif how == 1:
            store.fail_heads = 1
        elif how == 2:
            store.tear = self.chance.random
        else:
            store.away = not store.away

    async def last_polls(self) -> None:
        self.stage.store.mend()
        async with patience():
            for watch in self.polling:
                while not (await self.is_settled(watch) and await watch.poll(self.watches)):
                    pass

    async def is_settled(self, watch: Listener) -> bool:
        try:
            await self.watches.call(State(**watch.who))
            await self.watches.registry.settle()
        except SendFailed:
            return False
        return True


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_a_watch_receives_everything_or_a_gap(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiflis.relay.watch.writer.RETRY", 0.001)
    monkeypatch.setattr("tiflis.relay.watch.registry.RECOVERY_PAUSE", 0.001)
    life = Life(seed)
    await life.connect()
    for _ in range(STEPS):
        await life.step()
    await life.last_polls()
    for watch in life.polling:
        assert watch.unannounced(life.said) == []
    await life.stage.close()
