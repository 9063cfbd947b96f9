"""The handshake (RFC 6455, 4.2; protocol, sections 1 and 7), and the moment between HTTP and frames."""

import asyncio
import gc
from typing import Any

import httpx
import pytest
from sanic import Request
from sanic.http.http1 import Http

from tests.patience import within
from tests.protocol.wire import client as frame
from tests.web.endpoint import hall
from tests.web.raw_peer import TEXT, RawPeer, handshake
from tests.web.served import raw
from tiflis.web.sanic_internals import PatientHttp

GOOD = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def ask(
    headers: dict[str, str], path: str = "/ws", method: str = "GET", **settings: Any
) -> httpx.Response:
    async with hall(**settings) as here:
        lines = [f"{method} {path} HTTP/1.1", "Host: here", *(f"{k}: {v}" for k, v in headers.items())]
        answer = await raw(here.http, "\r\n".join([*lines, "", ""]).encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        assert first.split(" ")[1] == "101" or not here.sessions
        pairs = [tuple(line.split(": ", 1)) for line in rest]
        return httpx.Response(int(first.split(" ")[1]), headers=pairs, content=body)  # type: ignore[arg-type]


async def test_the_answer_of_the_rfcs_example() -> None:
    answer = await ask(GOOD)
    assert answer.status_code == 101
    assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert answer.headers["upgrade"].lower() == "websocket"
    assert answer.headers["connection"].lower() == "upgrade"


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "UPGRADE"},
        {"Sec-WebSocket-Protocol": "chat"},
        {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
        {"Origin": "https://anything.example"},
        {"Cookie": "a=b"},
    ],
)
async def test_accepted_without_subprotocol_and_extension(changes: dict[str, str]) -> None:
    answer = await ask(GOOD | changes)
    assert answer.status_code == 101
    assert not {"sec-websocket-protocol", "sec-websocket-extensions"} & set(answer.headers)


REFUSED: list[tuple[dict[str, str | None], int]] = [
    ({"Upgrade": None}, 426),
    ({"Upgrade": "h2c"}, 426),
    ({"Connection": None}, 426),
    ({"Connection": "keep-alive"}, 426),
    ({"Connection": "notupgrade"}, 426),
    ({"Sec-WebSocket-Version": None}, 426),
    ({"Sec-WebSocket-Version": "8"}, 426),
    ({"Sec-WebSocket-Version": "13, 8"}, 426),
    ({"Sec-WebSocket-Key": None}, 400),
    ({"Sec-WebSocket-Key": ""}, 400),
    ({"Sec-WebSocket-Key": "short"}, 400),
    ({"Sec-WebSocket-Key": "!" * 24}, 400),
    ({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" * 2}, 400),
    ({"Sec-WebSocket-Key": "é" * 24}, 400),
]


@pytest.mark.parametrize(("changes", "status"), REFUSED)
async def test_refused(changes: dict[str, str | None], status: int) -> None:
    headers = {name: value for name, value in (GOOD | changes).items() if value is not None}
    answer = await ask(headers)
    assert answer.status_code == status
    assert answer.json()["code"] == "UPGRADE_REFUSED"


async def test_a_refusal_names_what_is_missing() -> None:
    assert (await ask(GOOD | {"Sec-WebSocket-Version": "8"})).headers["sec-websocket-version"] == "13"
    plain = await ask({})
    assert (plain.status_code, plain.headers["upgrade"]) == (426, "websocket")


@pytest.mark.parametrize("path", ["/ws?a=b", "/ws?tunnel_id=x&auth_key=y"])
async def test_a_query_is_allowed_and_ignored(path: str) -> None:
    assert (await ask(GOOD, path)).status_code == 101


@pytest.mark.parametrize("path", ["/", "/ws/", "/wss", "/WS", "/ws/x", "/api/ws", "//ws"])
async def test_other_paths_are_not_upgraded(path: str) -> None:
    assert (await ask(GOOD, path)).status_code in (400, 404)


async def test_the_path_can_be_chosen() -> None:
    assert (await ask(GOOD, "/a/b", ws_path="/a/b")).status_code == 101
    assert (await ask(GOOD, "/ws", ws_path="/a/b")).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
async def test_only_get(method: str) -> None:
    async with hall() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(handshake().replace(b"GET", method.encode()))
        assert (await within(reader.readline())).startswith(b"HTTP/1.1 405 ")
        writer.close()


ORIGINS = "https://app.example.org,http://localhost:5173"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://app.example.org", 101),
        ("HTTPS://APP.example.org", 101),
        ("http://localhost:5173", 101),
        (None, 101),
        ("https://evil.example", 403),
        ("https://app.example.org.evil.example", 403),
        ("http://app.example.org", 403),
        ("null", 403),
    ],
)
async def test_origins(origin: str | None, status: int) -> None:
    """One that is no browser sends none: it could send any."""
    headers = GOOD | ({"Origin": origin} if origin else {})
    assert (await ask(headers, allowed_origins=ORIGINS)).status_code == status


async def test_while_it_shuts_down() -> None:
    async with hall() as here:
        here.sockets.draining = True
        answer = await raw(here.http, handshake())
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert not here.sessions


async def test_frames_sent_along_with_the_handshake_are_read() -> None:
    async with (
        hall() as here,
        await RawPeer.open(here.port, frame(TEXT, b"echo 1") + frame(TEXT, b"echo 2")) as peer,
    ):
        assert await peer.next() == (TEXT, b"echo 1")
        assert await peer.next() == (TEXT, b"echo 2")


async def test_a_frame_cut_by_the_handshake_is_read() -> None:
    whole = frame(TEXT, b"echo me")
    async with hall() as here, await RawPeer.open(here.port, whole[:5]) as peer:
        peer.raw(whole[5:])
        assert await peer.next() == (TEXT, b"echo me")


async def test_garbage_sent_along_with_the_handshake() -> None:
    async with hall() as here, await RawPeer.open(here.port, b"GET / HTTP/1.1\r\n\r\n") as peer:
        assert await peer.close_code() == 1002
        peer.writer.close()
        await here.until(lambda: here.sessions[0].losses == 1)


async def test_the_handshake_byte_by_byte() -> None:
    async with hall() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        for byte in handshake():
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await within(reader.readuntil(b"\r\n\r\n"))).startswith(b"HTTP/1.1 101")
        writer.close()


async def test_a_peer_that_leaves_at_once() -> None:
    async with hall() as here:
        for _ in range(20):
            peer = await RawPeer.open(here.port)
            peer.reset()
        await here.until(lambda: sum(session.losses for session in here.sessions) == 20)
        assert here.sockets.open == {}


async def test_nothing_of_the_request_is_left_for_a_collection() -> None:
    async with hall() as here:
        gc.collect()
        gc.disable()
        try:
            peers = [await RawPeer.open(here.port) for _ in range(3)]
            kept = [
                type(it).__name__ for it in gc.get_objects() if isinstance(it, Http | Request | PatientHttp)
            ]
        finally:
            gc.enable()
        assert kept == []
        for peer in peers:
            peer.reset()


async def test_connections_are_kept_apart_and_named() -> None:
    async with hall() as here, await RawPeer.open(here.port) as one, await RawPeer.open(here.port) as two:
        assert len({session.wire.connection_id for session in here.sessions}) == 2
        assert {session.wire.address for session in here.sessions} == {"127.0.0.1"}
        assert here.sessions[0].base_url == "ws://here/ws"
        one.send(b"from one")
        two.send(b"from two")
        await here.until(lambda: all(session.heard for session in here.sessions))
        assert [session.heard for session in here.sessions] == [[b"from one"], [b"from two"]]


PLAIN = handshake()
VARIANTS = {
    "plain": PLAIN,
    "with a frame": PLAIN + frame(TEXT, b"echo 1"),
    "an upgrade within a list": PLAIN.replace(b"Connection: Upgrade", b"connection: keep-alive, upgrade"),
    "space around values": PLAIN.replace(b"Upgrade: websocket", b"Upgrade: \t websocket"),
    "space behind values": PLAIN.replace(b"Upgrade: websocket", b"Upgrade: websocket "),
    "two keys": PLAIN[:-2] + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "another version": PLAIN.replace(b"Version: 13", b"Version: 8"),
    "no upgrade": PLAIN.replace(b"Upgrade: websocket\r\n", b""),
    "a query": PLAIN.replace(b"/ws", b"/ws?a=b"),
    "HTTP/1.0": PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a bad name": PLAIN.replace(b"Host:", b"Ho st:"),
    "space before a colon": PLAIN.replace(b"Host:", b"Host :"),
    "a folded line": PLAIN.replace(b"Host: ", b"Host: a\r\n "),
    "a bare line feed": PLAIN.replace(b"Host: ", b"Host: a\nb: "),
    "no name": PLAIN.replace(b"Host:", b":"),
    "a length": PLAIN[:-2] + b"Content-Length: 0\r\n\r\n",
    "a long header": PLAIN[:-2] + b"Cookie: " + b"a" * 20_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_handshake_gets_the_same_answer_at_once_and_in_pieces(variant: str) -> None:
    """In pieces it goes the way of any request."""
    async with hall() as here:
        answers = []
        for pieces in ([VARIANTS[variant]], [VARIANTS[variant][:9], VARIANTS[variant][9:]]):
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.02)  # so that the server reads them apart
            answer = await within(reader.readuntil(b"\r\n\r\n"))
            answers.append([line for line in answer.split(b"\r\n") if b"ccept:" not in line])
            writer.close()
        assert answers[0] == answers[1]
        assert [session.heard for session in here.sessions] in ([], [[]] * 2, [[b"echo 1"]] * 2)


async def test_a_plain_handshake_makes_no_request_unless_a_middleware_wants_it() -> None:
    seen: list[str] = []
    async with hall() as here:
        handled = here.endpoint.handle

        async def handle(request: Request) -> Any:
            seen.append("request")
            return await handled(request)

        here.endpoint.handle = handle  # type: ignore[method-assign]
        (await RawPeer.open(here.port)).writer.close()
        assert seen == []
        here.app.register_middleware(lambda request: seen.append("middleware"), "request")
        here.app.finalize_middleware()
        (await RawPeer.open(here.port)).writer.close()
        assert seen == ["middleware", "request"]


async def test_a_silent_connection_ends_at_the_time_of_an_idle_one() -> None:
    async with hall(keep_alive=1) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        assert await within(reader.read(), 20) == b""
        writer.close()
