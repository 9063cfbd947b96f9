"""A client whose messages wait for the workstation, and the account of what became of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.simulation.actors import Heard
from tools.simulation.keys import wall
from tools.simulation.lines import Line
from tools.simulation.resumer import Resumer

if TYPE_CHECKING:
    from tools.simulation.world import World

TTLS = (1, 2, 5, 60)  # seconds
WAITS = (0.0, 0.0, 0.0, 1.5)  # seconds until ``not_before``; 0: without
CANCELLED = 0.15  # probability that the sender changes its mind
CHANGE_OF_MIND = (0.1, 3.0)  # seconds after which it does
ASK_AGAIN = 3.0  # seconds without news, then the sender sends the message once more
FINAL = frozenset({"delivered", "expired", "cancelled", "unsure", "refused", "unknown"})


@dataclass
class HeldMessage:
    """One message and its receipts. Times are those of the story."""

    number: int
    text: bytes
    sent_at: float
    ttl: float
    states: list[str] = field(default_factory=list)
    until: float = 0.0  # as the server says
    attempts: int = 0
    cancels: int = 0
    arrived_at: list[float] = field(default_factory=list)  # when it was written to the workstation

    @property
    def final(self) -> str:
        return next((state for state in self.states if state in FINAL), "")


class Holder(Resumer):
    """Sends messages to be held. It sends each again, with its id, until it knows what became of it."""

    kind = "holder"

    def __init__(self, world: World, tunnel: str, name: str) -> None:
        super().__init__(world, tunnel, name)
        self.held: dict[int, HeldMessage] = {}

    def hold(self) -> None:
        """Send one message to be held."""
        if self.line is None:
            return
        chance, now = self.world.chance, self.world.loop.time()
        text = self.write("request", "ws", None)  # no order is promised beside other messages
        number = max(self.world.account.said)
        self.world.account.reported.add(number)  # it has an account of its own
        ttl, wait = chance.choice(TTLS), chance.choice(WAITS)
        not_before = (
            b',"not_before":%d' % ((wall(self.world)() + wait) * 1000) if wait and wait < ttl else b""
        )
        text = text[:-1] + b',"hold":{"ttl":%d%s}}' % (ttl, not_before)
        self.held[number] = self.world.account.held[number] = HeldMessage(number, text, now, ttl)
        self._send(number)
        if chance.random() < CANCELLED:
            self.world.loop.call_later(chance.uniform(*CHANGE_OF_MIND), self._cancel, number)

    def _send(self, number: int) -> None:
        one = self.held[number]
        if one.final:
            return
        if self.line is not None and self.at_work and one.cancels:
            self._cancel(number)
        elif self.line is not None and self.at_work:
            one.attempts += 1
            self.line.say(one.text)
        self.world.loop.call_later(ASK_AGAIN, self._send, number)

    def _cancel(self, number: int) -> None:
        if not self.held[number].final and self.at_work:
            self.held[number].cancels += 1
            self.say({"type": "tunnel.unhold", "id": str(number)})

    def hear_any(self, heard: Heard, line: Line) -> None:
        super().hear_any(heard, line)
        if heard.type == "tunnel.receipt":
            self._receipt(heard.id, heard.state, heard.until)
        elif heard.type == "tunnel.held":
            for one in heard.messages:
                self._receipt(one.id, one.state, one.until)

    def _receipt(self, id: str, state: str, until: int) -> None:
        one = self.held[int(id)]
        # Unless an earlier answer was lost, which had its final state: with that answer it is forgotten.
        if state == "unknown" and (one.final or one.cancels < 2):
            return
        if state == "refused" and one.attempts > 1:
            return  # it says nothing about the attempts before
        self.world.count(f"held: {state}")
        one.states.append(state)
        one.until = until / 1000 or one.until


def judge(account: dict[int, HeldMessage], day: float) -> list[str]:
    """Return what the promises about held messages do not allow. ``day``: the time of day of the start."""
    wrong = []
    for one in account.values():
        finals = {state for state in one.states if state in FINAL}
        arrived = len(one.arrived_at)
        if len(finals) != 1:
            wrong.append(f"held {one.number} ends as {sorted(finals)}: {one.states}")
        elif arrived > 1:
            wrong.append(f"held {one.number} arrived {arrived} times, {one.final}")
        elif arrived and one.final not in ("delivered", "unsure", "unknown"):
            wrong.append(f"held {one.number} arrived, {one.final}: {one.states}")
        elif not arrived and one.final == "delivered":
            wrong.append(f"held {one.number} did not arrive: {one.states}")
        elif arrived and one.until and one.arrived_at[0] + day > one.until + 0.001:
            wrong.append(f"held {one.number} arrived {one.arrived_at[0] + day - one.until:.3f} s late")
    return wrong
