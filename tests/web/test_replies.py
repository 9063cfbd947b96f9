"""Errors are short JSON for every request."""

import json
import logging
from typing import Any

import pytest
from sanic import Request, Sanic
from sanic.exceptions import PayloadTooLarge, ServiceUnavailable
from sanic.response import HTTPResponse, text

from tests.web.malformed import MALFORMED
from tests.web.served import new_app, raw, served

CANARY = "canary-in-the-query"


def app_with_trouble() -> Sanic[Any, Any]:
    app = new_app()

    @app.post("/api/v1/watch/command")
    async def command(_: Request) -> HTTPResponse:
        raise PayloadTooLarge("too much")

    @app.get("/bug")
    async def bug(_: Request) -> HTTPResponse:
        raise ZeroDivisionError("division by zero")

    @app.get("/busy")
    async def busy(_: Request) -> HTTPResponse:
        raise ServiceUnavailable("later", headers={"Retry-After": "7"})

    @app.post("/echo")
    async def echo(request: Request) -> HTTPResponse:
        return text(str(len(request.body)))

    return app


async def test_unknown_routes_are_404_in_the_documented_words() -> None:
    async with served(app=app_with_trouble()) as client:
        for path in ("/nothing", "/api/v1/watch/nothing", "/api"):
            response = await client.get(path)
            assert (response.status_code, response.json()) == (
                404,
                {"error": "Not Found", "code": "NOT_FOUND"},
            )
            assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_wrong_method_names_the_right_ones() -> None:
    async with served(app=app_with_trouble()) as client:
        response = await client.put("/echo")
    assert (response.status_code, response.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"


async def test_the_watch_api_gets_errors_in_its_own_shape() -> None:
    async with served(app=app_with_trouble()) as client:
        response = await client.post("/api/v1/watch/command")
    assert response.status_code == 413
    assert response.json() == {"error": "too_large", "message": "Request Entity Too Large"}


async def test_headers_of_an_error_are_kept() -> None:
    async with served(app=app_with_trouble()) as client:
        response = await client.get("/busy")
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")


async def test_a_bug_is_500_without_a_traceback_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async with served(app=app_with_trouble()) as client:
        with caplog.at_level(logging.INFO, logger="tiflis"), caplog.at_level(logging.INFO, logger="sanic"):
            response = await client.get(f"/bug?auth_key={CANARY}", headers={"Accept": "text/html"})
    assert response.status_code == 500
    assert response.json() == {"error": "Internal Server Error", "code": "INTERNAL_SERVER_ERROR"}
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in errors] == ["tiflis.web.replies"]
    assert errors[0].exc_info is not None
    assert not any(CANARY in record.getMessage() for record in caplog.records if record.name != "httpx")


@pytest.mark.parametrize("data", MALFORMED)
async def test_malformed_requests_get_short_json_and_little_log(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(app=app_with_trouble()) as client:
        with caplog.at_level(logging.INFO):
            answer = await raw(client, data)
        assert (await client.get("/nothing")).status_code == 404
    head, _, body = answer.partition(b"\r\n\r\n")
    assert 400 <= int(head.split()[1]) < 500
    assert json.loads(body)["error"]
    assert len(caplog.text) <= 300


async def test_a_peer_that_hangs_up_within_its_body_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with served(app=app_with_trouble()) as client:
        assert await raw(client, b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nx", end=True) == b""
        assert (await client.get("/nothing")).status_code == 404
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("path", "status", "allow"),
    [("/", 204, "GET, HEAD, OPTIONS"), ("/echo", 204, "OPTIONS, POST"), ("/nothing", 404, None)],
)
async def test_options_are_answered_for_the_checks_of_load_balancers(
    path: str, status: int, allow: str | None
) -> None:
    async with served(app=app_with_trouble()) as client:
        response = await client.options(path)
    assert (response.status_code, response.headers.get("allow")) == (status, allow)


async def test_haproxys_default_check_passes() -> None:
    async with served(app=app_with_trouble()) as client:
        assert (await raw(client, b"OPTIONS / HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 204 ")


async def test_options_with_a_body_are_refused_as_any_other_method(caplog: pytest.LogCaptureFixture) -> None:
    async with served(app=app_with_trouble()) as client:
        assert (await client.request("OPTIONS", "/echo", content=b"{}")).status_code == 405
    assert "not consumed" not in caplog.text
