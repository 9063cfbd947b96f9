"""Log lines as shippers take them: the fields of ECS and OpenTelemetry, the access log, pids as fields."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import jsonschema
import pytest
from sanic import Blueprint, HTTPResponse, Request

from tests.test_logs import restored  # noqa: F401 - a fixture
from tests.web.served import new_app, served, settings
from tiflis import logs

KEYWORD, NUMBER = {"type": "string"}, {"type": "integer"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
# The fields with their types, from the pages on fields of the Elastic Common Schema 8.11.
ECS = {
    "type": "object",
    "required": ["@timestamp", "log.level", "message", "ecs.version"],
    "additionalProperties": False,
    "properties": {
        "@timestamp": TIME,
        "log.level": {"enum": list(logs.LEVELS)},
        "log.logger": KEYWORD,
        "message": KEYWORD,
        "ecs.version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "service.name": KEYWORD,
        "service.version": KEYWORD,
        "service.node.name": KEYWORD,
        "event.dataset": KEYWORD,
        "event.duration": NUMBER,
        "process.pid": NUMBER,
        "client.address": KEYWORD,
        "http.request.method": KEYWORD,
        "http.request.id": KEYWORD,
        "http.response.status_code": NUMBER,
        "http.response.body.bytes": NUMBER,
        "url.path": KEYWORD,
        "error.stack_trace": KEYWORD,
        "labels": {
            "type": "object",
            "additionalProperties": KEYWORD,
            "propertyNames": {"not": {"pattern": "[.*]"}},
        },
    },
}
# The log data model of OpenTelemetry, with the spelling of its fields in JSON lines.
OTEL = {
    "type": "object",
    "required": ["timestamp", "severity_text", "severity_number", "body", "attributes", "resource"],
    "additionalProperties": False,
    "properties": {
        "timestamp": TIME,
        "severity_text": {"enum": [name.upper() for name in logs.LEVELS]},
        "severity_number": {"type": "integer", "minimum": 1, "maximum": 24},
        "body": KEYWORD,
        "scope": {"type": "object", "required": ["name"], "properties": {"name": KEYWORD}},
        "resource": {
            "type": "object",
            "required": ["service.name"],
            "properties": {"service.instance.id": KEYWORD, "process.pid": NUMBER},
        },
        "attributes": {"type": "object"},
    },
}
ROUTES = Blueprint("routes")


@ROUTES.get("/fine")
async def fine(_: Request) -> HTTPResponse:
    return HTTPResponse("12345")


@ROUTES.get("/bug")
async def bug(_: Request) -> HTTPResponse:
    raise ValueError("a bug")


Lines = Callable[[], list[dict[str, Any]]]
Form = Literal["json", "ecs", "otel"]


@pytest.fixture
def shaped(tmp_path: Path, restored: None) -> Iterator[Callable[[Form], Lines]]:  # noqa: F811 - a fixture
    """Return a function that installs the log in this form, and returns one that reads its lines."""
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def install(form: Form) -> Lines:
        logs.install(form=form, access_log=True, descriptor=descriptor)
        return lambda: [json.loads(line) for line in path.read_text().splitlines()]

    yield install
    os.close(descriptor)


async def everything() -> list[httpx.Response]:
    """Log as the server does: events with fields of all types, requests, and a bug with its traceback."""
    log = logging.getLogger("tiflis.relay")
    logs.bind(worker="w-1")
    for level in logs.LEVELS.values():
        log.log(level, "client connected", extra={"tunnel": "t", "count": 3, "ok": True, "share": 0.5})
    log.info(
        "handed", extra={"workers": ["a", "b"], "report": {"sockets": 1}, "nothing": None, "address": "::1"}
    )
    log.info("long", extra={f"field_{number}": "x" * 500 for number in range(20)})
    app = new_app(settings(access_log=True))
    async with served(ROUTES, app=app) as client:
        return [
            await client.get("/fine?token=canary", headers={"X-Request-ID": "from-the-proxy"}),
            await client.get("/bug", headers={"X-Request-ID": "no id; of ours"}),
            await client.get("/none"),
        ]


@pytest.mark.parametrize(("form", "schema"), [("ecs", ECS), ("otel", OTEL)])
async def test_every_line_follows_the_schema(
    form: Form, schema: dict[str, Any], shaped: Callable[[Form], Lines]
) -> None:
    written = shaped(form)
    await everything()
    lines = written()
    assert len(lines) >= 10
    for line in lines:
        jsonschema.validate(line, schema)
    requests = [line for line in lines if "request" in (line.get("message"), line.get("body"))]
    names = requests[0] if form == "ecs" else requests[0]["attributes"]
    assert (names["url.path"], names["http.response.status_code"]) == ("/fine", 200)


async def test_a_request_is_one_event_with_its_fields_apart(shaped: Callable[[Form], Lines]) -> None:
    written = shaped("json")
    _, broken, _ = await everything()
    lines = [line for line in written() if line["logger"] == "sanic.access"]
    assert [(line["event"], line["method"], line["path"], line["status"]) for line in lines] == [
        ("request", "GET", "/fine", 200),
        ("request", "GET", "/bug", 500),
        ("request", "GET", "/none", 404),
    ]
    assert (lines[0]["bytes"], lines[0]["address"], type(lines[0]["ms"])) == (5, "127.0.0.1", float)
    assert lines[0]["request_id"] == "from-the-proxy"
    (report,) = [line for line in written() if line["event"].startswith("bug")]
    assert (
        report["request_id"] == lines[1]["request_id"] == broken.headers["x-request-id"] != "no id; of ours"
    )


def test_sanics_pids_are_fields_and_each_event_has_one_name(shaped: Callable[[Form], Lines]) -> None:
    written = shaped("json")
    for text in ("Starting worker [%s]", "Worker ready [%s]", "Worker complete [%s]"):
        logging.getLogger("sanic.server").info(text, 4711)
    assert [(line["event"], line["pid"]) for line in written()] == [
        ("starting worker", 4711),
        ("worker complete", 4711),
    ]
