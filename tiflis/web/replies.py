"""HTTP answers that are not pages: short JSON, also for errors, and never a traceback or HTML."""

import logging
import math
from asyncio import CancelledError
from collections.abc import Mapping
from http import HTTPStatus

from sanic import Request
from sanic.exceptions import SanicException
from sanic.handlers import ErrorHandler
from sanic.response import HTTPResponse, json

from tiflis.protocol.errors import RateLimited
from tiflis.web.access_log import path_of

log = logging.getLogger(__name__)

API = "/api/v1/"  # errors below it have the shape of the watch API's (protocol, section 4)
_API_CODES = {400: "invalid_parameters", 413: "too_large", 429: "rate_limited", 503: "starting"}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PATH_LIMIT = 128  # characters of a path in a log line


def reply(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> HTTPResponse:
    """Return a JSON answer that no cache stores and no browser interprets as another type."""
    return json(body, status=status, headers={**_HEADERS, **(headers or {})})


def retry_after(problem: RateLimited) -> dict[str, str]:
    """Return the header with the seconds until the next attempt is compared."""
    return {"Retry-After": str(max(1, math.ceil(problem.retry_after)))}


def error(status: int, headers: Mapping[str, str] | None = None) -> HTTPResponse:
    """Return an error such as ``{"error":"Not Found","code":"NOT_FOUND"}`` (protocol, section 5)."""
    return reply(
        {"error": _phrase(status), "code": _phrase(status).upper().replace(" ", "_")}, status, headers
    )


def api_error(status: int, headers: Mapping[str, str] | None = None) -> HTTPResponse:
    """Return an error of a request below API, raised before its handlers (protocol, section 4)."""
    code = _API_CODES.get(status, _phrase(status).lower().replace(" ", "_"))
    return reply({"error": code, "message": _phrase(status)}, status, headers)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.replace("-", " ")
    except ValueError:
        return "Error"


class Errors(ErrorHandler):
    """Answers for exceptions of handlers and the HTTP parser; bugs of the server are logged."""

    def default(self, request: Request, exception: BaseException) -> HTTPResponse:
        """Return the answer for an exception that no handler caught."""
        status = _status(exception)
        if request.method == "OPTIONS" and status in (404, 405) and not _has_body(request):
            return _options(request, exception, status)
        headers = {str(name): str(value) for name, value in getattr(exception, "headers", {}).items()}
        if status >= 500 and status not in (501, 503, 505):
            self._report(request, exception)
            headers["X-Request-ID"] = str(request.id)
        if status != 404 and path_of(request).startswith(API):
            return api_error(status, headers)
        return error(status, headers)

    @staticmethod
    def log(request: Request, exception: Exception) -> None:
        """Do nothing: `default` has logged the errors that need a line."""

    def _report(self, request: Request, exception: BaseException) -> None:
        route = request.route.path if request.route else None
        fields = {"method": request.method[:16], "path": path_of(request)[:_PATH_LIMIT], "route": route}
        fields["request_id"] = str(request.id)
        log.error("bug while a request was handled", exc_info=exception, extra=fields)


def _options(request: Request, exception: BaseException, status: int) -> HTTPResponse:
    """Answer OPTIONS, for which there are no routes: 204 for existing paths and for ``/``, HAProxy's
    check."""
    allowed = getattr(exception, "allowed_methods", None) or ("GET", "HEAD")
    if status == 404 and path_of(request) not in ("/", "*"):
        return error(status)
    methods = ", ".join(sorted({*allowed, "OPTIONS"}))
    return HTTPResponse(status=204, headers={**_HEADERS, "Allow": methods})


def _has_body(request: Request) -> bool:
    """Return whether the request has a body: we do not read it, and Sanic logs an error if a 2xx leaves
    one."""
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _status(exception: BaseException) -> int:
    if isinstance(exception, CancelledError):
        return 503  # the peer hung up, or the server ends
    return exception.status_code if isinstance(exception, SanicException) else 500
