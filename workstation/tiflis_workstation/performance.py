"""An answer is a list of steps; performing it yields the growing snapshots that a client sees."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tiflis_workstation.blocks import Block, Button, block, tool

WORDS_AT_ONCE = 3
WORD_SECONDS = 0.06  # about 120 snapshots for a long answer, as real agents do
LINE_SECONDS = 0.12


@dataclass(frozen=True, slots=True)
class Say:
    """Markdown, word by word."""

    text: str


@dataclass(frozen=True, slots=True)
class Think:
    """Reasoning, word by word."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """A code block, line by line."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool call that runs for some seconds and then completes or fails."""

    name: str
    given: object
    got: object
    seconds: float = 0.8
    status: str = "completed"


@dataclass(frozen=True, slots=True)
class Note:
    """A block that appears whole: status, error or a type no client knows."""

    block_type: str
    text: str
    metadata: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Buttons:
    """Quick replies under the answer."""

    buttons: tuple[Button, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Speak:
    """The answer read aloud; the performer makes the sound."""

    text: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing new for some seconds."""

    seconds: float


Step = Say | Think | Code | Tool | Note | Buttons | Speak | Pause
Snapshot = tuple[float, list[Block]]
"""Seconds to wait before showing it, and all blocks so far."""
SpokenBlock = Callable[[str, str], Block]
"""Makes the voice_output block from a block id and the text that is spoken."""


def perform(steps: list[Step], rng: random.Random, answer_id: str, speak: SpokenBlock) -> Iterator[Snapshot]:
    """Yield the snapshots of an answer. Each holds every block so far; the last one is the whole answer."""
    done: list[Block] = []
    for number, step in enumerate(steps):
        shown: list[Block] = []
        for seconds, shown in _show(step, f"{answer_id}-{number}", speak):
            yield seconds * rng.uniform(0.6, 1.4), done + shown
        done += shown


def _show(step: Step, block_id: str, speak: SpokenBlock) -> Iterator[Snapshot]:
    match step:
        case Say(text):
            yield from _grow(block_id, "text", text)
        case Think(text):
            yield from _grow(block_id, "thinking", text)
        case Code(language, text):
            yield from _lines(block_id, language, text)
        case Tool():
            yield LINE_SECONDS, [tool(block_id, step.name, "running", step.given)]
            yield step.seconds, [tool(block_id, step.name, step.status, step.given, step.got)]
        case Note(block_type, text, metadata):
            yield LINE_SECONDS, [block(block_id, block_type, text, **dict(metadata))]
        case Buttons(buttons, text):
            yield LINE_SECONDS, [block(block_id, "action_buttons", text, buttons=list(buttons))]
        case Speak(text):
            yield LINE_SECONDS, [speak(block_id, text)]
        case Pause(seconds):
            yield seconds, []


def _grow(block_id: str, block_type: str, text: str) -> Iterator[Snapshot]:
    words = re.findall(r"\s*\S+", text)
    for end in range(WORDS_AT_ONCE, len(words) + WORDS_AT_ONCE, WORDS_AT_ONCE):
        yield WORD_SECONDS, [block(block_id, block_type, "".join(words[:end]))]


def _lines(block_id: str, language: str, text: str) -> Iterator[Snapshot]:
    lines = text.splitlines()
    for end in range(1, len(lines) + 1):
        yield LINE_SECONDS, [block(block_id, "code", "\n".join(lines[:end]), language=language)]
