"""POSTs to push services: https only, to known ones or those of PUSH_SERVICES, never to a private address.

Endpoints are what users typed. A host is resolved once, its addresses are checked, and the connection goes to
the address that was checked; redirects are not followed.
"""

import asyncio
import email.utils
import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

KNOWN = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "web.push.apple.com",
    ".notify.windows.com",
)
LONGEST_ENDPOINT = 2048  # characters
SECONDS = 10.0  # for one request, from the connection to the end of the answer's headers
MOST_ADDRESSES = 4  # of a host that are tried
AT_ONCE = 8  # requests of one worker to push services and notifiers of the server
OWN_AT_ONCE = 32  # to notifiers of tunnels, which may be slow on purpose: they have threads of their own


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


class Reply(NamedTuple):
    """The status of an answer. ``after``: seconds after which it asks to be called again; 0: it does not."""

    status: int
    after: float = 0.0

    @property
    def busy(self) -> bool:
        """Return whether a later call may succeed."""
        return self.status == 429 or self.status >= 500


class _Timed(io.RawIOBase):
    """Reads from a socket until a moment, however slowly the peer sends: its timeout is of one read."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, end: float) -> None:
        """``end``: by the monotonic clock."""
        self._raw, self._sock, self._end = raw, sock, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self._end))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _left(end: float) -> float:
    """Return the seconds until this moment. Raise TimeoutError after it."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked."""

    def __init__(self, target: Target) -> None:
        url = target.url
        super().__init__(url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
        self._target, self._end = target, time.monotonic() + SECONDS
        self.response_class = self._timed  # type: ignore[assignment]  # called as the class is

    def _timed(self, sock: socket.socket, **more: Any) -> http.client.HTTPResponse:
        answer = http.client.HTTPResponse(sock, **more)
        answer.fp = io.BufferedReader(_Timed(answer.fp.detach(), sock, self._end))
        return answer

    def connect(self) -> None:
        """Connect to one of the addresses if all may be reached. Raise Refused, OSError."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
        if not addresses or not (self._target.own or all(map(is_public, addresses))):
            raise Refused("the push service has a private address")
        self.sock = self._reach(list(dict.fromkeys(map(str, addresses)))[:MOST_ADDRESSES])
        if self._target.url.scheme == "https":
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        self.sock.settimeout(_left(self._end))

    def _reach(self, addresses: list[str]) -> socket.socket:
        """Connect to the first address that answers; each gets its share of the time. Raise OSError."""
        for at, address in enumerate(addresses, 1):
            try:
                seconds = _left(self._end) / (len(addresses) + 1 - at)
                return socket.create_connection((address, self.port), seconds)
            except OSError:
                if at == len(addresses):
                    raise
        raise OSError("no address")


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

    async def post(self, target: Target, body: bytes, headers: dict[str, str]) -> Reply:
        """Return the answer. Raise Refused, OSError."""
        posting = asyncio.get_running_loop().run_in_executor(self._threads, _post, target, body, headers)
        return await posting


def _post(target: Target, body: bytes, headers: dict[str, str]) -> Reply:
    connection = _Connection(target)
    try:
        path = target.url._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return Reply(answer.status, retry_after(answer.getheader("Retry-After") or "", time.time()))
    except http.client.HTTPException as problem:
        raise OSError(type(problem).__name__) from problem
    finally:
        connection.close()


def retry_after(text: str, now: float) -> float:
    """Return the seconds in a ``Retry-After`` header, which holds seconds or a date; 0 for anything else."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return 0.0
