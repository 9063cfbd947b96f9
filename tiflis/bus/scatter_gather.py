"""Ask all workers a question and gather the answers until a deadline."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from tiflis.bus import subjects
from tiflis.bus.nats.client import NatsClient
from tiflis.clock import running_clock

log = logging.getLogger(__name__)

Facts = dict[str, Any]


class _Poll:
    """One question under way: the workers that have yet to answer, and the answers so far."""

    def __init__(self, expected: set[str]) -> None:
        self.expected = expected
        self.answers: list[Facts] = []
        self.complete = asyncio.Event()


class ScatterGather:
    """Scatter and gather over the link; answers are small JSON objects."""

    def __init__(self, link: NatsClient, me: str) -> None:
        self._link = link
        self._me = me
        self._responders: dict[str, Callable[[Facts], Facts]] = {}
        self._polls: dict[int, _Poll] = {}
        self._last = 0
        self._sids: list[int] = []

    def start(self) -> None:
        self._sids = [
            self._link.subscribe(subjects.ASK, self._asked),
            self._link.subscribe(subjects.answers(self._me), self._answered),
        ]

    def stop(self) -> None:
        for sid in self._sids:
            self._link.unsubscribe(sid)

    def answer(self, kind: str, respond: Callable[[], Facts]) -> None:
        self._responders[kind] = lambda about: respond()

    def act(self, kind: str, do: Callable[[Facts], Facts]) -> None:
        self._responders[kind] = do

    async def ask(self, kind: str, expected: set[str], deadline: float, about: Facts) -> list[Facts]:
        """Return the answers of this worker, of those expected, and of others that answer before these are
        done."""
        self._last += 1
        number, poll = self._last, _Poll(expected)
        own = self._responders.get(kind)
        if own is not None:
            poll.answers.append(own(about))
        if not expected:
            return poll.answers
        self._polls[number] = poll
        self._publish(subjects.ASK, {"from": self._me, "number": number, "kind": kind, "about": about})
        try:
            async with running_clock().timeout(deadline):
                await poll.complete.wait()
        except TimeoutError:
            log.info("workers did not answer", extra={"kind": kind, "missing": sorted(poll.expected)})
        finally:
            del self._polls[number]
        return poll.answers

    def _publish(self, subject: str, message: Facts) -> bool:
        """Publish the message. Return False for one that is too long: NATS would end the connection."""
        payload = json.dumps(message, separators=(",", ":")).encode()
        if len(payload) > self._link.max_payload:
            log.error("answer too long for the bus", extra={"subject": subject, "bytes": len(payload)})
            return False
        self._link.publish(subject, payload)
        return True

    def _asked(self, _subject: bytes, payload: bytes) -> None:
        question = json.loads(payload)
        respond = self._responders.get(question["kind"])
        if respond is not None and question["from"] != self._me:
            answer = {
                "from": self._me,
                "number": question["number"],
                "answer": respond(question.get("about") or {}),
            }
            if not self._publish(subjects.answers(question["from"]), answer):
                self._publish(subjects.answers(question["from"]), {**answer, "answer": {}})

    def _answered(self, _subject: bytes, payload: bytes) -> None:
        message = json.loads(payload)
        poll = self._polls.get(message["number"])
        if poll is not None:
            poll.answers.append(message["answer"])
            poll.expected.discard(message["from"])
            if not poll.expected:
                poll.complete.set()
