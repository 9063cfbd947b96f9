"""What can be fuzzed: each target takes any bytes, and raises when the server would do something wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tools.fuzz import bus, conversations, frames, heads, requests, scopes

Run = Callable[[bytes], None]


class Target(NamedTuple):
    """A function, the words of its language, how long an input may be, and inputs from which to begin."""

    run: Run
    words: tuple[str, ...] = ()
    longest: int = 600
    seeds: tuple[bytes, ...] = ()


TARGETS: dict[str, Target] = {
    "frames": Target(frames.frames, longest=300, seeds=frames.SEEDS),
    "heads": Target(heads.heads, heads.WORDS),
    "conversations": Target(conversations.conversations, conversations.WORDS, seeds=conversations.SEEDS),
    "requests": Target(requests.requests, requests.WORDS, seeds=requests.SEEDS),
    "scopes": Target(scopes.scopes_hold, scopes.WORDS, seeds=scopes.SEEDS),
    "nats": Target(bus.nats, bus.WORDS),
    "packets": Target(bus.packet_stream, seeds=bus.SEEDS),
    "envelopes": Target(bus.envelopes, longest=1200),
}


class Errors(logging.Handler):
    """Keeps what was logged as an error: the server caught it, but it is a bug."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record)


@contextmanager
def quiet() -> Iterator[Errors]:
    """Nothing that the server logs is shown; its errors are kept."""
    errors, log = Errors(), logging.getLogger("tiflis")
    kept, log.propagate = log.propagate, False
    log.addHandler(errors)
    try:
        yield errors
    finally:
        log.removeHandler(errors)
        log.propagate = kept


def checked(name: str, errors: Errors) -> Run:
    """The target, which an error in the log fails too."""
    run = TARGETS[name].run

    def once(data: bytes) -> None:
        run(data)
        if errors.found:
            record, errors.found[:] = errors.found[0], []
            caught = record.exc_info[1] if record.exc_info else None
            raise AssertionError(f"logged: {record.getMessage()}") from caught

    return once
