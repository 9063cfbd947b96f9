"""The limits of HTTP as a slow or hostile peer meets them."""

import asyncio
import contextlib
import socket
import time

import pytest
from sanic import Request
from sanic.response import HTTPResponse, text

from tests.patience import within
from tests.web.served import new_app, raw, served, settings
from tiflis.web.devices import read_body
from tiflis.web.sanic_internals import SMALL_CHUNKS


async def hello(_: Request) -> HTTPResponse:
    return text("hello")


async def test_a_header_has_one_deadline_however_slowly_it_trickles() -> None:
    app = new_app(settings(header_timeout=0.6))
    app.add_route(hello, "/")
    async with served(app=app) as client:
        # A plain socket: a stream would lose the answer if it were sent a byte more after it.
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as peer:
            peer.setblocking(False)
            start = time.monotonic()
            trickle = asyncio.create_task(send_slowly(peer, b"GET / HTTP/1.1\r\nX: " + b"x" * 1000))
            # The header would take 20 s to arrive.
            answer = await within(asyncio.get_running_loop().sock_recv(peer, 1000))
            trickle.cancel()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - start > 0.3


async def send_slowly(peer: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        for byte in data:
            await asyncio.get_running_loop().sock_sendall(peer, bytes([byte]))
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


async def test_a_body_that_no_route_reads_is_read_away_and_the_connection_goes_on() -> None:
    """It may be as large as any, and comes before a key has been looked at."""
    app = new_app()
    app.add_route(length_of_body, "/", methods=["GET", "POST", "DELETE"])
    async with served(app=app) as client:
        for method in ("GET", "POST", "DELETE"):
            response = await client.request(method, "/", content=b"x" * 1_000_000)
            assert (response.status_code, response.text) == (200, "0")


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


def post(headers: str, body: bytes) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    "size", [b"0x2", b"+2", b"-2", b"2_0", b" 2", b"2 ", b"\t2", b"", b"2" * 17, "\u0662".encode()]
)
async def test_a_chunk_size_is_hex_digits_alone(size: bytes) -> None:
    assert (await echoed(post("Transfer-Encoding: chunked", size + b"\r\n{}\r\n0\r\n\r\n"))).startswith(
        b"HTTP/1.1 400 "
    )


@pytest.mark.parametrize(
    "request_bytes",
    [
        post("Content-Length: +2", b"{}"),
        post("Content-Length: 0x2", b"{}"),
        post("Content-Length: 1_0", b"{}"),
        post("Content-Length: 2, 2", b"{}"),
        post("Content-Length : 2", b"{}"),
        post(" Content-Length: 2", b"{}"),
        post("Transfer-Encoding : chunked", b"2\r\n{}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked", b"2\r\n{}XX0\r\n\r\n"),
    ],
)
async def test_a_body_that_readers_could_end_at_different_places_is_refused(request_bytes: bytes) -> None:
    assert (await echoed(request_bytes)).startswith(b"HTTP/1.1 400 ")


async def test_a_well_formed_chunked_body_is_read() -> None:
    answer = await echoed(post("Transfer-Encoding: chunked", b"2;x=y\r\n{}\r\nA\r\n0123456789\r\n0\r\n\r\n"))
    assert answer.endswith(b"{}0123456789")


@pytest.mark.parametrize(
    ("size", "verdict"), [(1, b"HTTP/1.1 400 "), (40, b"HTTP/1.1 400 "), (600, b"HTTP/1.1 413 ")]
)
async def test_a_body_of_tiny_chunks_is_refused(size: int, verdict: bytes) -> None:
    """A chunk of one byte costs the server as much as one of many, and the sender six bytes."""
    chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)
    answer = await echoed(post("Transfer-Encoding: chunked", chunk * (SMALL_CHUNKS + 2) + b"0\r\n\r\n"))
    assert answer.startswith(verdict)


async def test_requests_that_come_at_once_leave_turns_to_others() -> None:
    app, turns, seen = new_app(), 0, []

    async def note(_: Request) -> HTTPResponse:
        seen.append(turns)
        return text("noted")

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    app.add_route(note, "/")
    beside = asyncio.create_task(others())
    async with served(app=app) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        await within(reader.read())
        writer.close()
    beside.cancel()
    assert len(set(seen)) == 51


async def test_a_peer_that_has_ended_its_side_gets_its_answer() -> None:
    for request in (post("Content-Length: 2", b"{}"), b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"):
        assert (await echoed(request, end=True)).startswith(b"HTTP/1.1 200 ")


async def test_a_request_that_ends_too_early_does_not_keep_its_connection() -> None:
    for part in (b"", b"GET / HT", post("Content-Length: 20", b"{}")):
        assert b" 200 " not in await echoed(part, end=True)


async def echoed(request_bytes: bytes, end: bool = False) -> bytes:
    """Return what comes back from an app that answers with the body it got."""
    app = new_app()

    async def echo(request: Request) -> HTTPResponse:
        return text((await read_body(request)).decode())

    async def slow(_: Request) -> HTTPResponse:
        await asyncio.sleep(0.2)
        return text("late")

    app.add_route(echo, "/", methods=["POST"], stream=True)
    app.add_route(hello, "/", methods=["GET"])
    app.add_route(slow, "/slow")
    async with served(app=app) as client:
        return await raw(client, request_bytes, end)
