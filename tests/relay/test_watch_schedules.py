"""Random lives of a watch: homes crash and hand over at any moment, the store fails, queues overflow.

Whatever happens, numbers never go back, nothing comes twice or out of order, and whatever does not come is
announced as a gap before the next message that does.
"""

import asyncio
import contextlib
import json
import random
from typing import Any

import pytest

from tests.relay.watch_fakes import KEY, Stage
from tiflis.protocol.errors import SendFailed
from tiflis.relay.watch_home import DeskLimits
from tiflis.relay.watch_queue import Bounds

WHO = {"device_id": "watch-1", "auth_key": KEY}
STEPS = 60
SCHEDULES = 150


class Life:
    """One tunnel with one watch; ``heard`` is what each poll gave, and whether it announced a gap."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.stage = Stage()
        self.stage.limits = DeskLimits(Bounds(messages=8), pace=0.0, store_timeout=0.01)
        self.desk = self.stage.desk()
        self.said: list[int] = []
        self.streams: dict[int, int] = {}  # which stream a message belongs to
        self.heard: list[tuple[bool, list[int]]] = []
        self.since = 0

    async def step(self) -> None:
        steps = (self.say, self.poll, self.rest, self.crash, self.hand_over, self.break_store)
        await self.chance.choices(steps, (40, 25, 25, 4, 4, 4))[0]()

    async def connect(self) -> None:
        with contextlib.suppress(SendFailed):  # on a busy machine the store may not be fast enough
            await self.desk.call("connect", WHO)

    async def say(self) -> None:
        number = len(self.said)
        self.said.append(number)
        text: dict[str, Any] = {"type": "note", "n": number}
        if self.chance.random() < 0.4:
            self.streams[number] = self.chance.randrange(2)
            text["streaming_message_id"] = str(self.streams[number])
        self.desk.deliver(json.dumps(text).encode())

    async def is_settled(self) -> bool:
        try:
            await self.desk.call("state", WHO)
            await self.desk._settle()
        except SendFailed:
            return False
        return True

    async def poll(self) -> bool:
        try:
            answer = await self.desk.call("messages", {**WHO, "since": self.since})
        except SendFailed:
            return False
        assert answer["current_sequence"] >= self.since
        self.since = answer["current_sequence"]
        numbers = [message["data"]["n"] for message in json.loads(answer["messages_json"])]
        self.heard.append((answer["may_have_missed_messages"], numbers))
        return True

    async def rest(self) -> None:
        for _ in range(self.chance.randrange(6)):
            await asyncio.sleep(0)
        self.stage.clock.now += self.chance.random()

    async def crash(self) -> None:
        # A home that dies before it could write anything at all leaves no trace that it was there.
        if self.desk._opened().done():
            await self.desk.close()
            self.take_over()

    async def hand_over(self) -> None:
        written = await self.desk.release()
        self.take_over()
        if not written:
            self.desk.expect_gap()

    def take_over(self) -> None:
        self.desk = self.stage.desk()
        self.desk.open()

    async def break_store(self) -> None:
        if self.chance.random() < 0.5:
            self.stage.store.fail_heads = 1
        else:
            self.stage.store.away = not self.stage.store.away

    async def last_poll(self) -> None:
        self.stage.store.away = False
        self.stage.store.fail_heads = 0
        async with asyncio.timeout(10):
            while not (await self.is_settled() and await self.poll()):
                pass
        self.heard.append((False, [len(self.said)]))  # what is missing at the end needs a gap too

    def unannounced(self) -> list[int]:
        """What the watch neither heard nor could know that it had missed."""
        lost, before, told = [], -1, False
        for gap, numbers in self.heard:
            for number in numbers:
                assert number > before, f"{number} after {before}"
                if not (gap or told):
                    lost += [n for n in range(before + 1, number) if not self.was_replaced(n)]
                before = number
            told = gap or (told and not numbers)
        return lost

    def was_replaced(self, number: int) -> bool:
        stream = self.streams.get(number)
        return stream is not None and any(
            later > number and self.streams[later] == stream for later in self.streams
        )


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_a_watch_hears_everything_or_of_a_gap(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiflis.relay.watch_writer.RETRY", 0.001)
    monkeypatch.setattr("tiflis.relay.watch_roll.RECOVERY_PAUSE", 0.001)
    life = Life(seed)
    await life.connect()
    for _ in range(STEPS):
        await life.step()
    await life.last_poll()
    assert life.unannounced() == []
    await life.stage.close()
