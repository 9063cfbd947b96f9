"""Checks that need the registration key: a tunnel of our own, with a workstation and a device."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import json
import statistics
import time
from collections.abc import AsyncIterator
from typing import Any, Literal
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.protocol import State

from tiflis.doctor.findings import FAIL, NOTE, OK, Finding, mebibytes, milliseconds
from tiflis.doctor.target import CONNECT_SECONDS, Target

MIB = 2**20
SIZES = (1024, 64 * 1024, MIB, 16 * MIB, 50 * MIB)
LIMIT = 50 * MIB  # the largest message
BIG_SECONDS = 120.0  # for 50 MiB on a slow line
ROUNDS = 200
PING_SECONDS = 5.0
LOOKS = 10  # wrong keys that the server compares per minute
ANSWER_SECONDS = 15.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Refused(Exception):
    """The server answered with an error."""


class Line:
    """One WebSocket of the doctor."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._pinging = asyncio.create_task(self._ping())

    @classmethod
    async def open(cls, target: Target, forwarded: str = "") -> Line:
        proxy: Literal[True] | None = None if target.host in LOOPBACK else True
        socket = await connect(
            target.ws_url,
            ssl=target.tls("http/1.1") if target.secure else None,
            open_timeout=ANSWER_SECONDS,
            close_timeout=2,
            ping_interval=None,
            compression=None,
            max_size=LIMIT + MIB,
            max_queue=None,  # pongs pile up while they are not read
            additional_headers={"X-Forwarded-For": forwarded} if forwarded else None,
            proxy=proxy,
        )
        return cls(socket)

    async def send(self, message: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(message, separators=(",", ":")))

    async def next(self, kind: str, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Return the next message of this type, skipping others. Raise Refused, TimeoutError,
        ConnectionClosed."""
        async with asyncio.timeout(seconds):
            while True:
                message: dict[str, Any] = json.loads(await self.socket.recv())
                if message.get("type") == kind:
                    return message
                if message.get("type") == "error":
                    raise Refused(f"{message['payload'].get('code')}: {message['payload'].get('message')}")

    @property
    def alive(self) -> bool:
        return self.socket.state is State.OPEN

    async def close(self) -> None:
        self._pinging.cancel()
        with contextlib.suppress(WebSocketException, OSError):
            await self.socket.close()

    async def _ping(self) -> None:
        """Send pings as every client does, or the server counts it as dead."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(PING_SECONDS)
                await self.send({"type": "ping", "timestamp": int(time.time() * 1000)})


class Tunnel:
    """The doctor's own tunnel: the same in every run, so that they do not pile up in the directory."""

    def __init__(self, target: Target, api_key: str) -> None:
        self.target = target
        self._api_key = api_key
        secret = hmac.new(api_key.encode(), b"tiflis doctor", hashlib.sha256).hexdigest()
        self.auth_key = secret[:40]
        self._wanted = f"doctor-{secret[40:52]}"
        self.tunnel_id = ""
        self.public_url = ""
        self.workstation: Line
        self.device: Line

    async def open(self) -> None:
        """Register and connect. Raise as Line does."""
        self.workstation, registered = await self.register(self._wanted)
        self.tunnel_id, self.public_url = registered["tunnel_id"], str(registered.get("public_url"))
        self.device = await Line.open(self.target)
        await self.device.send({"type": "connect", "payload": self.credentials("doctor")})
        await self.device.next("connected")

    async def register(self, tunnel_id: str) -> tuple[Line, dict[str, Any]]:
        """Register a workstation under this id; return its line and the payload of the answer."""
        line = await Line.open(self.target)
        payload = {
            "api_key": self._api_key,
            "name": "tiflis doctor",
            "auth_key": self.auth_key,
            "reconnect": True,
            "previous_tunnel_id": tunnel_id,
        }
        await line.send({"type": "workstation.register", "payload": payload})
        return line, (await line.next("workstation.registered"))["payload"]

    async def decoy(self) -> tuple[Line, dict[str, str]]:
        """Register a second tunnel for wrong keys; return its line and a payload to connect with a wrong
        key."""
        line, registered = await self.register(f"{self._wanted}-x")
        return line, {
            **self.credentials("doctor"),
            "tunnel_id": registered["tunnel_id"],
            "auth_key": "wrong" * 8,
        }

    def credentials(self, device_id: str) -> dict[str, str]:
        return {"tunnel_id": self.tunnel_id, "auth_key": self.auth_key, "device_id": device_id}

    async def close(self) -> None:
        for line in (getattr(self, "device", None), getattr(self, "workstation", None)):
            if line is not None:
                await line.close()


async def upgrade(tunnel: Tunnel) -> AsyncIterator[Finding]:
    """Check that sockets open, and which address workstations receive."""
    began = time.monotonic()
    try:
        await tunnel.open()
    except InvalidStatus as problem:
        yield Finding(FAIL, "upgrade", *_no_socket(tunnel.target, problem.response.status_code))
        return
    except Refused as problem:
        yield Finding(FAIL, "upgrade", str(problem), _refusal(str(problem)))
        return
    except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as problem:
        yield Finding(
            FAIL, "upgrade", f"no socket: {problem or 'no answer in time'}",
            "the proxy has to pass Upgrade and Connection on, in HTTP/1.1 (see deploy/)",
        )  # fmt: skip
        return
    yield Finding(
        OK, "upgrade", f"a tunnel with both ends open after {milliseconds(time.monotonic() - began)}"
    )
    yield await _announced_address(tunnel)


def _refusal(problem: str) -> str:
    if "RATE_LIMITED" in problem:
        return "wait a minute: too many wrong keys came from here"
    if "KEY" in problem:
        return "give the key of TUNNEL_REGISTRATION_API_KEY with --api-key or in the environment"
    return "see the server's log"


def _no_socket(target: Target, status: int) -> tuple[str, str]:
    text = f"{target.ws_path} answers HTTP {status} instead of opening a socket"
    if status in (426, 400):
        return text, "the proxy drops the Upgrade header: pass Upgrade and Connection on, in HTTP/1.1"
    if status == 403:
        return text, "ALLOWED_ORIGINS, or a rule of the proxy, refuses it"
    if status == 404:
        return text, "is WS_PATH another path? Then give its URL: wss://host/path"
    return text, "the proxy cannot reach the server, or the server is not ready: see both logs"


async def _announced_address(tunnel: Tunnel) -> Finding:
    public, asked = urlsplit(tunnel.public_url), tunnel.target
    port = public.port or (443 if public.scheme == "wss" else 80)
    if (public.scheme == "wss") != asked.secure:
        return Finding(
            FAIL, "address", f"workstations receive {tunnel.public_url}",
            "set PUBLIC_BASE_URL, or TRUST_PROXY so that X-Forwarded-Proto of the proxy counts",
        )  # fmt: skip
    if public.hostname == asked.host and port != asked.port and not await _listens(asked.host, port):
        return Finding(
            FAIL, "address", f"workstations receive {tunnel.public_url}, and port {port} there is closed",
            "pass the port on: proxy_set_header Host $http_host, or X-Forwarded-Host; or set PUBLIC_BASE_URL",
        )  # fmt: skip
    if (public.hostname, port, public.path) != (asked.host, asked.port, asked.ws_path):
        return Finding(
            NOTE, "address", f"workstations receive {tunnel.public_url}, not {asked.ws_url}",
            "set PUBLIC_BASE_URL if phones cannot reach the former",
        )  # fmt: skip
    return Finding(OK, "address", f"workstations receive {tunnel.public_url}")


async def _listens(host: str, port: int) -> bool:
    """Return whether a connection to this port opens."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    return True


async def sizes(tunnel: Tunnel) -> AsyncIterator[Finding]:
    """Check messages of up to 50 MiB, both ways."""
    done = "nothing"
    for size in SIZES:
        began = time.monotonic()
        frame = {"type": "doctor.size", "data": ""}
        # Both ends' wrapping stays below the limit: the server adds the device's id.
        frame["data"] = "x" * max(0, size - len(json.dumps(frame)) - 64)
        try:
            for sender, receiver in (
                (tunnel.device, tunnel.workstation), (tunnel.workstation, tunnel.device)
            ):  # fmt: skip
                sending = asyncio.create_task(sender.send(frame))
                try:
                    await receiver.next("doctor.size", BIG_SECONDS)
                    await sending
                finally:
                    sending.cancel()
        except (TimeoutError, ConnectionClosed, Refused, OSError) as problem:
            yield Finding(
                FAIL, "sizes", f"{mebibytes(size)} does not pass ({problem or 'too slow'}), {done} does",
                "raise the proxy's limit for messages, or switch its WebSocket inspection off",
            )  # fmt: skip
            return
        done = mebibytes(size)
    took = time.monotonic() - began
    yield Finding(OK, "sizes", f"messages up to {done} pass both ways, {2 * size / MIB / took:.0f} MiB/s")


async def speed(tunnel: Tunnel) -> AsyncIterator[Finding]:
    """Measure round trips of small messages, device to workstation and back."""
    times: list[float] = []
    try:
        for number in range(ROUNDS):
            began = time.monotonic()
            await tunnel.device.send({"type": "doctor.ask", "n": number})
            await tunnel.workstation.next("doctor.ask")
            await tunnel.workstation.send({"type": "doctor.answer", "n": number})
            await tunnel.device.next("doctor.answer")
            times.append(time.monotonic() - began)
    except (TimeoutError, ConnectionClosed, Refused) as problem:
        yield Finding(FAIL, "round trip", str(problem) or "no answer in time", "see the server's log")
        return
    p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
    text = f"p50 {milliseconds(p50)}, p99 {milliseconds(p99)} of {ROUNDS}, each twice through the proxy"
    if p99 > max(0.25, 10 * p50):
        yield Finding(
            NOTE, "round trip", text,
            "some are far slower: proxy_buffering off; a busy worker shows in tiflis_loop_lag_seconds",
        )  # fmt: skip
    else:
        yield Finding(OK, "round trip", text)


async def forged_address(tunnel: Tunnel) -> AsyncIterator[Finding]:
    """Try wrong keys at a tunnel of our own, each as if from another address: the limit must hold."""
    codes: list[str] = []
    here = False
    try:
        workstation, payload = await tunnel.decoy()
        for number in range(LOOKS + 2):
            line = await Line.open(tunnel.target, forwarded=f"203.0.113.{number + 1}")
            here = ipaddress.ip_address(line.socket.remote_address[0]).is_loopback
            await line.send({"type": "connect", "payload": payload})
            try:
                await line.next("connected")
            except Refused as problem:
                codes.append(str(problem).partition(":")[0])
            await line.close()
        await workstation.close()
    except (OSError, TimeoutError, WebSocketException, Refused) as problem:
        yield Finding(NOTE, "forgery", f"not determined: {problem}")
        return
    if "RATE_LIMITED" in codes:
        yield Finding(OK, "forgery", "a forged X-Forwarded-For changes nothing")
    elif here:
        yield Finding(
            NOTE, "forgery", "not determined: this machine may be one of the trusted proxies",
            "run the doctor from another machine",
        )  # fmt: skip
    else:
        yield Finding(
            FAIL, "forgery", "a forged X-Forwarded-For counts: wrong keys are not limited",
            "set TRUST_PROXY to the proxy's network only, and block the server's port for all others",
        )  # fmt: skip


async def idle(tunnel: Tunnel, seconds: float) -> AsyncIterator[Finding]:
    """Check that sockets with only pings stay open; every Line sends these by itself."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        await asyncio.sleep(min(1.0, seconds))
        if not (tunnel.device.alive and tunnel.workstation.alive):
            yield Finding(
                FAIL, "idle", f"cut after {time.monotonic() - began:.0f} s with only pings",
                "raise the proxy's timeouts for open sockets to an hour (see deploy/)",
            )  # fmt: skip
            return
    yield Finding(OK, "idle", f"{seconds:.0f} s with only pings are not cut")
