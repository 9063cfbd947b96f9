"""A Sanic app with some of our routes, served on a free loopback port inside the test."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx
from pydantic import SecretStr
from sanic import Blueprint, Sanic

from tests.patience import PATIENCE, WALL_PATIENCE, within
from tiflis.config import Settings
from tiflis.web.http import configure
from tiflis.web.replies import Errors
from tiflis.web.sanic_internals import PatientHttp, SoundRequest

_numbers = count()


def settings(**changes: Any) -> Settings:
    """Return the defaults with a key, and these changes."""
    return Settings(registration_keys=(SecretStr("k" * 32),), **changes)


def new_app(chosen: Settings | None = None) -> Sanic[Any, Any]:
    """Return an app like the server's, without its rooms."""
    app = Sanic(
        f"test-{next(_numbers)}", error_handler=Errors(), request_class=SoundRequest, configure_logging=False
    )
    configure(app, chosen or settings())
    app.config.TOUCHUP = False  # rewrites Sanic's classes, which works for one app a process
    return app


@asynccontextmanager
async def served(*routes: Blueprint, app: Sanic[Any, Any] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of an app with these routes and our error answers."""
    app = app or new_app()
    for blueprint in routes:
        app.blueprint(blueprint)
    listener = socket.create_server(("127.0.0.1", 0))
    server = await app.create_server(sock=listener, return_asyncio_server=True, protocol=PatientHttp)
    assert server is not None
    await server.startup()  # type: ignore[no-untyped-call]  # Sanic's
    await server.before_start()  # type: ignore[no-untyped-call]  # Sanic's
    await server.start_serving()  # type: ignore[no-untyped-call]  # Sanic's
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=WALL_PATIENCE
        ) as client:
            yield client
    finally:
        server.close()  # type: ignore[no-untyped-call]  # Sanic's
        await server.wait_closed()  # type: ignore[no-untyped-call]  # Sanic's
        Sanic.unregister_app(app)


async def raw(client: httpx.AsyncClient, data: bytes, end: bool = False, deadline: float = PATIENCE) -> bytes:
    """Return the first answer to these bytes, or what came of it before the server closed the connection."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    try:
        writer.write(data)
        if end:
            writer.write_eof()
        return await within(_answer(reader), deadline)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)\ncontent-length: (\d+)", head)
        return head + (await reader.readexactly(int(length[1])) if length else b"")
    except asyncio.IncompleteReadError as cut:
        return cut.partial
