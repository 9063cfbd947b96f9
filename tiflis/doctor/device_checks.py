"""Checks of device keys through the proxy: a key is minted, used, limited and revoked."""

from __future__ import annotations

import http.client
import json
from collections.abc import AsyncIterator

from websockets.exceptions import WebSocketException

from tiflis.doctor.findings import FAIL, OK, Finding
from tiflis.doctor.socket_checks import Line, Refused, Tunnel
from tiflis.doctor.target import Reply

BASE = "/api/v1/devices"
OWNER, DEVICE = "doctor", "doctor-device"
CHECK = "device keys"
METHODS = "let POST, GET, PATCH and DELETE below /api/v1/ pass the proxy; with AUTH_HEADER set, sign in there"


async def device_keys(tunnel: Tunnel) -> AsyncIterator[Finding]:
    """Mint a key that may only read, connect with it, try to write, and revoke it."""
    try:
        yield await _try(tunnel)
    except Refused as problem:
        yield Finding(FAIL, CHECK, f"a minted key is refused: {problem}", "see the server's log")
    except (OSError, TimeoutError, WebSocketException, http.client.HTTPException) as problem:
        yield Finding(FAIL, CHECK, str(problem) or type(problem).__name__, "see the proxy's log")


async def _try(tunnel: Tunnel) -> Finding:
    minted = await _call(tunnel, "POST", "", {"name": "tiflis doctor", "scope": "view", "expires_in": 60})
    if minted.status != 201:
        return Finding(FAIL, CHECK, f"minting: HTTP {minted.status}", METHODS)
    made = minted.json()
    key, key_id = str(made["pairing"]["key"]), str(made["device"]["key_id"])
    device = await Line.open(tunnel.target)
    try:
        who = {"tunnel_id": tunnel.tunnel_id, "auth_key": key, "device_id": DEVICE}
        await device.send({"type": "connect", "payload": who})
        await device.next("connected")
        await device.send({"type": "session.input", "session_id": "doctor", "payload": {"data": ""}})
        limited = await _is_forbidden(device)
        revoked = await _call(tunnel, "DELETE", f"/{key_id}")
        if revoked.status != 200:
            return Finding(FAIL, CHECK, f"revoking: HTTP {revoked.status}", METHODS)
    finally:
        await device.close()
    if not limited:
        return Finding(FAIL, CHECK, "a key that may only read has written", "update the server")
    return Finding(OK, CHECK, "a key is minted, used by its device, limited and revoked")


async def _is_forbidden(device: Line) -> bool:
    try:
        await device.next("doctor.never")
    except Refused as problem:
        return str(problem).startswith("FORBIDDEN")
    return False


async def _call(tunnel: Tunnel, method: str, path: str, body: dict[str, object] | None = None) -> Reply:
    headers = {
        "Authorization": f"Bearer {tunnel.auth_key}",
        "X-Tunnel-Id": tunnel.tunnel_id,
        "X-Device-Id": OWNER,
        "Content-Type": "application/json",
    }
    text = b"" if body is None else json.dumps(body).encode()
    return await tunnel.target.request(method, BASE + path, text, headers, 30)
