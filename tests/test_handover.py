"""A handover that meets with resistance: put off, refused, or in the middle of something else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from tests.relay.town import Town
from tiflis.handoff import messages
from tiflis.handoff.messages import HandoffResponse
from tiflis.handoff.receiver import HandoffReceiver
from tiflis.handoff.sender import HandoffSender
from tiflis.ipc.fd_passing import HandoffClient
from tiflis.web.sockets import Sockets
from tools.simulation.lines import Cellar, Line, SimSockets

GRACE = 0.05  # seconds
LATER = HandoffResponse(False, "in a moment", again=True)


class Peer:
    """Somebody connected to worker ``a``, and what it hears."""

    def __init__(self, crossing: Crossing) -> None:
        self.line = Line(asyncio.get_running_loop(), 1)
        self.texts: list[bytes] = []
        self.line.hear = self.texts.append
        wire = crossing.sockets["a"].make("10.0.0.1")
        wire.line, self.line.wire = self.line, wire
        self.pending = crossing.hubs["a"].pending_session(wire, "ws://here/ws")
        wire.session = cast(Any, self.pending)

    def say(self, message: dict[str, Any]) -> None:
        self.line.say(json.dumps(message).encode())

    def heard(self, word: bytes) -> int:
        return sum(word in text for text in self.texts)


class Crossing(Town):
    """Workers whose sockets go from ``a`` to its successor ``z``, by a courier that answers as it is told."""

    def __init__(self) -> None:
        super().__init__("a", "z", offline_grace=GRACE)
        loop = asyncio.get_running_loop()
        self.cellar = Cellar()
        self.sockets = {name: SimSockets(name, loop, self.cellar, self.limits) for name in self.hubs}
        self.adoption = HandoffReceiver(self.hubs["z"], cast(Sockets, self.sockets["z"]), 100)
        self.answers: list[HandoffResponse] = []  # before those of the successor
        self.open = asyncio.Event()  # the way
        self.open.set()
        self.meanwhile: Callable[[], None] = lambda: None
        self.sent = 0

    def handover(self) -> HandoffSender:
        sockets = cast(Sockets, self.sockets["a"])
        return HandoffSender("a", self.hubs["a"], sockets, cast(HandoffClient, self))

    async def send(self, body: bytes, descriptors: list[int]) -> bytes:
        self.sent += 1
        self.meanwhile()
        await self.open.wait()
        if self.answers:
            return messages.encode(self.answers.pop(0))
        return await self.adoption.serve(body, [self.cellar.duplicate(one) for one in descriptors])

    async def pair(self) -> tuple[Peer, Peer]:
        """Return a workstation and its client."""
        watches, phone = Peer(self), Peer(self)
        watches.say(self.registration())
        await self.until(lambda: watches.heard(b"registered"))
        phone.say(self.connecting())
        await self.until(lambda: phone.heard(b"connected"))
        return watches, phone


@pytest.fixture
async def crossing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Crossing]:
    crossing = Crossing()
    for module in ("sender", "receiver"):
        monkeypatch.setattr(f"tiflis.handoff.{module}.close_all", crossing.cellar.close_all)
    yield crossing
    await crossing.close()


async def test_what_is_put_off_is_offered_again(crossing: Crossing) -> None:
    watches, phone = await crossing.pair()
    crossing.answers = [LATER, LATER]
    report = await crossing.handover().everything(5)
    assert (report.handed, report.fell_back, crossing.sent) == (2, 0, 3)
    assert not crossing.sockets["a"].open
    watches.say({"type": "note"})
    await crossing.until(lambda: phone.heard(b"note"))
    assert not phone.heard(b"offline")


async def test_nobody_is_read_before_all_are_back(crossing: Crossing) -> None:
    """What a client says at once would find no workstation."""
    watches, phone = await crossing.pair()
    crossing.meanwhile = lambda: phone.line.inbox.append(b'{"type":"note"}')
    crossing.answers = [HandoffResponse(False, "no")]
    report = await crossing.handover().everything(5)
    assert report.fell_back == 2
    await crossing.until(lambda: watches.heard(b"note"))
    assert crossing.home("a").workstation is not None


async def test_a_workstation_at_hand_is_not_away_however_long_its_adoption_takes(
    crossing: Crossing, monkeypatch: pytest.MonkeyPatch
) -> None:
    watches, phone = await crossing.pair()
    adopt, begun, go_on = crossing.adoption._adopt_workstation, asyncio.Event(), asyncio.Event()

    async def slowly(*of: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await adopt(*of)

    monkeypatch.setattr(crossing.adoption, "_adopt_workstation", slowly)
    moving = asyncio.create_task(crossing.handover().everything(5))
    await begun.wait()
    phone.say({"type": "note"})
    await asyncio.sleep(3 * GRACE)
    assert crossing.home("z").workstation_online
    assert phone.line.inbox, "a client is read once its workstation is there"
    go_on.set()
    await moving
    await crossing.until(lambda: watches.heard(b"note"))
    assert not phone.heard(b"offline")


async def test_a_workstation_that_is_lost_on_the_way_has_its_grace_and_is_then_away(
    crossing: Crossing, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, phone = await crossing.pair()

    async def in_vain(*of: Any) -> None:
        return None

    monkeypatch.setattr(crossing.adoption, "_adopt_workstation", in_vain)
    await crossing.handover().everything(5)
    assert crossing.home("z").workstation_online
    await crossing.until(lambda: phone.heard(b"workstation_offline"))


async def test_a_worker_does_not_end_while_a_socket_is_steered(crossing: Crossing) -> None:
    peer = Peer(crossing)
    crossing.open.clear()
    steering = asyncio.create_task(crossing.handover().steer(peer.pending))
    await crossing.until(lambda: crossing.sent)
    ending = asyncio.create_task(crossing.handover().everything(5))
    await asyncio.wait([ending], timeout=0.1)
    assert not ending.done(), "the socket may come back"
    crossing.answers = [LATER]
    crossing.open.set()
    assert not await steering
    await ending
    assert peer.line.wire in crossing.sockets["z"].open.values()


async def test_a_newcomer_that_is_taken_has_left_this_worker(crossing: Crossing) -> None:
    peer = Peer(crossing)
    during: list[bool] = []
    crossing.meanwhile = lambda: during.append(peer.pending.leaving)
    crossing.answers = [LATER]
    await crossing.handover().everything(5)
    assert during == [True, True]
    assert (peer.pending.leaving, peer.pending.gone) == (False, True)
    assert peer.line.wire in crossing.sockets["z"].open.values()


async def test_a_client_that_was_not_taken_has_its_key_checked_again(crossing: Crossing) -> None:
    """The key may have been revoked while its socket was in neither worker's hands."""
    await crossing.pair()
    checked: list[str] = []
    crossing.hubs["a"].check_key = lambda client: checked.append(client.device_id)
    crossing.answers = [LATER]
    await crossing.handover().everything(5)
    assert checked == ["phone"]
