"""One conversation with an agent: its past, and the answer under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tiflis_workstation.accumulator import Accumulator
from tiflis_workstation.blocks import Block, block, plain_text
from tiflis_workstation.history import Entry, History
from tiflis_workstation.performance import Step, perform
from tiflis_workstation.sound import Sound, melody
from tiflis_workstation.stage import Stage

CANCELLED = "Cancelled by user"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole answer so far. `message_id` labels the answer's frames; "" is no label."""

    message_id: str
    blocks: list[Block]
    sequence: int
    complete: bool = False

    @property
    def content(self) -> str:
        """Return the answer as text, for clients without block support."""
        return plain_text(self.blocks)


Show = Callable[[Snapshot], None]
Spoken = Callable[[str, Sound], None]
"""Takes the id by which a sound is requested, and the sound."""


class Chat:
    """Gives one answer at a time. `for_all` marks the supervisor's chat, which all devices share.

    As shipped, an agent's answer that ends under the label of an earlier one has no last frame and is not
    kept; the supervisor's is sent and kept whole.
    """

    def __init__(self, stage: Stage, history: History, *, for_all: bool = False) -> None:
        self.history = history
        self.accumulator = Accumulator(stage.grace or 0.0, lambda: stage.new_id("answer"))
        self.snapshot: Snapshot | None = None  # while the agent works
        self._stage = stage
        self._for_all = for_all
        self._sequence = history.newest
        self._question_id = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def executing(self) -> bool:
        return self.snapshot is not None

    def is_known(self, message_id: str) -> bool:
        """Return whether the history has this message: then it is a retry."""
        return message_id in self.history

    def ask(self, message_id: str, text: str, blocks: list[Block], entry_id: str) -> None:
        """Add the user's message to the history, there under `entry_id`."""
        self._question_id = message_id
        entry = Entry(entry_id, self._next_sequence(), "user", text, self._stage.iso(), blocks)
        self.history.add(entry)

    def answer(self, steps: list[Step], show: Show, spoken: Spoken) -> None:
        """Begin to perform the steps. `show` gets each snapshot, `spoken` at the end what is read aloud."""
        inherited = self.accumulator.blocks
        self.snapshot = self._grown(inherited)
        if inherited:
            show(self.snapshot)
        self._task = asyncio.create_task(self._perform(steps, show, spoken))

    def cancel(self, show: Show) -> bool:
        """Stop the answer and end it with a cancel block. Return False when there is none."""
        if self.snapshot is None or self._task is None:
            return False
        self._task.cancel()
        cancelled = block(self._stage.new_id("cancel"), "cancel", CANCELLED)
        if self._stage.as_shipped:
            last = Snapshot("", [cancelled], self._next_sequence(), complete=True)
        else:
            last = self._grown([*map(_interrupted, self.snapshot.blocks), cancelled], complete=True)
        self.accumulator.forget()
        self.snapshot = None
        self._finish(last, show)
        return True

    def clear(self, show: Show) -> None:
        """Stop the answer under way and forget the past."""
        self.cancel(show)
        self.accumulator.forget()
        self.history.clear()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _perform(self, steps: list[Step], show: Show, spoken: Spoken) -> None:
        sounds: list[tuple[str, Sound]] = []

        def speak(block_id: str, text: str) -> Block:
            made = self._read_aloud(text)
            sounds.append(made)
            return _voice_output(block_id, *made)

        blocks: list[Block] = []
        for seconds, blocks in perform(steps, self._stage.rng, self._stage.new_id("block"), speak):
            await self._stage.pause(seconds)
            await self._stage.writable()
            self.snapshot = self._grown(blocks)
            show(self.snapshot)
        self._end(blocks, show)
        for sound_id, sound in sounds:
            spoken(sound_id, sound)

    def _end(self, blocks: list[Block], show: Show) -> None:
        last = self._grown(blocks, complete=True)
        self.snapshot = None
        if self.accumulator.end() or self._for_all:
            self._finish(last, show)

    def _finish(self, last: Snapshot, show: Show) -> None:
        """Add the answer to the history and send its last frame."""
        entry_id = self._stage.new_id("entry") if self._stage.as_shipped else last.message_id
        created = self._stage.iso()
        self.history.add(Entry(entry_id, last.sequence, "assistant", last.content, created, last.blocks))
        show(last)

    def _read_aloud(self, text: str) -> tuple[str, Sound]:
        """Return the sound of a text and the id under which it is on the shelf."""
        sound_id = self._question_id if self._stage.as_shipped else self.accumulator.label
        sound = melody(text)
        self._stage.sounds.put(sound_id, "output", sound)
        return sound_id, sound

    def _grown(self, blocks: list[Block], *, complete: bool = False) -> Snapshot:
        return Snapshot(self.accumulator.grow(blocks), blocks, self._next_sequence(), complete)

    def _next_sequence(self) -> int:
        """Return the next number of the chat: messages and snapshots count together."""
        self._sequence += 1
        return self._sequence


def _voice_output(block_id: str, sound_id: str, sound: Sound) -> Block:
    return block(block_id, "voice_output", "", message_id=sound_id, has_audio=True, duration=sound.seconds)


def _interrupted(one: Block) -> Block:
    """Return a block as a stop leaves it: a tool that was running has failed."""
    metadata = one.get("metadata", {})
    if metadata.get("tool_status") != "running":
        return one
    return {**one, "metadata": {**metadata, "tool_status": "failed"}}
