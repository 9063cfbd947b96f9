"""Checks that need no key: name, certificate, HTTP, health, headers."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import time
from collections.abc import AsyncIterator

from tiflis.doctor.findings import FAIL, NOTE, OK, Finding, milliseconds
from tiflis.doctor.target import Target

DAY = 86_400.0
EXPIRES_SOON = 14 * DAY
WRONG_PORT = "is the server, or the proxy in front of it, running, and the port open in the firewall?"


async def name(target: Target) -> AsyncIterator[Finding]:
    """Check that DNS knows the host."""
    began = time.monotonic()
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:  # the latter for a text that can be no name
        reason = getattr(problem, "strerror", "not the name of a host")
        yield Finding(FAIL, "name", f"{target.host}: {reason}", "add a DNS record for this name")
        return
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    yield Finding(OK, "name", f"{', '.join(addresses)} in {milliseconds(time.monotonic() - began)}")
    for address in addresses:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, target.port), 5)
            writer.close()
        except (OSError, TimeoutError) as problem:
            reason = str(problem) or "no answer within 5 s"
            what = "remove the record, or have the server listen there" if len(addresses) > 1 else WRONG_PORT
            yield Finding(FAIL, "name", f"{address} port {target.port}: {reason}", what)


async def certificate(target: Target) -> AsyncIterator[Finding]:
    """Check TLS and the HTTP version."""
    if not target.secure:
        yield Finding(
            NOTE, "tls", "none: anyone on the way can read keys and contents",
            "put a proxy with TLS in front (deploy/), and use https; browsers need it for the microphone",
        )  # fmt: skip
        return
    try:
        version, protocol, shown = await asyncio.to_thread(target.handshake, ["h2", "http/1.1"])
    except ssl.SSLCertVerificationError as problem:
        yield Finding(
            FAIL, "tls", f"certificate: {problem.verify_message}",
            "install a certificate for this very name, with its whole chain (fullchain.pem)",
        )  # fmt: skip
        return
    except OSError as problem:
        yield Finding(FAIL, "tls", str(problem), "does TLS end on this port? See the proxy's configuration")
        return
    left = ssl.cert_time_to_seconds(str(shown["notAfter"])) - time.time() if "notAfter" in shown else 0.0
    text = f"{version}, certificate valid for {left / DAY:.0f} days"
    if left < EXPIRES_SOON:
        yield Finding(FAIL, "tls", text, "renew it now, and find out why it was not renewed automatically")
    else:
        yield Finding(OK, "tls", text)
    spoken = {"h2": "HTTP/2 for pages, HTTP/1.1 for sockets", "http/1.1": "HTTP/1.1"}
    yield Finding(OK, "http", spoken.get(protocol, "HTTP/1.1, not negotiated"))


async def health(target: Target) -> AsyncIterator[Finding]:
    """Check that the server behind the proxy answers and is ready."""
    try:
        reply = await target.request("GET", "/health")
        ready = await target.request("GET", "/readyz")
    except (OSError, http.client.HTTPException) as problem:
        yield Finding(FAIL, "health", str(problem) or type(problem).__name__, WRONG_PORT)
        return
    health = reply.json()
    if "status" not in health:
        what = "the proxy cannot reach the server" if reply.status in (502, 504) else "this is not the server"
        yield Finding(
            FAIL, "health", f"HTTP {reply.status} without a health report: {what}",
            "compare the proxy's upstream with HOST and PORT of the server, and see both logs",
        )  # fmt: skip
        return
    status = f"{health['status']} ({health['why']})" if "why" in health else health["status"]
    text = f"{status}, version {health.get('version')}, answered in {milliseconds(reply.seconds)}"
    if health["status"] == "healthy" and ready.status == 200:
        yield Finding(OK, "health", text)
    else:
        state = ready.json().get("status", ready.status)
        yield Finding(
            FAIL, "health", f"{text}, readiness: {state}", "see tiflis status on the server, and its log"
        )


_EXPECTED = {
    "content-security-policy": "pages without it run injected scripts",
    "x-content-type-options": "",
    "x-frame-options": "",
    "referrer-policy": "",
}


async def headers(target: Target) -> AsyncIterator[Finding]:
    """Check the security headers of the page."""
    try:
        reply = await target.request("GET", "/")
        api = await target.request("GET", "/api/nothing")
    except (OSError, http.client.HTTPException) as problem:
        yield Finding(FAIL, "headers", str(problem))
        return
    if reply.status == 200:
        missing = [header for header in _EXPECTED if header not in reply.headers]
        if missing:
            yield Finding(
                FAIL, "headers", f"missing on the page: {', '.join(missing)}",
                "the server sends them: a proxy in front removes them",
            )  # fmt: skip
        else:
            yield Finding(OK, "headers", "the page has its security headers")
        if "no-cache" not in reply.headers.get("cache-control", ""):
            yield Finding(
                NOTE, "headers", "the page may be cached", "have the proxy leave Cache-Control as it is"
            )
    else:
        yield Finding(NOTE, "headers", f"no web client is served (HTTP {reply.status})")
    if target.secure and "strict-transport-security" not in reply.headers:
        yield Finding(
            NOTE, "headers", "no Strict-Transport-Security", "add it where TLS ends (see deploy/nginx)"
        )
    if api.json().get("code") != "NOT_FOUND":
        yield Finding(
            FAIL, "headers", "errors do not come from the server", "switch the proxy's own error pages off"
        )
