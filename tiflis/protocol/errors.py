"""Errors that a peer may get, and how each transport says them.

TunnelError
├── InvalidPayload            the peer broke the protocol
│   └── MissingParameters     a watch left out its credentials
├── InvalidApiKey             a workstation's registration key is wrong
├── InvalidAuthKey            a device's key is wrong
├── InvalidCode               a human code is wrong, used or too old
├── Forbidden                 the scope of the device's key does not allow it
├── DeviceNotFound            the tunnel has no such device key
├── DeviceLimit               the tunnel has as many device keys as it may have
├── InvalidToken              an operator's token is wrong
├── TunnelNotFound            the directory does not hold the tunnel
├── WorkstationOffline        known tunnel, right key, workstation not connected
├── RegistrationFailed        the directory cannot be reached
├── RateLimited               too many wrong keys, or new tunnels; says how long to wait
├── TooLarge                  a body above the limit
├── Starting                  too early to say whether a tunnel exists
├── SendFailed                the message did not reach the workstation's worker
│   └── Unconfirmed           a change is stored, but a worker may not have applied it yet
└── InternalError             a bug of ours

Each class knows its code on the WebSocket, and its status and name on the watch API.
"""

from typing import ClassVar


class TunnelError(Exception):
    """Base of all errors that a peer may get; ``str(error)`` is safe to send."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    http_status: ClassVar[int] = 500
    http_error: ClassVar[str] = "internal_error"
    default: ClassVar[str] = "Something went wrong on the server"
    request: bytes = b""  # the raw id of the message, where the raiser knows it and the catcher may not

    def __init__(self, message: str = "", details: dict[str, str] | None = None) -> None:
        super().__init__(message or self.default)
        self.details = details


class InvalidPayload(TunnelError):
    code = "INVALID_PAYLOAD"
    http_status = 400
    http_error = "invalid_parameters"
    default = "The message is not valid"


class MissingParameters(InvalidPayload):
    http_error = "missing_parameters"
    default = "tunnel_id, auth_key, and device_id are required"


class InvalidApiKey(TunnelError):
    code = "INVALID_API_KEY"
    http_status = 401
    http_error = "invalid_api_key"
    default = "The registration key is wrong"


class InvalidAuthKey(TunnelError):
    code = "INVALID_AUTH_KEY"
    http_status = 401
    http_error = "invalid_auth_key"
    default = "The auth key is wrong"


class InvalidCode(TunnelError):
    """Over HTTP only."""

    http_status = 401
    http_error = "invalid_code"
    default = "The code is wrong, used, or too old"


class Forbidden(TunnelError):
    code = "FORBIDDEN"
    http_status = 403
    http_error = "forbidden"
    default = "The key of this device does not allow that"


class DeviceNotFound(TunnelError):
    """Over HTTP only."""

    http_status = 404
    http_error = "device_not_found"
    default = "There is no such device key"


class PushOff(TunnelError):
    """Over HTTP only."""

    http_status = 404
    http_error = "push_off"
    default = "This server sends no notifications"


class DeviceLimit(TunnelError):
    """Over HTTP only."""

    http_status = 409
    http_error = "device_limit"
    default = "The tunnel has as many device keys as it may have"


class InvalidToken(TunnelError):
    """Over HTTP only."""

    http_status = 401
    default = "The token is wrong"


class TunnelNotFound(TunnelError):
    code = "TUNNEL_NOT_FOUND"
    http_status = 404
    http_error = "tunnel_not_found"
    default = "There is no such tunnel"


class WorkstationOffline(TunnelError):
    code = "WORKSTATION_OFFLINE"
    http_status = 503
    http_error = "workstation_offline"
    default = "The workstation is not connected"


class RegistrationFailed(TunnelError):
    code = "REGISTRATION_FAILED"
    http_status = 503
    http_error = "send_failed"
    default = "The tunnel directory cannot be reached; try again"


class RateLimited(TunnelError):
    code = "RATE_LIMITED"
    http_status = 429
    http_error = "rate_limited"
    default = "Too many wrong keys; wait before the next attempt"

    def __init__(self, retry_after: float = 60.0, message: str = "") -> None:
        """``retry_after``: seconds until the next attempt is looked at."""
        super().__init__(message)
        self.retry_after = retry_after


class TooLarge(TunnelError):
    code = "INVALID_PAYLOAD"
    http_status = 413
    http_error = "too_large"
    default = "The body is too large"


class BodyTimeout(TunnelError):
    code = "INVALID_PAYLOAD"
    http_status = 408
    http_error = "body_timeout"
    default = "The body came too slowly"


class Starting(TunnelError):
    code = "TUNNEL_NOT_FOUND"
    http_status = 503
    http_error = "starting"
    default = "The server has just started and may not know the tunnel yet; try again"


class SendFailed(TunnelError):
    code = "WORKSTATION_OFFLINE"
    http_status = 503
    http_error = "send_failed"
    default = "The message could not be delivered"


class Unconfirmed(SendFailed):
    """A change is stored, but a worker may not have applied it yet."""

    default = "The change is stored, but not every worker has confirmed it; repeat the call"


class InternalError(TunnelError):
    """A bug: the peer gets only this, the log has the traceback."""
