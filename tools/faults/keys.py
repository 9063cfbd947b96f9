"""N3, N4: what one registration key can create, and wrong keys by every door."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import httpx

from tests.harness import AUTH_KEY, REGISTRATION_KEY, Server, eventually
from tests.rawsocket import RawSocket
from tiflis.limits import MIB
from tiflis.relay.auth.rate_limit import LOOKS_A_PAIR, NEW_TUNNELS
from tools.bench import accounting
from tools.faults.enter import connect, register
from tools.faults.run import Run, scenario

GREEDY = "the-registration-key-of-a-greedy-tenant-0123456789"
WRONG = "wrong-key-0123456789-wrong-key-0123456789"
TOKEN = "an operator's token 0123456789"
HOME = "X-Forwarded-For: 203.0.113.9\r\n"
ELSEWHERE = "X-Forwarded-For: 203.0.113.10\r\n"  # of a tenant that knows the id and has a registration key
QUOTA = {
    "TUNNEL_REGISTRATION_API_KEY": f"{REGISTRATION_KEY},{GREEDY}",
    "NEW_TUNNELS": str(NEW_TUNNELS),
    "TRUST_PROXY": "true",
}
DOORS = {"STATUS_TOKEN": TOKEN, "METRICS_TOKEN": TOKEN, "TRUST_PROXY": "true"}


@scenario("N3", "one registration key makes what it can", 200, in_tests=True)
async def greed(run: Run) -> None:
    """From 20 addresses at once, each id on a socket of its own, with the longest name."""
    seconds, quota = run.size((60.0, 500), (5.0, 100))
    with run.server(workers=2, env=QUOTA | {"LIVE_TUNNELS": str(quota)}) as server:
        before = memory(server)
        end = time.monotonic() + seconds
        tallies = await asyncio.gather(*(make_all(server, f"203.0.113.{n}", end) for n in range(20)))
        seen = sum(tallies, Counter[str]())
        grown = max(after - was for after, was in zip(memory(server), before, strict=True))
        run.most("ids of one key", seen["workstation.registered"], quota + 2 * 20)
        run.least("refused", seen["RATE_LIMITED"], 20)
        run.most("memory of a worker", grown / MIB, 32, " MiB")
        other = await RawSocket.open("127.0.0.1", server.port, headers="X-Forwarded-For: 203.0.113.1\r\n")
        run.least("another key registers", float(bool(await register(other))), 1)
        other.close()
        await asyncio.to_thread(server.stop)
        began = time.monotonic()
        await asyncio.to_thread(server.start)
        run.most("ready after a restart", time.monotonic() - began, 20, " s")
        run.note(f"{dict(seen)} in {seconds:.0f} s")


def memory(server: Server) -> list[int]:
    return [accounting.memory([pid]) for _, pid in sorted(server.worker_pids().items())]


async def make_all(server: Server, address: str, end: float) -> Counter[str]:
    seen = Counter[str]()
    payload = {"api_key": GREEDY, "name": "n" * 256, "auth_key": AUTH_KEY}
    while time.monotonic() < end:
        socket = await RawSocket.open("127.0.0.1", server.port, headers=f"X-Forwarded-For: {address}\r\n")
        answer = await socket.ask({"type": "workstation.register", "payload": payload})
        seen[str(answer["payload"].get("code", answer["type"]))] += 1
        socket.close()
    return seen


@scenario("N4", "wrong keys by every door, from the owner's own address", 200, in_tests=True)
async def every_door(run: Run) -> None:
    tries = run.size(500, 30)
    with run.server(workers=2, env=DOORS) as server:
        workstation = await RawSocket.open("127.0.0.1", server.port, headers=HOME)
        tunnel = await register(workstation)
        phone = await RawSocket.open("127.0.0.1", server.port, headers=HOME)
        await connect(phone, tunnel, "phone")
        workstation.close()
        began = time.monotonic()
        doors = {
            "connect": on_socket(server, "connect", tunnel, tries),
            "auth key of a previous id": on_socket(server, "previous", tunnel, tries),
            "registration key": on_socket(server, "register", tunnel, tries),
            "watch, status, metrics": over_http(server, tunnel, tries),
        }
        tallies = dict(zip(doors, await asyncio.gather(*doors.values()), strict=True))
        minutes = 1 + int((time.monotonic() - began) // 60)
        seen = sum(tallies.values(), Counter[str]())
        # Devices and watches of one address share a bucket; operators' pages have one each.
        run.most("looks", seen["INVALID_AUTH_KEY"] + seen["watch 401"], LOOKS_A_PAIR * minutes)
        run.most("looks for a previous id", seen["workstation.registered"], LOOKS_A_PAIR * minutes)
        run.most("looks at registration keys", seen["INVALID_API_KEY"], LOOKS_A_PAIR * minutes)
        for page in ("status", "metrics"):
            run.most(f"looks at the token of {page}", seen[f"{page} 401"], LOOKS_A_PAIR * minutes)
        back = await RawSocket.open("127.0.0.1", server.port, headers=HOME)
        run.least("known workstation back", float(await register(back, tunnel) == tunnel), 1)
        again = await RawSocket.open("127.0.0.1", server.port, headers=HOME)
        await connect(again, tunnel, "phone")
        run.least("known phone in", 1.0, 1)
        await eventually(lambda: "keys refused" in server.logs(), 10, "a log line on refused keys")
        run.note(f"{dict(seen)}")
        for socket in (phone, back, again):
            socket.close()


async def on_socket(server: Server, door: str, tunnel: str, tries: int) -> Counter[str]:
    seen = Counter[str]()
    fields = {"api_key": REGISTRATION_KEY, "name": "x", "auth_key": WRONG}
    messages = {
        "connect": ("connect", {"tunnel_id": tunnel, "auth_key": WRONG, "device_id": "thief"}),
        "previous": ("workstation.register", fields | {"reconnect": True, "previous_tunnel_id": tunnel}),
        "register": ("workstation.register", fields | {"api_key": WRONG}),
    }
    kind, payload = messages[door]
    headers = ELSEWHERE if door == "previous" else HOME
    for _ in range(tries):
        socket = await RawSocket.open("127.0.0.1", server.port, headers=headers)
        answer = await socket.ask({"type": kind, "payload": payload})
        seen[str(answer["payload"].get("code", answer["type"]))] += 1
        socket.close()
    return seen


async def over_http(server: Server, tunnel: str, tries: int) -> Counter[str]:
    seen = Counter[str]()
    headers = {"X-Forwarded-For": "203.0.113.9", "Authorization": f"Bearer {WRONG}"}
    watch = headers | {"X-Tunnel-Id": tunnel, "X-Device-Id": "thief"}
    async with httpx.AsyncClient(base_url=server.url, timeout=30, verify=False) as http:
        for _ in range(tries):
            for name, path, sent in (
                ("watch", "/api/v1/watch/state", watch),
                ("status", "/status", headers),
                ("metrics", "/metrics", headers),
            ):
                seen[f"{name} {(await http.get(path, headers=sent)).status_code}"] += 1
    return seen
