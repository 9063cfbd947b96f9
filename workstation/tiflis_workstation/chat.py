"""One chat with an agent: streams the answer snapshot by snapshot, can be cancelled, remembers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tiflis_workstation.accumulator import Accumulator
from tiflis_workstation.blocks import Block, block, plain_text
from tiflis_workstation.history import Entry, History
from tiflis_workstation.performance import Speak, Step, perform
from tiflis_workstation.sound import Sound, SoundShelf, melody

log = logging.getLogger("tiflis_workstation")

REMEMBERED_IDS = 500  # of messages taken; a device retries within minutes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole answer as far as it goes; `message_id` is "" where the shipped workstation has none yet."""

    message_id: str
    sequence: int
    blocks: list[Block]
    complete: bool

    @property
    def content(self) -> str:
        return plain_text(self.blocks)


@dataclass(slots=True)
class Stage:
    """State shared by all chats of a workstation: chance, time, speed and sounds."""

    rng: random.Random
    now: Callable[[], float]
    speed: float
    sounds: SoundShelf
    writable: Callable[[], Awaitable[None]]
    grace: float | None = None
    """Seconds for which a finished answer's id and text are taken over into the next; None: never."""

    @property
    def as_shipped(self) -> bool:
        """Behave as the shipped workstation does, where that differs from the specification."""
        return self.grace is not None

    def new_id(self, prefix: str) -> str:
        return f"{prefix}-{self.rng.getrandbits(64):016x}"

    def milliseconds(self) -> int:
        return int(self.now() * 1000)

    def iso(self) -> str:
        return iso(self.now())

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)
        await self.writable()


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Chat:
    """At most one answer at a time. User messages, snapshots and history share one rising sequence.

    `for_all`: the supervisor's chat, whose last frame the shipped workstation never loses.
    """

    def __init__(self, stage: Stage, history: History | None = None, *, for_all: bool = False) -> None:
        self.history = history or History()
        self.snapshot: Snapshot | None = None
        self.accumulator = Accumulator(lambda: stage.new_id("msg"), stage.grace)
        self._for_all = for_all
        self._question = ""
        self._stage = stage
        self._sequence = self.history.newest
        self._task: asyncio.Task[None] | None = None
        self._known: dict[str, None] = {}

    @property
    def executing(self) -> bool:
        return self.snapshot is not None

    def is_known(self, message_id: str) -> bool:
        """Return whether the message was taken already: a retry is acknowledged and not run twice."""
        return message_id in self._known

    def ask(self, message_id: str, content: str, blocks: list[Block], entry_id: str = "") -> None:
        """Remember what the user said, in the history under `entry_id` where that is another id."""
        self._known[message_id] = None
        while len(self._known) > REMEMBERED_IDS:
            del self._known[next(iter(self._known))]
        self._question = message_id
        self._remember(entry_id or message_id, "user", content, blocks)

    def answer(
        self,
        steps: list[Step],
        show: Callable[[Snapshot], None],
        spoken: Callable[[str, Sound], None],
    ) -> str:
        """Start to answer; `show` gets each snapshot, `spoken` each sound. Returns its message id."""
        message_id = self._stage.new_id("msg")
        self.accumulator.begin(message_id)
        self.snapshot = Snapshot(self.accumulator.label, self._sequence, self.accumulator.blocks, False)
        self._task = asyncio.create_task(self._play(message_id, steps, show, spoken))
        return message_id

    def cancel(self, show: Callable[[Snapshot], None]) -> bool:
        """End the answer with a cancel block. False when there was none."""
        snapshot = self.snapshot
        if snapshot is None or self._task is None:
            return False
        self._task.cancel()
        stopped = block(self._stage.new_id("cancel"), "cancel", "Cancelled by user")
        if self._stage.as_shipped:
            # It says and keeps nothing but the cancel block, under no id; the words so far are lost.
            self._end(Snapshot("", self._next(), [stopped], True), show, self._stage.new_id("msg"))
        else:
            self._finish([*_settled(snapshot.blocks), stopped], show)
        return True

    async def close(self) -> None:
        self.accumulator.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def clear(self, show: Callable[[Snapshot], None]) -> None:
        self.cancel(show)
        self.accumulator.clear()
        self.history.clear()

    async def _play(
        self,
        message_id: str,
        steps: list[Step],
        show: Callable[[Snapshot], None],
        spoken: Callable[[str, Sound], None],
    ) -> None:
        def speak(block_id: str, text: str) -> Block:
            sound = melody(text)
            self._stage.sounds.put(message_id, "output", sound)
            spoken(message_id, sound)
            known = {"message_id": message_id, "has_audio": True, "duration": sound.seconds}
            return block(block_id, "voice_output", text, **known, audio_format=sound.audio_format)

        streamed = [step for step in steps if not (self._stage.as_shipped and isinstance(step, Speak))]
        blocks = self.accumulator.blocks
        try:
            if self._stage.as_shipped:
                self._show(blocks, show)
            for seconds, own in perform(streamed, random.Random(message_id), message_id, speak):
                await self._stage.pause(seconds)
                blocks = self.accumulator.grow(own)
                self._show(blocks, show)
        except Exception:
            log.exception("answer failed")
        self._finish(blocks, show)
        if self._stage.as_shipped:
            self._speak_after([step for step in steps if isinstance(step, Speak)], spoken)

    def _show(self, blocks: list[Block], show: Callable[[Snapshot], None]) -> None:
        self.snapshot = Snapshot(self.accumulator.label, self._next(), blocks, False)
        show(self.snapshot)

    def _finish(self, blocks: list[Block], show: Callable[[Snapshot], None]) -> None:
        """Save and show the whole answer.

        The history takes an id once. For an answer under a used id, the shipped workstation fails at this
        point: before the last frame in an agent's chat, after it in the supervisor's.
        """
        label = self.accumulator.label
        whole = Snapshot(label, self._next(), blocks, True)
        if label in self.history and not self._for_all:
            self.snapshot = self._task = None
            return
        self._end(whole, show, "" if label in self.history else label)
        self.accumulator.end()

    def _end(self, whole: Snapshot, show: Callable[[Snapshot], None], entry_id: str) -> None:
        self.snapshot = self._task = None
        if entry_id:
            self._remember(entry_id, "assistant", whole.content, whole.blocks, whole.sequence)
        show(whole)

    def _speak_after(self, steps: list[Speak], spoken: Callable[[str, Sound], None]) -> None:
        """Send the sound after the answer, under the id of the question, as the shipped workstation does."""
        for step in steps:
            sound = melody(step.text)
            self._stage.sounds.put(self._question, "output", sound)
            known = {"message_id": self._question, "has_audio": True, "duration": sound.seconds}
            self.history.extend_newest(block(f"{self._question}-said", "voice_output", step.text, **known))
            spoken(self._question, sound)

    def _remember(
        self, message_id: str, role: str, content: str, blocks: list[Block], sequence: int | None = None
    ) -> None:
        at = self._next() if sequence is None else sequence
        self.history.add(Entry(message_id, at, role, content, self._stage.iso(), blocks))

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


def _settled(blocks: list[Block]) -> list[Block]:
    """Return the blocks with running tools as failed: none runs on after a cancel."""
    return [
        {**one, "metadata": {**one["metadata"], "tool_status": "failed"}}
        if one.get("metadata", {}).get("tool_status") == "running"
        else one
        for one in blocks
    ]
