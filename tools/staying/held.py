"""Held messages while the home's worker is killed: ``python -m tools.staying held``."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import NamedTuple

from websockets.exceptions import ConnectionClosed

from tests.harness import Crowd, Peer, Server, crowd
from tests.system.resuming import ResumingDevice
from tools.staying.returning import PATIENCE, return_device, return_workstation

FINAL = {"delivered", "unsure", "expired", "cancelled"}
MESSAGES_PER_OUTAGE = 2


class Result(NamedTuple):
    """``lost``: delivered, says the receipt, but not received; ``doubled``: received twice."""

    outages: int
    states: Counter[str]
    lost: list[str]
    doubled: list[str]

    def text(self) -> str:
        """Return the figures in words."""
        messages, final = sum(self.states.values()), sum(self.states[state] for state in FINAL)
        return (
            f"held: {self.outages} outages with a kill, {messages} messages: {dict(self.states)}\n"
            f"  lost {len(self.lost)}, received twice {len(self.doubled)}, without a final receipt"
            f" {messages - final}"
        )


async def measure(outages: int) -> Result:
    """Send held messages at each outage, and kill the home's worker at a random moment."""
    with Server(workers=3, env={"LIVENESS_TIMEOUT": "120"}) as server:
        async with crowd(server) as people:
            return await _measure(people, outages)


async def _measure(people: Crowd, outages: int) -> Result:
    server, got, states = people.server, list[str](), dict[str, str]()
    workstation, tunnel_id = await people.workstation(deadline=PATIENCE)
    phone = ResumingDevice(server, tunnel_id)
    await return_device(phone)
    for outage in range(outages):
        serving = asyncio.create_task(_serve(workstation, got))
        for id in (f"{outage}-{number}" for number in range(MESSAGES_PER_OUTAGE)):
            states[id] = await _ask(phone, id, {"held"} | FINAL)
        await asyncio.sleep(random.uniform(0, 0.1))
        victim = server.worker_of(workstation)
        if victim is not None:
            server.kill_worker(victim)
        await workstation.until_closed(PATIENCE)
        await _end(serving)
        workstation = await return_workstation(people, tunnel_id)
    serving = asyncio.create_task(_serve(workstation, got))
    for id in states:
        states[id] = await _ask(phone, id, FINAL)
    await _end(serving)
    counts = Counter(got)
    lost = [id for id, state in states.items() if state == "delivered" and id not in counts]
    return Result(outages, Counter(states.values()), lost, [id for id, count in counts.items() if count > 1])


async def _serve(peer: Peer, got: list[str]) -> None:
    """Confirm what comes, each a moment later, as a workstation does."""
    with contextlib.suppress(AssertionError, ConnectionClosed):
        while True:
            message = await peer.next("supervisor.command", 3600)
            got.append(message["id"])
            await asyncio.sleep(random.uniform(0, 0.03))
            await peer.send({"type": "message.ack", "payload": {"message_id": message["id"]}})


async def _end(serving: asyncio.Task[None]) -> None:
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def _ask(phone: ResumingDevice, id: str, until: set[str]) -> str:
    """Send a held message, again after each lost receipt, until its state is one of these; return it."""
    message, state = {"type": "supervisor.command", "id": id, "hold": {"ttl": 3600}}, ""
    async with asyncio.timeout(2 * PATIENCE):
        while state not in until:
            try:
                assert phone.peer is not None
                await phone.peer.send(message)
                receipt = await phone.peer.next("tunnel.receipt", 2, lambda one: one["id"] == id)
                state = receipt["state"]
            except (AssertionError, ConnectionClosed):
                if phone.peer is None or phone.peer.closed is not None:
                    await return_device(phone)
    return state
