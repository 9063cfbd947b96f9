"""Pages for operators: access to them, and their answers while the worker starts."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from pydantic import SecretStr
from sanic import Request

from tests.harness import free_port
from tests.patience import patience
from tests.web.served import served
from tiflis.protocol.errors import Starting
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.auth.rate_limit import Limiter
from tiflis.relay.authenticator import Authenticator
from tiflis.relay.claims import Claims
from tiflis.web.metrics_page import MetricsPort, metrics_routes
from tiflis.web.status_page import page, status_routes

TOKEN = SecretStr("operator-token-0123456789")
SHOWN = {"Authorization": f"Bearer {TOKEN.get_secret_value()}"}


async def numbers(accept: str) -> tuple[bytes, str]:
    return f"# {accept}\n".encode(), "text/plain"


def here(request: Request) -> str:
    return "192.0.2.7"


def anyone(page: str, given: str, token: str, address: str) -> None:
    """Looks at no token."""


async def too_early(*_: object) -> Any:
    raise Starting


async def facts() -> dict[str, Any]:
    return {"status": "healthy", "version": "1", "tunnels": [{"name": "<b>", "online": True, "why": None}]}


def test_names_are_no_markup_and_every_list_is_a_table() -> None:
    shown = page({"status": "healthy", "version": "<1>", "workers": [], "tunnels": [{"name": "<b>&"}]})
    assert "&lt;b&gt;&amp;" in shown
    assert "<b>" not in shown
    assert shown.count("<h2>") == 2


async def test_a_worker_that_starts_answers_with_a_time_to_retry() -> None:
    routes = (metrics_routes(too_early, TOKEN, here, anyone), status_routes(too_early, TOKEN, here, anyone))
    async with served(*routes) as client:
        for path in ("/metrics", "/status"):
            answer = await client.get(path, headers=SHOWN)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_status_is_json_unless_a_browser_asks() -> None:
    async with served(status_routes(facts, TOKEN, here, anyone)) as client:
        answer = await client.get("/status", headers=SHOWN)
        assert answer.json()["your_address"] == "192.0.2.7"
        as_page = await client.get("/status", headers={**SHOWN, "Accept": "text/html,*/*"})
        assert as_page.text.startswith("<!doctype html>")
        assert (await client.head("/status", headers=SHOWN)).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/status"])
async def test_ten_wrong_tokens_per_minute_are_compared(path: str) -> None:
    limiter = Limiter(None, lambda: 1000.0, lambda data: None)
    gate = Authenticator(cast(Claims, None), Keyring([]), limiter)
    routes = (
        metrics_routes(numbers, TOKEN, here, gate.admit_operator),
        status_routes(facts, TOKEN, here, gate.admit_operator),
    )
    async with served(*routes) as client:
        assert (await client.get(path)).status_code == 401, "no token is no attempt"
        for wrong in (b"Bearer wrong", b"Bearer \xff\xfe", b"Basic " + base64.b64encode(b"me:\xc3\xa9")) * 3:
            assert (await client.get(path, headers=[(b"Authorization", wrong)])).status_code == 401
        assert (await client.get(path, headers=SHOWN)).status_code == 200
        assert (await client.get(path, headers={"Authorization": "Bearer x"})).status_code == 401
        answer = await client.get(path, headers=SHOWN)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")


@asynccontextmanager
async def own_port(answer: Any) -> AsyncIterator[int]:
    port = free_port()
    first, second = MetricsPort("127.0.0.1", port, answer), MetricsPort("127.0.0.1", port, answer)
    await first.start()
    await second.start()
    try:
        yield port
    finally:
        await first.close()
        await second.close()


async def said(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with patience():
            return await reader.read()
    finally:
        writer.close()


async def test_the_port_of_their_own_serves_metrics_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with own_port(numbers) as port:
        answer = await said(port, b"GET /metrics HTTP/1.1\r\nAccept: text/plain\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\n# text/plain\n")
        assert b" 404 " in await said(port, b"GET /health HTTP/1.1\r\n\r\n")
        assert b" 405 " in await said(port, b"POST /metrics HTTP/1.1\r\n\r\n")
        head = await said(port, b"HEAD /metrics HTTP/1.1\r\n\r\n")
        assert head.endswith(b"\r\n\r\n")
        for nonsense in (b"\r\n\r\n", b"\x00\xff \r\n\r\n", b"GET\r\n\r\n", b"x" * 20_000):
            assert b"200" not in (await said(port, nonsense))[:16]
        assert not caplog.records, "a stranger causes no lines"


async def test_the_metrics_port_answers_503_before_the_start() -> None:
    async with own_port(too_early) as port:
        assert b" 503 " in await said(port, b"GET /metrics HTTP/1.1\r\n\r\n")
