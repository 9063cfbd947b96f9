"""The known NATS servers: the configured ones, and those that a server announces."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from tiflis.bus.errors import BadBusUrl

DEFAULT_PORT = 4222
TLS_FIRST = "tls_first"  # the option in a URL


@dataclass(frozen=True, slots=True)
class Server:
    """One server's address and our credentials, which its repr leaves out."""

    host: str
    port: int
    tls: bool = False
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    learned: bool = False
    tls_first: bool = False  # it says nothing before the TLS handshake (its `handshake_first`)

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    @property
    def url(self) -> str:
        """Return the address as a URL, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.tls else 'nats'}://{host}:{self.port}"

    def credentials(self) -> dict[str, Any]:
        """Return our credentials as fields of CONNECT."""
        if self.token is not None:
            return {"auth_token": self.token}
        if self.user is not None:
            return {"user": self.user, "pass": self.password or ""}
        return {}


class ServerPool:
    """The servers in the order in which they are tried. A learned one is dropped when it fails."""

    def __init__(self, urls: str) -> None:
        self._servers = parse_urls(urls)
        self._pattern = self._servers[0]

    def __len__(self) -> int:
        return len(self._servers)

    def first(self) -> Server:
        return self._servers[0]

    def failed(self, server: Server) -> None:
        """Try the others first; forget an address that only another server has announced."""
        if server in self._servers:
            self._servers.remove(server)
            if not server.learned:
                self._servers.append(server)

    def learn(self, addresses: Iterable[str]) -> None:
        """Add what INFO lists as `connect_urls` ("host:port"), with our credentials."""
        known = {server.address for server in self._servers}
        for text in addresses:
            try:
                host, port = _address(urlsplit(f"//{text}"))
            except BadBusUrl:
                continue
            if (host, port) not in known:
                known.add((host, port))
                self._servers.append(replace(self._pattern, host=host, port=port, learned=True))


def parse_urls(urls: str) -> list[Server]:
    """Parse `nats://token@host`, `nats://user:password@host:4222`, `tls://…`, `tls://…?tls_first`, with
    commas."""
    servers = [_parse(part.strip()) for part in urls.split(",") if part.strip()]
    if not servers:
        raise BadBusUrl("NATS_URL names no server")
    return servers


def options(urls: str) -> dict[str, Any]:
    """Return how nats-py connects to the same servers."""
    servers = parse_urls(urls)
    first = servers[0]
    return {
        "servers": [server.url for server in servers],
        "user": first.user,
        "password": first.password,
        "token": first.token,
        "tls_handshake_first": first.tls_first,
    }


def _parse(text: str) -> Server:
    parts = urlsplit(text if "://" in text else f"nats://{text}")
    if parts.scheme not in ("nats", "tls"):
        raise BadBusUrl("NATS_URL must begin with nats:// or tls://")
    if parts.query not in ("", TLS_FIRST):
        raise BadBusUrl(f"NATS_URL may end with ?{TLS_FIRST} and with no other option")
    host, port = _address(parts)
    first = bool(parts.query)
    server = Server(host, port, tls=first or parts.scheme == "tls", tls_first=first)
    user = None if parts.username is None else unquote(parts.username)
    if parts.password is None:
        return replace(server, token=user)
    return replace(server, user=user, password=unquote(parts.password))


def _address(parts: SplitResult) -> tuple[str, int]:
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadBusUrl("NATS_URL has a port that is no number") from None
    if not host:
        raise BadBusUrl("NATS_URL has no host")
    return host, port or DEFAULT_PORT


def default_tls() -> ssl.SSLContext:
    """Return a context that checks the server's certificate; SSL_CERT_FILE names a private authority, as for
    every OpenSSL user."""
    return ssl.create_default_context()
