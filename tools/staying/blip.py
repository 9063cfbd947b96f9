"""Bytes after a short outage, beside those of a full synchronisation: ``python -m tools.staying blip``."""

from __future__ import annotations

import asyncio
import json
from typing import NamedTuple

from tests.client.desk import Desk
from tests.client.loop import LoopThread
from tests.harness import AUTH_KEY, Peer, Server
from tests.system.resuming import ResumingDevice
from tools.staying.returning import PATIENCE

PAGE = 50  # messages of a history that a client asks for at first


class Result(NamedTuple):
    """Bytes: of a full synchronisation, after an outage in which nothing was said, and after one in which an
    answer was written; ``missed``: of the last, the messages that make up that answer."""

    seconds: float
    full: int
    idle: int
    answer: int
    missed: int
    verdicts: list[str]

    def text(self) -> str:
        """Return the figures in words."""
        lines = [f"blip: {self.seconds:.0f} s away, {self.verdicts}; a synchronisation: {self.full:,} bytes"]
        lines.append(f"  nothing was said: {self.idle:,} bytes, {self._share(self.idle)}")
        lines.append(f"  an answer was written: {self.answer:,} bytes, {self._share(self.answer)}")
        rest = self.answer - self.missed
        lines.append(f"  without that answer itself ({self.missed:,}): {rest:,} bytes, {self._share(rest)}")
        return "\n".join(lines)

    def _share(self, size: int) -> str:
        return f"{100 * size / max(1, self.full):.1f} %"


def measure(seconds: float) -> Result:
    """Cut a client while the demo workstation answers, and connect it again."""
    with LoopThread() as loop, Server(workers=2, env={"LIVENESS_TIMEOUT": "120"}) as server:
        with Desk(loop, server, speed=1.0) as desk:
            return loop.run(_measure(server, desk.pairing.tunnel_id, seconds), seconds + 4 * PATIENCE)


async def _measure(server: Server, tunnel_id: str, seconds: float) -> Result:
    phone = ResumingDevice(server, tunnel_id)
    await phone.connect()
    assert phone.peer is not None
    full = await _synchronise(phone.peer, phone.device_id)
    idle, _ = await _outage(phone, seconds / 10)
    await phone.peer.send({"type": "supervisor.command", "id": "ask", "payload": {"command": "long"}})
    await phone.peer.next("message.ack", PATIENCE)
    await phone.settle()
    answer, missed = await _outage(phone, seconds)
    await phone.cut()
    return Result(seconds, full, idle, answer, missed, phone.verdicts[1:])


async def _outage(phone: ResumingDevice, seconds: float) -> tuple[int, int]:
    """Cut the client; return the bytes that it receives when it is back, and those of missed messages."""
    await phone.cut()
    await asyncio.sleep(seconds)
    before = len(phone.received)
    await phone.connect()
    await phone.settle()
    assert phone.peer is not None
    missed = phone.received[before:]
    return _size(phone.peer), sum(len(text) for text in phone.peer.raw if json.loads(text) in missed)


async def _synchronise(peer: Peer, device_id: str) -> int:
    """Ask for everything as the web client does, and return how many bytes came."""
    before = _size(peer)
    auth = {"auth_key": AUTH_KEY, "device_id": device_id}
    await peer.send({"type": "auth", "payload": auth})
    await peer.next("auth.success", PATIENCE)
    await peer.send({"type": "sync", "id": "sync"})
    state = await peer.next("sync.state", PATIENCE)
    sessions = [one["session_id"] for one in state["payload"].get("sessions", [])]
    for session in [None, *sessions]:
        payload = {"limit": PAGE} | ({"session_id": session} if session else {})
        await peer.send({"type": "history.request", "id": f"h-{session}", "payload": payload})
        await peer.next("history.response", PATIENCE)
    await peer.settle(PATIENCE)
    return _size(peer) - before


def _size(peer: Peer) -> int:
    return sum(len(text) for text in peer.raw)
