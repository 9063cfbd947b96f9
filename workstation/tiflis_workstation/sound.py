"""Real audio: a short melody as a WAV file, and the bounded shelf where sounds wait for `audio.request`."""

from __future__ import annotations

import base64
import io
import math
import struct
import wave
from collections import OrderedDict
from dataclasses import dataclass

SAMPLE_RATE = 16_000
NOTE_SECONDS = 0.18
LONGEST_MELODY = 16  # notes; about 3 s and 92 kB, small enough to stream inside a message
SCALE = (261.63, 293.66, 329.63, 392.0, 440.0, 523.25)  # pentatonic: any order sounds pleasant
SHELF_SOUNDS = 32
SHELF_BYTES = 64 * 2**20  # recordings of several minutes fit


@dataclass(frozen=True, slots=True)
class Sound:
    """Base64 audio with its format, and its length where we know it."""

    audio: str
    audio_format: str
    seconds: float | None = None


def melody(text: str) -> Sound:
    """Return one note per word, its pitch taken from the letters: the same text always sounds the same."""
    words = text.split()[:LONGEST_MELODY] or ["la"]
    samples = [sample for word in words for sample in _note(SCALE[sum(map(ord, word)) % len(SCALE)])]
    return Sound(base64.b64encode(_wav(samples)).decode(), "wav", round(len(samples) / SAMPLE_RATE, 2))


def _note(frequency: float) -> list[int]:
    count = int(SAMPLE_RATE * NOTE_SECONDS)
    turn = 2 * math.pi * frequency / SAMPLE_RATE
    return [int(9_000 * math.sin(turn * at) * _fade(at, count)) for at in range(count)]


def _fade(at: int, count: int) -> float:
    """Up and down within 10 ms, so that the notes do not click."""
    edge = SAMPLE_RATE // 100
    return min(1.0, at / edge, (count - at) / edge)


def _wav(samples: list[int]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return file.getvalue()


class SoundShelf:
    """The latest sounds by (message id, "input" or "output"); the oldest go when the shelf is full."""

    def __init__(self) -> None:
        self._sounds: OrderedDict[tuple[str, str], Sound] = OrderedDict()
        self._bytes = 0

    def put(self, message_id: str, audio_type: str, sound: Sound) -> None:
        self._drop((message_id, audio_type))
        self._sounds[message_id, audio_type] = sound
        self._bytes += len(sound.audio)
        while len(self._sounds) > SHELF_SOUNDS or (self._bytes > SHELF_BYTES and len(self._sounds) > 1):
            self._drop(next(iter(self._sounds)))

    def get(self, message_id: str, audio_type: str) -> Sound | None:
        return self._sounds.get((message_id, audio_type))

    def _drop(self, key: tuple[str, str]) -> None:
        sound = self._sounds.pop(key, None)
        if sound is not None:
            self._bytes -= len(sound.audio)
