"""The limits of HTTP as a slow or hostile peer meets them."""

import asyncio
import time

from sanic import Request
from sanic.response import HTTPResponse, text

from tests.web.served import new_app, raw, served, settings


async def hello(_: Request) -> HTTPResponse:
    return text("hello")


async def test_a_header_has_one_deadline_however_slowly_it_trickles() -> None:
    app = new_app(settings(header_timeout=0.6))
    app.add_route(hello, "/")
    async with served(app=app) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        start = time.monotonic()
        trickle = asyncio.create_task(send_slowly(writer, b"GET / HTTP/1.1\r\nX: " + b"x" * 1000))
        answer = await asyncio.wait_for(reader.read(), 5)
        trickle.cancel()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 0.3 < time.monotonic() - start < 1.5


async def send_slowly(writer: asyncio.StreamWriter, data: bytes) -> None:
    for byte in data:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    app = new_app(settings(keep_alive=0.2))
    app.add_route(hello, "/")
    async with served(app=app) as client:
        assert await raw(client, b"") == b""


async def test_a_header_that_never_ends_is_refused_early() -> None:
    app = new_app()
    app.add_route(hello, "/")
    async with served(app=app) as client:
        answer = await raw(client, b"GET / HTTP/1.1\r\nX: " + b"x" * 30_000)
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_every_get_route_answers_head() -> None:
    app = new_app()
    app.add_route(hello, "/hello")
    async with served(app=app) as client:
        response = await client.head("/hello")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "5")


async def test_the_body_of_a_get_is_read_away_and_the_connection_goes_on() -> None:
    app = new_app()
    app.add_route(length_of_body, "/", methods=["GET", "POST"])
    async with served(app=app) as client:
        for method, length in (("GET", "0"), ("POST", "1000000")):
            response = await client.request(method, "/", content=b"x" * 1_000_000)
            assert (response.status_code, response.text) == (200, length)


async def length_of_body(request: Request) -> HTTPResponse:
    return text(str(len(request.body)))


async def test_no_extension_adds_routes_or_headers_of_its_own() -> None:
    app = new_app()
    app.add_route(hello, "/hello")
    async with served(app=app) as client:
        for path in ("/docs", "/openapi.json", "/docs/openapi.json", "/__health__"):
            assert (await client.get(path)).status_code == 404
        response = await client.get("/hello", headers={"Origin": "https://elsewhere.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]
