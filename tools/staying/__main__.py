"""Measure resume and held messages at a real server: ``python -m tools.staying resume`` or ``held``."""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections import Counter

from websockets.exceptions import ConnectionClosed

from tests.harness import Crowd, Peer, Server, crowd
from tests.system.resuming import ResumingDevice
from tests.system.test_watch import back

LIMITS = {"LIVENESS_TIMEOUT": "120", "STAY_MESSAGES": "4096"}


async def resume(people: Crowd, clients: int, seconds: float, kills: int) -> None:
    """Cut each client about every second while a workstation sends 20 messages per second."""
    server, took = people.server, list[float]()
    workstation, tunnel_id = await people.workstation()
    phones = [ResumingDevice(server, tunnel_id, f"phone-{number}") for number in range(clients)]
    await asyncio.gather(*(phone.connect_again() for phone in phones))
    end, sent, behind = time.monotonic() + seconds, 0, Counter[str]()

    async def live(phone: ResumingDevice) -> None:
        while time.monotonic() < end:
            await asyncio.sleep(random.uniform(0.5, 1.5))
            await phone.cut()
            await asyncio.sleep(random.uniform(0.0, 0.5))
            began = time.monotonic()
            await phone.connect_again()
            took.append(time.monotonic() - began)

    async def kill() -> None:
        for _ in range(kills):
            await asyncio.sleep(seconds / (kills + 1))
            home = server.worker_of(workstation)
            server.kill_worker(random.choice([pid for pid in server.worker_pids().values() if pid != home]))

    async def talk() -> None:
        nonlocal sent
        while time.monotonic() < end + 1:
            await workstation.send({"type": "note", "n": sent})
            sent += 1
            await asyncio.sleep(0.05)

    await asyncio.gather(kill(), talk(), *(live(phone) for phone in phones))
    for phone in phones:
        await phone.settle()
        notes = phone.notes()
        behind["doubled"] += len(notes) - len(set(notes))
        behind["false ok"] += "gap" not in phone.verdicts and sorted(set(notes)) != list(range(sent))
    verdicts = Counter(verdict for phone in phones for verdict in phone.verdicts)
    cuts = statistics.quantiles(took, n=100)
    print(
        f"resume: {clients} clients, {sent} messages each, {len(took)} cuts, {kills} kills: {dict(verdicts)}"
    )
    print(f"  doubled {behind['doubled']}, devices with a false ok {behind['false ok']}")
    print(f"  from TCP connect to connected: p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms")


FINAL = {"delivered", "unsure", "expired", "cancelled"}


async def ask(phone: ResumingDevice, id: str, until: set[str]) -> str:
    """Send a held message, again after each lost receipt, until its state is one of these; return it."""
    message, state = {"type": "supervisor.command", "id": id, "hold": {"ttl": 300}}, ""
    async with asyncio.timeout(60):
        while state not in until:
            try:
                assert phone.peer is not None
                await phone.peer.send(message)
                receipt = await phone.peer.next("tunnel.receipt", 2, lambda one: one["id"] == id)
                state = receipt["state"]
            except (AssertionError, ConnectionClosed):
                if phone.peer is None or phone.peer.closed is not None:
                    await phone.connect_again()
    return state


async def held(people: Crowd, outages: int) -> None:
    """Send two held messages per outage; kill the home's worker at a random moment of each."""
    server, got, states = people.server, list[str](), dict[str, str]()
    workstation, tunnel_id = await people.workstation()
    phone = ResumingDevice(server, tunnel_id)
    await phone.connect()

    async def serve(peer: Peer) -> None:
        while True:
            message = await peer.next("supervisor.command", 3600)
            got.append(message["id"])
            await asyncio.sleep(random.uniform(0, 0.03))
            await peer.send({"type": "message.ack", "payload": {"message_id": message["id"]}})

    for outage in range(outages):
        serving = asyncio.create_task(serve(workstation))
        ids = [f"{outage}-{number}" for number in range(2)]
        for id in ids:
            states[id] = await ask(phone, id, {"held"} | FINAL)
        await asyncio.sleep(random.uniform(0, 0.1))
        victim = server.worker_of(workstation)
        if victim is not None:
            server.kill_worker(victim)
        await workstation.until_closed()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        workstation = await back(people, tunnel_id)
    serving = asyncio.create_task(serve(workstation))
    for id in list(states):
        states[id] = await ask(phone, id, FINAL)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    counts = Counter(got)
    lost = [id for id, state in states.items() if state == "delivered" and id not in counts]
    doubled = [id for id, count in counts.items() if count > 1]
    print(f"held: {outages} outages with a kill, {len(states)} messages: {dict(Counter(states.values()))}")
    print(f"  delivered but not received {len(lost)}, received twice {len(doubled)}")


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.staying", description=__doc__)
    parser.add_argument("what", choices=("resume", "held"))
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--outages", type=int, default=20)
    options = parser.parse_args()
    with Server(workers=3, env=LIMITS) as server:
        async with crowd(server) as people:
            if options.what == "resume":
                await resume(people, options.clients, options.seconds, options.kills)
            else:
                await held(people, options.outages)


if __name__ == "__main__":
    asyncio.run(main())
