"""N11: the key of a device is revoked, or made, while workers, the bus or main are not as usual."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx

from tests.harness import AUTH_KEY, Server, eventually
from tests.rawsocket import RawSocket, message
from tests.system.device_keys import Owner, id_of, key_of, refusal
from tests.system.hosts import Hosts
from tests.system.test_bus_at_start import of_account
from tiflis.bus.presence import LEASE_SECONDS
from tools.faults.access import UNLIMITED
from tools.faults.bus import OVER_THE_BUS, stopped
from tools.faults.enter import kept_alive, register
from tools.faults.processes import PATIENCE, all_new
from tools.faults.run import Run, scenario

NO_KEYS = (
    ', permissions: {publish: {deny: ["$JS.API.*.*.KV_tiflis_devices", "$JS.API.*.*.KV_tiflis_devices.>"]}}'
)
UNKNOWN_KEY = "dk_AAAAAAAA_" + "B" * 32
COMMAND = message({"type": "session.input", "session_id": "s", "payload": {"data": "x"}})
REVOKED = "The key is revoked"


class Desk:
    """A workstation, and a device of its own that sends a marker once a revocation is answered with 200:
    whatever comes of the revoked device behind it is late."""

    def __init__(self, socket: RawSocket, tunnel: str, kept: RawSocket) -> None:
        self.socket, self.tunnel, self.kept = socket, tunnel, kept
        self.marked: set[str] = set()
        self.before, self.late = Counter[str](), 0
        socket.on_message = self._take

    @classmethod
    async def open(cls, server: Server, kept_at: Server) -> Desk:
        socket = await RawSocket.open("127.0.0.1", server.port)
        tunnel = await register(socket)
        return cls(socket, tunnel, await connected(kept_at, tunnel, "kept", AUTH_KEY))

    def _take(self, text: bytes) -> None:
        found = json.loads(text)
        if found["type"] == "marker":
            self.marked.add(found["id"])
        elif found["type"] == "session.input" and found["device_id"] in self.marked:
            self.late += 1
        elif found["type"] == "session.input":
            self.before[found["device_id"]] += 1

    async def mark(self, device: str) -> None:
        """Wait until all that was accepted so far has come."""
        self.kept.send({"type": "marker", "id": device})
        await eventually(lambda: device in self.marked, PATIENCE, "the marker has come")

    def close(self) -> None:
        self.socket.close()
        self.kept.close()


async def connected(
    server: Server, tunnel: str, device: str, key: str, worker: int | None = None
) -> RawSocket:
    """Connect a device; with ``worker``, to that worker process."""
    with server.accepting_only(worker) if worker else contextlib.nullcontext():
        socket = await RawSocket.open("127.0.0.1", server.port)
    payload = {"tunnel_id": tunnel, "auth_key": key, "device_id": device}
    answer = await socket.ask({"type": "connect", "payload": payload})
    assert answer["type"] == "connected", answer
    return socket


async def press(socket: RawSocket) -> None:
    """Send commands until the socket is closed."""
    while socket.closed is None:
        socket.transport.write(COMMAND)
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def pressing(desk: Desk, sockets: list[RawSocket], device: str) -> AsyncIterator[None]:
    """Have all sockets send commands, some of which have come before this begins."""
    tasks = [asyncio.create_task(press(socket)) for socket in sockets]
    try:
        await eventually(lambda: desk.before[device], PATIENCE, "its commands come")
        yield
    finally:
        for socket in sockets:
            socket.close()
        await asyncio.gather(*tasks)


async def until_revoked(owner: Owner, key_id: str, answers: Counter[int]) -> None:
    """Revoke a key as a patient owner does: again until the answer is 200."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer = await owner.revoke(key_id)
            except httpx.TransportError:  # the worker that had the call has died
                answers[0] += 1
                continue
            answers[answer.status_code] += 1
            if answer.status_code == 200:
                return
            assert answer.json()["message"].startswith(REVOKED), answer.text


@contextlib.contextmanager
def two_hosts(run: Run, workers: int) -> Iterator[list[Server]]:
    with tempfile.TemporaryDirectory(prefix="tiflis-faults-") as folder:
        hosts = Hosts(Path(folder), workers=workers, env=OVER_THE_BUS)
        try:
            hosts.start()
            yield hosts.servers
        finally:
            for server in hosts.servers:
                if run.failed_so_far():
                    run.note("log: " + server.tail(5))
            hosts.end()


@scenario("N11", "a device's key revoked at any moment, on two hosts with two workers each", 900)
async def revoked_anywhere(run: Run) -> None:
    races, slowest, answers = run.size(1000, 10), 0.0, Counter[int]()
    with two_hosts(run, 2) as servers:
        desk = await Desk.open(*servers)
        async with kept_alive(desk.socket, desk.kept), contextlib.AsyncExitStack() as stack:
            owners = [await stack.enter_async_context(Owner(one, desk.tunnel)) for one in servers]
            for race in range(races):
                device, minted = f"lost-{race}", await run.dice.choice(owners).mint()
                homes = [run.dice.choice(servers), *servers, run.dice.choice(servers)]
                sockets = [await connected(one, desk.tunnel, device, key_of(minted)) for one in homes]
                async with pressing(desk, sockets, device):
                    await asyncio.sleep(run.dice.uniform(0, 0.02))
                    await until_revoked(run.dice.choice(owners), id_of(minted), answers)
                    answered = time.monotonic()
                    await desk.mark(device)
                    await eventually(partial(all_closed, sockets), PATIENCE, "all are closed")
                    slowest = max(slowest, time.monotonic() - answered)
        run.most("messages after the answer", desk.late, 0)
        run.most("answers other than 200", answers.total() - answers[200], 0)
        run.most("all sockets closed after the answer", slowest, 1 + run.slack(0.1), " s")
        run.least("messages before it", desk.before.total(), races)
        desk.close()


def all_closed(sockets: list[RawSocket]) -> bool:
    return all(socket.closed is not None for socket in sockets)


class Site:
    """A server of two workers, one of which is home to the workstation, and an owner who calls that one."""

    def __init__(self, run: Run, server: Server, desk: Desk) -> None:
        self.run, self.server, self.desk = run, server, desk
        home = server.worker_at(desk.socket.transport.get_extra_info("sockname")[1])
        assert home is not None
        self.home = home

    @property
    def other(self) -> int:
        return next(pid for pid in self.server.worker_pids().values() if pid != self.home)

    async def device(self, worker: int, device: str, key: str) -> RawSocket:
        return await connected(self.server, self.desk.tunnel, device, key, worker)

    @contextlib.asynccontextmanager
    async def lost(self, device: str) -> AsyncIterator[tuple[Owner, str, list[RawSocket]]]:
        """Have a device press keys at both workers; yield the owner, the id of its key, and its sockets."""
        async with Owner(self.server, self.desk.tunnel) as owner:
            with self.server.accepting_only(self.home):
                await owner.http.get(f"{self.server.url}/healthz")  # opens its connection
            minted = await owner.mint()
            sockets = [await self.device(at, device, key_of(minted)) for at in (self.home, self.other)]
            self.desk.kept.close()
            self.desk.kept = await self.device(self.home, "kept", AUTH_KEY)
            async with kept_alive(self.desk.kept), pressing(self.desk, sockets, device):
                yield owner, id_of(minted), sockets


async def worker_dies(site: Site, device: str, seen: Counter[int]) -> None:
    async with site.lost(device) as (owner, key_id, sockets):
        victim = site.other
        revoking = asyncio.create_task(until_revoked(owner, key_id, seen))
        await asyncio.sleep(site.run.dice.uniform(0, 0.005))
        os.kill(victim, signal.SIGKILL)
        await revoking
        await site.desk.mark(device)
        await eventually(lambda: all_closed(sockets), PATIENCE, "all are closed")
    await all_new(site.server, {victim})


async def worker_stands_still(site: Site, device: str, seen: Counter[int]) -> None:
    async with site.lost(device) as (owner, key_id, sockets):
        with stopped(site.other):
            answer = await owner.revoke(key_id)
            seen[answer.status_code] += 1
            assert answer.json()["message"].startswith(REVOKED), answer.text
        await until_revoked(owner, key_id, seen)
        await site.desk.mark(device)
        await eventually(lambda: all_closed(sockets), PATIENCE, "all are closed")


@scenario("N11a", "a worker dies, or stands still, while a device's key is revoked", 400, in_tests=True)
async def revoked_without_a_worker(run: Run) -> None:
    """The device has a socket on it; it is not the home of the workstation."""
    turns, died, still = run.size(10, 1), Counter[int](), Counter[int]()
    with run.server(workers=2, env=OVER_THE_BUS) as server:
        desk = await Desk.open(server, server)
        async with kept_alive(desk.socket):
            site = Site(run, server, desk)
            for turn in range(turns):
                await worker_dies(site, f"died-{turn}", died)
                await worker_stands_still(site, f"still-{turn}", still)
        desk.close()
    run.most("messages after an answer of 200", desk.late, 0)
    run.least("messages before it", desk.before.total(), 2 * turns)
    run.least("answers of 503 while a worker stood still", still[503], turns)
    run.note(f"answers while a worker died {dict(died)}, while one stood still {dict(still)}")


@scenario("N11b", "a host that is cut off while a device's key is revoked at the other one", 120)
async def revoked_without_a_host(run: Run) -> None:
    """The workstation and the device are there; its workers' lease is over when the key is revoked."""
    first, seen = Counter[int](), Counter[int]()
    with two_hosts(run, 1) as (here, there):
        desk = await Desk.open(there, there)
        async with Owner(here, desk.tunnel) as owner, kept_alive(desk.socket, desk.kept):
            minted = await owner.mint()
            sockets = [await connected(there, desk.tunnel, "lost", key_of(minted))]
            async with pressing(desk, sockets, "lost"):
                with stopped(*there.worker_pids().values()):
                    await asyncio.sleep(LEASE_SECONDS + 2)
                    first[(await owner.revoke(id_of(minted))).status_code] += 1
                await until_revoked(owner, id_of(minted), seen)
                await desk.mark("lost")
                await eventually(lambda: all_closed(sockets), PATIENCE, "all are closed")
        desk.close()
    run.most("messages after an answer of 200", desk.late, 0)
    run.least("answers of 503 while it was away", first[503], 1)


@scenario("N11c", "a bus that stores no device keys", 60, in_tests=True)
async def no_storage_for_keys(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="tiflis-faults-") as folder:
        nats = of_account(Path(folder) / "nats", "jetstream: enabled", NO_KEYS)
        nats.start()
        try:
            with run.server_in(Path(folder), workers=1, env={"NATS_URL": nats.url}) as server:
                await without_keys(run, server)
        finally:
            nats.stop()


async def without_keys(run: Run, server: Server) -> None:
    desk = await Desk.open(server, server)
    await desk.mark("anything")
    run.least("messages with the owner's key", len(desk.marked), 1)
    async with Owner(server, desk.tunnel) as owner:
        minted, listed = await owner.http.post("/devices", json={}), await owner.http.get("/devices")
        redeemed = await owner.http.post("/devices/redeem", json={"code": "ABCD2345"})
    refused = await refusal(server, desk.tunnel, UNKNOWN_KEY, "phone")
    desk.close()
    clear = {"minting": minted.text, "a code": redeemed.text, "a key": refused["message"]}
    run.most(
        "answers that do not name device keys", sum("evice keys" not in one for one in clear.values()), 0
    )
    run.least("answers of 503", [minted.status_code, redeemed.status_code].count(503), 2)
    run.least("the list", float(listed.status_code == 200 and listed.json()["devices"] == []), 1)
    run.least("said in the log", server.logs().count("device keys not loaded yet"), 1)
    run.note(f"{clear}")


@scenario("N11d", "main killed while device keys are made and codes redeemed", 400, in_tests=True)
async def main_dies_while_minting(run: Run) -> None:
    kills, twice, lost, redeemed = run.size(10, 1), 0, 0, 0
    with run.server(workers=2, env=UNLIMITED) as server:
        socket = await RawSocket.open("127.0.0.1", server.port)
        tunnel = await register(socket)
        for _ in range(kills):
            async with Owner(server, tunnel) as owner:
                codes = [(await owner.mint())["code"] for _ in range(3)]
                minting = [asyncio.create_task(owner.http.post("/devices", json={})) for _ in range(3)]
                early = asyncio.create_task(redeem(server, codes[0]))
                await asyncio.sleep(run.dice.uniform(0, 0.03))
                server.kill_main()
                answers = await asyncio.gather(*minting, return_exceptions=True)
                codes += [
                    one.json()["code"]
                    for one in answers
                    if isinstance(one, httpx.Response) and one.is_success
                ]
                taken = {codes[0]: await early}
            await eventually(lambda: not server.processes(), PATIENCE, "workers and bus are gone")
            await asyncio.to_thread(server.start)
            socket.close()
            socket = await RawSocket.open("127.0.0.1", server.port)
            assert await register(socket, tunnel) == tunnel
            for code in codes:
                tries = [taken.get(code, False), *[await redeem(server, code) for _ in range(2)]]
                twice += tries.count(True) > 1
                lost += code != codes[0] and not any(tries)
                redeemed += any(tries)
        socket.close()
    run.most("codes that worked twice", twice, 0)
    run.most("codes handed out that never worked", lost, 0)
    run.least("codes that worked", redeemed, 2 * kills)


async def redeem(server: Server, code: str) -> bool:
    """Return whether a code was exchanged for its key; False if the server died meanwhile."""
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
        try:
            answer = await http.post("/api/v1/devices/redeem", json={"code": code})
        except httpx.TransportError:
            return False
    return answer.status_code == 200
