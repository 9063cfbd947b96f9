"""Large answers: written as fast as they are read; to a watch one at a time, counted in the ledger."""

from __future__ import annotations

from typing import Any, cast

from sanic import HTTPResponse, Request

from tiflis.clock import running_clock
from tiflis.limits import KIB
from tiflis.protocol.errors import SendFailed
from tiflis.relay.pinned import Account, Kind

SMALL_ANSWER = 64 * KIB  # bytes that are handed to the transport at once: about what it buffers anyway
STALL_SECONDS = 10.0  # a watch that does not read another piece of that size within it is cut off
PATIENT_SECONDS = 30.0  # the same for others, such as a browser that loads the web client

Device = tuple[str, str]  # tunnel and device id


class Unread:
    """The answers of one worker that their watches have not read."""

    def __init__(self) -> None:
        self._writing: dict[Device, Any] = {}  # the transport

    def replace(self, device: Device) -> None:
        """Abort the device's answer that is still being written, because the device has sent a new
        request."""
        transport = self._writing.pop(device, None)
        if transport is not None:
            transport.abort()

    async def write(self, request: Request, device: Device, account: Account, reply: HTTPResponse) -> bool:
        """Send a large reply as fast as it is read, and return True. Return False for a small one, which the
        caller sends. Raise SendFailed if the tunnel's unread answers use up their share.
        """
        body = reply.body or b""
        if len(body) <= SMALL_ANSWER or request.method == "HEAD":
            return False
        with account.hold(Kind.ANSWERS) as held:
            if not held.take(len(body)):
                raise SendFailed("Too many answers wait to be read; try again")
            self.replace(device)
            transport = self._writing[device] = cast(Any, request.transport)
            try:
                await _stream(request, reply, body)
            except TimeoutError:
                transport.abort()
            finally:
                if self._writing.get(device) is transport:
                    del self._writing[device]
        return True


async def paced(request: Request, reply: HTTPResponse) -> HTTPResponse | None:
    """Send a large reply as its reader takes it, so that one who takes nothing pins little, and return None;
    return any other, which the caller sends."""
    body = reply.body or b""
    if len(body) <= SMALL_ANSWER or request.method == "HEAD":
        return reply
    try:
        await _stream(request, reply, body, PATIENT_SECONDS)
    except TimeoutError:
        cast(Any, request.transport).abort()
    return None


async def _stream(
    request: Request, reply: HTTPResponse, body: bytes, patience: float = STALL_SECONDS
) -> None:
    headers = {**reply.headers, "Content-Length": str(len(body))}
    response = await request.respond(HTTPResponse(b"", reply.status, headers, reply.content_type))
    assert response is not None
    for start in range(0, len(body), SMALL_ANSWER):
        async with running_clock().timeout(patience):
            await response.send(body[start : start + SMALL_ANSWER], False)
    await response.eof()
