"""Errors of the HTTP APIs' handlers, in the one shape that the watch API has (protocol, section 4)."""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from tiflis.protocol.errors import RateLimited, TunnelError
from tiflis.web.replies import retry_after
from tiflis.web.unread import paced

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]  # None: it has sent the answer itself


def answered(handler: Handler) -> Handler:
    """Return the handler wrapped so that each TunnelError becomes an answer."""

    async def answer(request: Request, **parts: str) -> HTTPResponse | None:
        try:
            reply = await handler(request, **parts)
        except TunnelError as problem:
            return _reply(problem)
        return reply and await paced(request, reply)

    return answer


def _reply(problem: TunnelError) -> HTTPResponse:
    text = msgspec.json.encode({"error": problem.http_error, "message": str(problem)})
    reply = HTTPResponse(text, problem.http_status, {"Cache-Control": "no-store"}, "application/json")
    if isinstance(problem, RateLimited):
        reply.headers.update(retry_after(problem))
    return reply
