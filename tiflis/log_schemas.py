"""The fields of a log line under the names that log shippers know, and Sanic's own lines in our form.

Elastic Common Schema: the document's head as in Elastic's ECS logging; what ECS has no name for goes into
`labels`, whose values are strings, so that no document is refused because a field changed its type.
OpenTelemetry: the log data model with its semantic conventions; what they have no name for keeps ours.
"""

import json
import logging
import os
from typing import Any

import tiflis

ECS_VERSION = "8.11.0"
SERVICE = "tiflis"
Line = dict[str, Any]

# Our name of a field: its name in both schemas.
_BOTH = {"address": "client.address"}
_REQUEST = {  # in lines about a request
    "method": "http.request.method",
    "path": "url.path",
    "status": "http.response.status_code",
}
_ECS = {
    **_BOTH,
    "logger": "log.logger",
    "worker": "service.node.name",
    "traceback": "error.stack_trace",
}
_ECS_REQUEST = _REQUEST | {"bytes": "http.response.body.bytes", "request_id": "http.request.id"}
_OTEL = {**_BOTH, "traceback": "exception.stacktrace"}
_OTEL_REQUEST = _REQUEST | {"bytes": "http.response.body.size", "route": "http.route"}
_SEVERITY = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}


def plain(line: Line) -> Line:
    """Return the line as it is."""
    return line


def ecs(line: Line) -> Line:
    """Return the line as a document of the Elastic Common Schema."""
    rest = dict(line)
    shaped: Line = {
        "@timestamp": rest.pop("time"),
        "log.level": rest.pop("level"),
        "message": rest.pop("event"),
        "ecs.version": ECS_VERSION,
        "service.name": SERVICE,
        "service.version": tiflis.__version__,
        "event.dataset": f"{SERVICE}.access" if _is_access(line) else f"{SERVICE}.log",
        "process.pid": os.getpid(),
    }
    names = _ECS | _ECS_REQUEST if "method" in rest else _ECS
    if _is_access(line) and "ms" in rest:
        shaped["event.duration"] = round(rest.pop("ms") * 1e6)  # nanoseconds
    shaped |= {names[name]: rest.pop(name) for name in list(rest) if name in names}
    if rest:
        shaped["labels"] = {name: _label(value) for name, value in rest.items() if value is not None}
    return shaped


def otel(line: Line) -> Line:
    """Return the line as a record of OpenTelemetry's log data model."""
    rest = dict(line)
    level = rest.pop("level")
    resource: Line = {"service.name": SERVICE, "service.version": tiflis.__version__}
    if "worker" in rest:
        resource["service.instance.id"] = rest.pop("worker")
    resource["process.pid"] = os.getpid()
    names = _OTEL | _OTEL_REQUEST if "method" in rest else _OTEL
    shaped: Line = {
        "timestamp": rest.pop("time"),
        "severity_text": level.upper(),
        "severity_number": _SEVERITY[level],
        "body": rest.pop("event"),
        "resource": resource,
        "scope": {"name": rest.pop("logger", SERVICE)},
    }
    shaped["attributes"] = {names.get(name, name): value for name, value in rest.items() if value is not None}
    return shaped


SCHEMAS = {"json": plain, "ecs": ecs, "otel": otel}


def _is_access(line: Line) -> bool:
    return line.get("logger") == "sanic.access"


def _label(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def pid_apart(record: logging.LogRecord) -> bool:
    """Take the pid out of the text of Sanic's line ("Starting worker [7]") into a field of its own.

    Return False for "Worker ready": the worker itself says so when it serves.
    """
    text = str(record.msg)
    if text.endswith(" [%s]") and isinstance(record.args, tuple) and record.args:
        record.msg, record.pid = text.removesuffix(" [%s]"), record.args[-1]
        record.args = record.args[:-1]
    return not text.startswith("Worker ready")
