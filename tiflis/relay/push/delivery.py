"""POSTs to push services: https only, to known ones or those of PUSH_SERVICES, never to a private address.

Endpoints are what users typed. A host is resolved once, its addresses are checked, and the connection goes to
the address that was checked; redirects are not followed.
"""

import asyncio
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

KNOWN = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "web.push.apple.com",
    ".notify.windows.com",
)
LONGEST_ENDPOINT = 2048  # characters
SECONDS = 10.0  # for one request
AT_ONCE = 8  # requests of one worker to push services and notifiers of the server
OWN_AT_ONCE = 4  # to notifiers of tunnels, which may be slow on purpose: they have threads of their own


class Refused(ValueError):
    """The endpoint is none that may be sent to."""


class Target(NamedTuple):
    """A checked endpoint. ``own``: its origin is one of PUSH_SERVICES, and may have any address."""

    url: SplitResult
    own: bool

    @property
    def origin(self) -> str:
        return f"{self.url.scheme}://{self.url.netloc}"


def check(endpoint: str, services: Collection[str]) -> Target:
    """Return the target of an endpoint. ``services``: further origins. Raise Refused."""
    if len(endpoint) > LONGEST_ENDPOINT or not endpoint.isascii() or not endpoint.isprintable():
        raise Refused("the endpoint is too long, or has characters that no URL has")
    try:
        url = urlsplit(endpoint)
        port = url.port
    except ValueError:
        raise Refused("the endpoint is no URL") from None
    host = (url.hostname or "").lower()
    if url.username is not None or url.password is not None or "\\" in endpoint or " " in endpoint:
        raise Refused("the endpoint must have no credentials")
    if f"{url.scheme}://{url.netloc}".lower() in services:
        return Target(url, own=True)
    known = any(host == one or (one.startswith(".") and host.endswith(one)) for one in KNOWN)
    if url.scheme != "https" or port not in (None, 443) or not known:
        raise Refused("the endpoint is of no known push service")
    return Target(url, own=False)


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked."""

    def __init__(self, target: Target) -> None:
        url = target.url
        super().__init__(
            url.hostname or "", url.port or (443 if url.scheme == "https" else 80), timeout=SECONDS
        )
        self._target = target

    def connect(self) -> None:
        """Connect to the first address if all may be reached. Raise Refused, OSError."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
        if not addresses or not (self._target.own or all(map(is_public, addresses))):
            raise Refused("the push service has a private address")
        self.sock = socket.create_connection((str(addresses[0]), self.port), self.timeout)
        if self._target.url.scheme == "https":
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether an address is one of the public internet, also inside an IPv6 one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if inner:
            return is_public(inner)
        if address in ipaddress.ip_network("64:ff9b::/96"):
            return False
    return address.is_global and not address.is_multicast


class Delivery:
    """Sends requests in threads of its own, few at a time."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._threads = ThreadPoolExecutor(at_once, "push")  # which begin when they are needed

    async def post(self, target: Target, body: bytes, headers: dict[str, str]) -> int:
        """Return the status of the answer. Raise Refused, OSError."""
        posting = asyncio.get_running_loop().run_in_executor(self._threads, _post, target, body, headers)
        return await posting


def _post(target: Target, body: bytes, headers: dict[str, str]) -> int:
    connection = _Connection(target)
    try:
        path = target.url._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    except http.client.HTTPException as problem:
        raise OSError(type(problem).__name__) from problem
    finally:
        connection.close()
