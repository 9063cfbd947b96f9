"""A device that is revoked at any moment: afterwards nothing of it arrives, wherever its messages are."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest

from tests.relay.fakes import FakeWire
from tests.relay.key_town import KeyTown
from tiflis.protocol.errors import InvalidAuthKey
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.watch.calls import Call, Messages

STORIES = 150
STEPS = 30


class Story:
    """One seed: a workstation that moves and goes away, a device to be revoked, and one that stays."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.town = KeyTown("a", "b", "c", dice=self.dice)
        self.desks: list[FakeWire] = []
        self.number = 0

    async def play(self) -> tuple[int, int]:
        """Return how many messages of the revoked device arrived before, and how many after."""
        town, dice = self.town, self.dice
        self.desks.append(await town.workstation("a"))
        keys = town.keys[dice.choice("abc")]
        minted = await keys.mint("tunnel-1", "", "full")
        self.lost = await town.client(dice.choice("abc"), "lost", auth_key=minted.key)
        assert "connected" in self.lost.types
        self.kept = await town.client(dice.choice("abc"), "kept")
        for _ in range(dice.randrange(STEPS)):
            await self._step()
        before = self._arrived()
        await town.keys[dice.choice("abc")].revoke("tunnel-1", minted.entry.key_id)
        during = self._arrived()
        assert self.lost.closed is not None
        assert self.lost.closed[0] == 1008
        for _ in range(STEPS // 2):
            await self._step()
        await town.settle()
        await town.close()
        assert during >= before
        return during, self._arrived() - during

    async def _step(self) -> None:
        town, dice = self.town, self.dice
        move = dice.randrange(12)
        if move < 6:
            self.number += 1
            for wire in (self.lost, self.kept):
                if wire.closed is None:
                    wire.say({"type": "note", "n": self.number, "id": str(self.number)})
        elif move < 9:
            town.cable.carry_some(dice, dice.randrange(12))
        elif move == 9:
            self.desks.append(await town.workstation(dice.choice("abc")))
        elif move == 10:
            self.desks[-1].end()
        else:
            await town.settle()

    def _arrived(self) -> int:
        notes = [one for desk in self.desks for one in desk.messages if one["type"] == "note"]
        return sum(one["device_id"] == "lost" for one in notes)


async def test_nothing_of_a_revoked_device_arrives_wherever_it_is_under_way() -> None:
    before = after = 0
    for seed in range(STORIES):
        arrived, late = await Story(seed).play()
        before, after = before + arrived, after + late
        assert late == 0, f"seed {seed}"
    assert before > STORIES, "the stories are not empty"
    assert after == 0


async def test_a_narrower_scope_counts_for_what_is_under_way_between_workers() -> None:
    town = KeyTown("a", "b")
    desk = await town.workstation("a")
    minted = await town.keys["a"].mint("tunnel-1", "", "full")
    phone = await town.client("b", "phone", auth_key=minted.key)
    phone.say({"type": "session.input", "id": "1"})
    phone.say({"type": "sync"})
    await town.keys["b"].change("tunnel-1", minted.entry.key_id, scope="view")
    await town.settle()
    assert "session.input" not in desk.types
    assert "sync" in desk.types
    assert phone.codes() == ["FORBIDDEN"]
    await town.close()


@pytest.mark.parametrize("worker", ["a", "b"])
async def test_an_expired_key_is_refused_and_its_messages_are_dropped(worker: str) -> None:
    town = KeyTown("a", "b")
    desk = await town.workstation("a")
    minted = await town.keys["a"].mint("tunnel-1", "", "view", 60.0)
    phone = await town.client(worker, "phone", auth_key=minted.key)
    assert phone.types == ["connected"]
    town.clock.time += 61
    late = await town.client(worker, "phone", auth_key=minted.key)
    assert late.codes() == ["INVALID_AUTH_KEY"]
    await town.keys["a"].tidy()
    await town.settle()
    assert desk.types.count("sync") == 0
    await town.close()


async def test_a_scope_that_changed_while_a_socket_was_on_its_way_counts_once_it_is_checked() -> None:
    town = KeyTown("a")
    await town.workstation("a")
    minted = await town.keys["a"].mint("tunnel-1", "", "full")
    phone = await town.client("a", "phone", auth_key=minted.key)
    wires, town.wires["a"] = town.wires["a"], []  # as while it is being handed over
    await town.keys["a"].change("tunnel-1", minted.entry.key_id, scope="view")
    town.wires["a"] = wires
    town.hubs["a"].check_key(cast(ClientSession, phone.session))
    phone.say({"type": "session.input", "id": "1"})
    assert phone.codes() == ["FORBIDDEN"]
    await town.close()


async def test_what_waits_for_a_workstation_that_is_away_is_returned_when_the_scope_is_narrowed() -> None:
    town = KeyTown("a")
    desk = await town.workstation("a")
    minted = await town.keys["a"].mint("tunnel-1", "", "full")
    phone = await town.client("a", "phone", auth_key=minted.key)
    desk.end()
    phone.say({"type": "session.input", "id": "1"})
    phone.say({"type": "sync"})
    await town.keys["a"].change("tunnel-1", minted.entry.key_id, scope="view")
    back = await town.workstation("a")
    assert "sync" in back.types
    assert "session.input" not in back.types
    assert phone.codes() == ["FORBIDDEN"]
    await town.close()


@pytest.mark.parametrize("worker", ["a", "b"])
async def test_a_socket_ends_in_the_moment_in_which_its_key_expires(worker: str) -> None:
    town = KeyTown("a", "b")
    desk = await town.workstation("a")
    minted = await town.keys["a"].mint("tunnel-1", "", "full", 60.0)
    early = await town.client(worker, "phone", auth_key=minted.key)
    town.clock.time += 59.95
    late = await town.client(worker, "phone", auth_key=minted.key)
    late.say({"type": "session.input", "id": "1"})
    await town.settle()
    town.clock.time += 0.05
    for wire in (early, late):
        wire.say({"type": "session.input", "id": "2"})
    assert (early.codes(), late.codes()) == (["INVALID_AUTH_KEY"], ["INVALID_AUTH_KEY"])
    await town.until(lambda: late.closed is not None)
    assert late.closed == (1008, "The key of this device has expired")
    assert desk.types.count("session.input") == 1
    await town.close()


async def test_a_long_poll_returns_no_messages_once_its_key_is_over() -> None:
    town = KeyTown("a")
    await town.workstation("a")
    minted = await town.keys["a"].mint("tunnel-1", "", "view", 60.0)
    await town.client("a", "wrist", auth_key=minted.key)

    async def answer(call: Call) -> dict[str, Any]:
        town.clock.time += 61
        return {"messages_json": "[1]"}

    home = town.home("a")
    home.watches.call = answer  # type: ignore[method-assign]
    with pytest.raises(InvalidAuthKey):
        await home.call(Messages("wrist", minted.key, wait=1.0))
    await town.close()
