"""S1, S4, S5, S8, S13: who gets in, and as whom."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import nats

from tests.harness import AUTH_KEY, REGISTRATION_KEY, Server
from tests.rawsocket import RawSocket
from tests.system.nginx import Nginx
from tiflis.relay.auth.rate_limit import LOOKS_A_PAIR
from tools.bench import accounting
from tools.faults.attacks import pair
from tools.faults.enter import connect, kept_alive, register
from tools.faults.run import Run, need, scenario

WRONG = "wrong-key-0123456789-wrong-key"
TRIES_A_SOCKET = 25
ATTACKER, OWNER = "X-Forwarded-For: 203.0.113.9\r\n", "X-Forwarded-For: 203.0.113.8\r\n"


@scenario("S1", "wrong keys from one address, over all workers and both transports", 200)
async def wrong_keys(run: Run) -> None:
    count = run.size(10_000, 400)
    with run.server(workers=2, env={"TRUST_PROXY": "true"}) as server:
        *one, tunnel = await pair(server)
        *another, other = await pair(server)
        used, seen = accounting.read(server.processes()), Counter[str]()
        room = asyncio.Semaphore(20)

        async def on_socket() -> None:
            async with room:
                socket = await RawSocket.open("127.0.0.1", server.port, headers=ATTACKER)
                payload = {"tunnel_id": tunnel, "auth_key": WRONG, "device_id": "thief"}
                for _ in range(TRIES_A_SOCKET):
                    answer = await socket.ask({"type": "connect", "payload": payload})
                    seen[str(answer["payload"]["code"]).lower()] += 1
                socket.close()

        async def over_http(tries: int) -> None:
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
                for _ in range(tries):
                    seen[await watch_connects(http, tunnel, WRONG, "203.0.113.9")] += 1

        async with kept_alive(*one, *another):
            await asyncio.gather(
                *(on_socket() for _ in range(count // 2 // TRIES_A_SOCKET)),
                *(over_http(count // 2 // 10) for _ in range(10)),
            )
        used = accounting.read(server.processes()) - used
        minutes = 1 + int(used.at // 60)
        run.most("keys compared", seen["invalid_auth_key"], LOOKS_A_PAIR * minutes)
        run.least("refused without comparison", seen["rate_limited"], count - LOOKS_A_PAIR * minutes)
        run.most("processor per refusal", 1000 * used.cpu / count, 5, " ms")
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            same = await watch_connects(http, other, AUTH_KEY, "203.0.113.9")
            owner = await watch_connects(http, tunnel, AUTH_KEY, "203.0.113.8")
        socket = await RawSocket.open("127.0.0.1", server.port, headers=OWNER)
        await connect(socket, tunnel, "owner")
        run.least("owner elsewhere let in", float(owner == "success"), 1)
        run.least("other tunnel of that address let in", float(same == "success"), 1)
        run.note(f"{sum(seen.values()):,} tries in {used.at:.0f} s: {dict(seen)}")


async def watch_connects(http: httpx.AsyncClient, tunnel: str, key: str, address: str) -> str:
    who = {"tunnel_id": tunnel, "auth_key": key, "device_id": "w"}
    answer = await http.post("/api/v1/watch/connect", json=who, headers={"X-Forwarded-For": address})
    return str(answer.json().get("error", "success"))


@scenario("S4", "theft of tunnels with a registration key and another auth key", 120, in_tests=True)
async def thieves(run: Run) -> None:
    tries = run.size(1000, 60)
    with run.server(workers=2) as server:
        stolen, kept, tunnels = 0, 0, list[str]()
        for number in range(tries):
            owner = await RawSocket.open("127.0.0.1", server.port)
            tunnel = await register(owner)
            kind = run.dice.choice(("live", "offline", "racing"))
            if kind != "live":
                owner.close()
            if kind == "racing":
                thief, again = await asyncio.gather(steal(server, tunnel), returns(server, tunnel))
                kept += again
                stolen += thief
            else:
                stolen += await steal(server, tunnel)
            if number % 50 == 49:
                await asyncio.sleep(0)
            owner.close()
            tunnels.append(tunnel)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        stolen += sum([await steal(server, tunnel) for tunnel in tunnels[-tries // 5 :]])
        run.most("stolen", stolen, 0)
        run.note(
            f"{tries} tries, {kept} owners came back while a thief raced them; {tries // 5} after a restart"
        )


async def steal(server: Server, tunnel: str) -> bool:
    """Return whether a workstation with another auth key gets this tunnel's id."""
    socket = await RawSocket.open("127.0.0.1", server.port)
    payload = {
        "api_key": REGISTRATION_KEY,
        "name": "thief",
        "auth_key": AUTH_KEY[::-1],
        "reconnect": True,
        "previous_tunnel_id": tunnel,
    }
    answer = await socket.ask({"type": "workstation.register", "payload": payload})
    socket.close()
    return bool(answer["payload"].get("tunnel_id") == tunnel)


async def returns(server: Server, tunnel: str) -> bool:
    await asyncio.sleep(random.uniform(0, 0.005))
    socket = await RawSocket.open("127.0.0.1", server.port)
    same = await register(socket, tunnel) == tunnel
    socket.close()
    return same


ODD = (
    *("*", ">", ".", "a.*", "a.>", "$JS.API.>", "_INBOX.>", "a b", "\r\n", "x\r\nPUB x 1\r\ny\r\n"),
    *("\t", "\0", "\u202e", "💥", "ü" * 64, "x" * 10_000, "../../etc/passwd", "%2e%2e", "{}", "a/b", " "),
)
UNLIMITED = {"ATTEMPTS_AN_ADDRESS": "400", "ATTEMPTS_A_TUNNEL": "400"}  # all are to be looked at
HARMLESS = {400, 401, 404, 429, 503}
REFUSALS = {"INVALID_PAYLOAD", "TUNNEL_NOT_FOUND", "INVALID_AUTH_KEY", "RATE_LIMITED", "WORKSTATION_OFFLINE"}


@scenario("S5", "wildcards, line ends, 10 kB and unicode in every id", 120)
async def odd_ids(run: Run) -> None:
    """An odd device id is a name like any other where it is legal; it must stay one."""
    with run.server(workers=2, env=UNLIMITED) as server:
        workstation, client, tunnel = await pair(server)
        subjects = set[bytes]()
        url = (server.run_dir / "bus.url").read_text().strip()
        listener = await nats.connect(url)

        async def overheard(message: Any) -> None:
            subjects.add(message.subject.encode("utf-8", "surrogateescape"))

        await listener.subscribe(">", cb=overheard)
        answers, unexpected = Counter[str](), list[str]()
        async with httpx.AsyncClient(base_url=f"{server.url}/api/v1/watch", timeout=30) as http:
            for odd in run.size(ODD, ODD[::4]):
                for where in ("tunnel_id", "device_id", "auth_key"):
                    who = {"tunnel_id": tunnel, "device_id": "w", "auth_key": AUTH_KEY, where: odd}
                    legal = where == "device_id"
                    for status in await over_watch(http, who):
                        answers[str(status)] += 1
                        if status not in HARMLESS | ({200} if legal else set()):
                            unexpected.append(f"{where} {odd[:20]!r}: {status}")
                    code = await over_socket(server, who)
                    answers[code] += 1
                    if code not in REFUSALS | ({"connected"} if legal else set()):
                        unexpected.append(f"{where} {odd[:20]!r}: {code}")
                workstation.send(
                    {"type": "forward.to_device", "device_id": odd, "payload": '{"type":"foreign"}'}
                )
                stranger = await RawSocket.open("127.0.0.1", server.port)
                fresh = await register(stranger, odd)
                unexpected += [f"got {odd[:20]!r} as its id"] if fresh == odd and not odd.isalnum() else []
                stranger.close()
        await asyncio.sleep(0.5)
        foreign = sum(b"foreign" in text for text in client.inbox)
        await listener.close()
        wild = [name for name in subjects if set(name) & set(b"*> \r\n\t") or len(name) > 1000]
        run.most("answers not foreseen", len(unexpected), 0)
        run.most("messages to others", foreign, 0)
        run.most("odd subjects on the bus", len(wild), 0)
        run.least("subjects overheard", len(subjects), 1)
        run.least("serving", float(server.status("/readyz", 5) == 200), 1)
        run.note(f"{dict(answers)} {unexpected[:5] or ''}")
        client.close()
        workstation.close()


async def over_watch(http: httpx.AsyncClient, who: dict[str, str]) -> list[int]:
    answers = [
        await http.post("/connect", json=who),
        await http.post("/command", json={**who, "message": {"type": "x"}}),
        await http.get("/messages", params=who),
        await http.get("/state", params=who),
        await http.post("/disconnect", json=who),
    ]
    return [answer.status_code for answer in answers]


async def over_socket(server: Server, who: dict[str, str]) -> str:
    """Return the first answer to a `connect` with this."""
    socket = await RawSocket.open("127.0.0.1", server.port)
    try:
        answer = await socket.ask({"type": "connect", "payload": who})
        return str(answer["payload"].get("code", answer["type"]))
    finally:
        socket.close()


TALKATIVE = {"ACCESS_LOG": "true", "LOG_LEVEL": "debug"}


@scenario("S8", "forged X-Forwarded-For, direct and through nginx", 60)
async def forged_addresses(run: Run) -> None:
    """nginx is reached from 127.0.0.2, which no setting trusts."""
    need("nginx", "the way through it")
    with run.server(workers=2, env={"TRUST_PROXY": "false", **TALKATIVE}) as server:
        await forge(run, "direct", server, server.port)
        run.most("forged addresses in the log", server.logs().count("203.0.113."), 0)
    with (
        run.server(workers=2, env={"TRUST_PROXY": "127.0.0.1", **TALKATIVE}) as server,
        Nginx(server) as nginx,
    ):
        await forge(run, "through nginx", server, nginx.port)
        run.most("forged addresses in the log behind nginx", server.logs().count("203.0.113."), 0)
        run.least("real ones there", server.logs().count("127.0.0.2"), 1)


async def forge(run: Run, way: str, server: Server, port: int) -> None:
    workstation, client, tunnel = await pair(server)
    seen = Counter[str]()
    for number in range(LOOKS_A_PAIR + 5):
        header = f"X-Forwarded-For: 203.0.113.{number}\r\n"
        socket = await RawSocket.open("127.0.0.1", port, headers=header, origin="127.0.0.2")
        payload = {"tunnel_id": tunnel, "auth_key": WRONG, "device_id": "d"}
        answer = await socket.ask({"type": "connect", "payload": payload})
        seen[str(answer["payload"].get("code", answer["type"]))] += 1
        socket.close()
    run.most(f"keys compared, {way}", seen["INVALID_AUTH_KEY"], LOOKS_A_PAIR)
    run.least(f"refused without comparison, {way}", seen["RATE_LIMITED"], 5)
    for one in (workstation, client):
        one.close()


@scenario("S13", "listening sockets after the start", 60, in_tests=True)
async def listeners(run: Run) -> None:
    with run.server(workers=2, env={"HOST": "0.0.0.0"}) as server:
        inodes = {
            link.readlink().name
            for pid in server.processes()
            for link in Path(f"/proc/{pid}/fd").iterdir()
            if link.is_symlink() and str(link.readlink()).startswith("socket:")
        }
        public = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes and address != "0100007F":
                public.add(int(port, 16))
        run.most("ports off loopback besides ours", len(public - {server.port}), 0)
        run.least("our port", float(server.port in public), 1)
