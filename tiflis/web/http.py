"""Sanic's limits, set from ours."""

from typing import Any

from sanic import Sanic

from tiflis.config import Settings
from tiflis.web.handshake import HEADER_LIMIT
from tiflis.web.sanic_internals import PatientHttp

# A main process of older code refers to the class by this name when it starts a worker of this code.
__all__ = ["PatientHttp", "configure"]

HTTP_SHARE = 0.4  # of the time to shut down: for requests under way
BODY_MARGIN = 1024  # bytes: the watch API's own limit answers before Sanic's does


def configure(app: Sanic[Any, Any], settings: Settings) -> None:
    """Set Sanic's limits, and switch off all its extensions except HEAD for every GET route."""
    # Sanic checks after every half of the shortest timeout, so a header is cut off after at most 1.5 times
    # its own.
    app.config.REQUEST_TIMEOUT = settings.header_timeout / 1.5
    app.config.RESPONSE_TIMEOUT = settings.watch_wait_limit + settings.body_timeout
    app.config.KEEP_ALIVE_TIMEOUT = settings.keep_alive
    app.config.REQUEST_MAX_SIZE = settings.watch_body_limit + BODY_MARGIN
    app.config.REQUEST_MAX_HEADER_SIZE = HEADER_LIMIT
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = settings.shutdown_timeout * HTTP_SHARE
    app.config.ACCESS_LOG = settings.access_log
    app.config.FALLBACK_ERROR_FORMAT = "json"
    app.config.update(
        CORS=False, OAS=False, HEALTH=False, LOGGING=False, HTTP_ALL_METHODS=False, HTTP_AUTO_OPTIONS=False
    )
