"""The access log: one event per request, with a field for each part and without the query string."""

import logging
from typing import Any

from sanic import Request
from sanic.exceptions import SanicException

from tiflis.web.address import peer

log = logging.getLogger("sanic.access")  # its level is what ACCESS_LOG sets

PATH_LIMIT = 512  # characters of a path in a line


def log_request(request: Request, status: int | None, seconds: float | None = None, **more: Any) -> None:
    """Log a request and the status of its answer. ``status`` None: the connection ended before the answer.

    The app's `ctx.client_address` returns the client's address behind trusted proxies.
    """
    fields: dict[str, Any] = {"method": request.method[:16], "path": path_of(request)[:PATH_LIMIT]}
    if status is not None:
        fields["status"] = status
    if seconds is not None:
        fields["ms"] = round(seconds * 1000, 2)
    address = getattr(request.app.ctx, "client_address", peer)(request)
    fields |= {**more, "address": address, "request_id": request.id}
    log.info("request" if status is not None else "request without answer", extra=fields)


def path_of(request: Request) -> str:
    """Return the path without its query; empty when the request line could not be read."""
    try:
        return request.path
    except SanicException:
        return ""
