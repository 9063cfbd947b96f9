"""Checks of the watch API through the proxy: a call, a long poll, a voice message, and our address."""

from __future__ import annotations

import http.client
import ipaddress
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

from tiflis.doctor.findings import FAIL, NOTE, OK, Finding, milliseconds
from tiflis.doctor.socket_checks import Tunnel
from tiflis.doctor.target import Reply, Target

BASE = "/api/v1/watch"
VOICE_BYTES = 20 * 2**20  # ten minutes of voice, far above a proxy's usual 1 MiB
POLL_SECONDS = 20
DEVICE = "doctor-watch"


async def watch(tunnel: Tunnel, patience: float) -> AsyncIterator[Finding]:
    """Check connect, a command with a large body, and a poll that waits so many seconds, at most 20."""
    wait = min(POLL_SECONDS, round(patience))
    try:
        answer = await _post(tunnel, "connect", {})
        if answer.json().get("success") is not True:
            yield Finding(FAIL, "watch", f"connect: HTTP {answer.status}", _why(answer))
            return
        voice: dict[str, object] = {"message": {"type": "doctor.voice", "audio": "A" * VOICE_BYTES}}
        big = await _post(tunnel, "command", voice)
        poll = await _poll(tunnel, wait)
        await _post(tunnel, "disconnect", {})
    except (OSError, http.client.HTTPException) as problem:
        yield Finding(FAIL, "watch", str(problem) or type(problem).__name__, "see the proxy's log")
        return
    if big.status == 200:
        yield Finding(OK, "watch", f"calls pass, a voice message of 20 MiB in {milliseconds(big.seconds)}")
    else:
        yield Finding(FAIL, "watch", f"a voice message of 20 MiB: HTTP {big.status}", _why(big))
    if poll.status == 200:
        yield Finding(OK, "watch", f"a poll is held for {poll.seconds:.0f} s")
    else:
        yield Finding(FAIL, "watch", f"a poll of {wait} s: HTTP {poll.status}", _why(poll))


async def _post(tunnel: Tunnel, call: str, more: dict[str, object]) -> Reply:
    body = json.dumps(tunnel.credentials(DEVICE) | more).encode()
    headers = {"Content-Type": "application/json"}
    return await tunnel.target.request("POST", f"{BASE}/{call}", body, headers, 120)


async def _poll(tunnel: Tunnel, wait: int) -> Reply:
    who = tunnel.credentials(DEVICE)
    headers = {
        "Authorization": f"Bearer {who['auth_key']}",
        "X-Tunnel-Id": who["tunnel_id"],
        "X-Device-Id": quote(DEVICE),
    }
    path = f"{BASE}/messages?since=1000000&wait=0"
    current = (await tunnel.target.request("GET", path, headers=headers)).json().get("current_sequence", 0)
    path = f"{BASE}/messages?since={current}&wait={wait}"
    return await tunnel.target.request("GET", path, headers=headers, seconds=wait + 15)


def _why(answer: Reply) -> str:
    content = answer.json()
    if "message" in content:
        return f"the server says: {content['message']}"
    if answer.status == 413:
        return "the proxy refuses big bodies: client_max_body_size 65m (see deploy/nginx)"
    if answer.status in (502, 504):
        return "the proxy does not wait long enough, or cannot reach the server: proxy_read_timeout"
    return "this is the proxy's answer: see its log"


async def seen_address(target: Target, token: str) -> AsyncIterator[Finding]:
    """Check which address the server sees."""
    try:
        reply = await target.request("GET", "/status", headers={"Authorization": f"Bearer {token}"})
    except (OSError, http.client.HTTPException) as problem:
        yield Finding(FAIL, "real address", str(problem))
        return
    address = str(reply.json().get("your_address", ""))
    if reply.status != 200 or not address:
        change = "give the value of STATUS_TOKEN; without it set, the server has no /status"
        yield Finding(FAIL, "real address", f"/status answers HTTP {reply.status}", change)
        return
    text = f"the server sees you as {address}"
    if _is_inside(address) and not _is_inside(target.host):
        yield Finding(
            FAIL, "real address", f"{text}, which is the proxy's or a container's",
            "set TRUST_PROXY to the proxy's network (or unix), and have the proxy send X-Forwarded-For",
        )  # fmt: skip
    else:
        yield Finding(OK if address else NOTE, "real address", text)


def _is_inside(address: str) -> bool:
    """Return whether the address is private; names count as public, except this machine's."""
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return address == "localhost"
