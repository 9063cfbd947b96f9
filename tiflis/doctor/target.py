"""The server under test: its address, and single HTTP requests to it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

HTTP_SECONDS = 30.0
CONNECT_SECONDS = 10.0
_SCHEMES = {"http": False, "ws": False, "https": True, "wss": True}


class WrongUrl(Exception):
    """The URL names no server."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; ``seconds`` until it came."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> dict[str, Any]:
        """Return the body as an object, an empty one if it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Target:
    """Host, port and paths of a deployed server."""

    host: str
    port: int
    secure: bool
    ws_path: str
    authority: str
    ca: str | None = None  # a file with certificates to trust
    prefix: str = ""  # the path below which a proxy serves the whole server

    @classmethod
    def of(cls, url: str, ca: str | None = None) -> Target:
        """Make a target from any URL of the server: its root, its sockets' path, or, with a slash at the
        end, the path below which a proxy serves it. Raise WrongUrl.
        """
        try:
            parts = urlsplit(url if "://" in url else f"https://{url}")
            secure = _SCHEMES[parts.scheme]
            port = parts.port or (443 if secure else 80)
        except (KeyError, ValueError):
            raise WrongUrl("give a URL such as https://tunnel.example.org") from None
        if not parts.hostname:
            raise WrongUrl("the URL names no host")
        prefix = parts.path.rstrip("/") if parts.path.endswith("/") else ""
        path = f"{prefix}/ws" if prefix else parts.path.rstrip("/") or "/ws"
        return cls(parts.hostname, port, secure, path, parts.netloc.rpartition("@")[2], ca, prefix)

    @property
    def ws_url(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://{self.authority}{self.ws_path}"

    def tls(self, *protocols: str) -> ssl.SSLContext:
        """Return a TLS context for these protocols. Raise OSError if ``ca`` cannot be read."""
        context = ssl.create_default_context(cafile=self.ca)
        context.set_alpn_protocols(list(protocols))
        return context

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        seconds: float = HTTP_SECONDS,
    ) -> Reply:
        """Make one request on a connection of its own. Raise OSError or http.client.HTTPException."""
        return await asyncio.to_thread(self._request, method, path, body, headers or {}, seconds)

    def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], seconds: float
    ) -> Reply:
        connection: http.client.HTTPConnection
        if self.secure:
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=seconds, context=self.tls("http/1.1")
            )
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        began = time.monotonic()
        try:
            connection.request(method, self.prefix + path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, data, time.monotonic() - began)
        finally:
            connection.close()

    def handshake(self, protocols: list[str]) -> tuple[str, str, dict[str, Any]]:
        """Return TLS version, negotiated protocol and certificate. Raise OSError (ssl.SSLError is one)."""
        with (
            socket.create_connection((self.host, self.port), CONNECT_SECONDS) as plain,
            self.tls(*protocols).wrap_socket(plain, server_hostname=self.host) as wrapped,
        ):
            return (
                wrapped.version() or "",
                wrapped.selected_alpn_protocol() or "",
                dict(wrapped.getpeercert() or {}),
            )
