"""The WebSocket endpoint on a free port, with sessions that record instead of a relay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, cast

import httpx

from tests.patience import PATIENCE, patience
from tests.web.served import new_app, served, settings
from tiflis.relay.pinned import Pinned, Shares
from tiflis.relay.sessions.outbox import Cork
from tiflis.relay.sessions.pending import PendingSession
from tiflis.relay.sessions.session import Wire
from tiflis.web.sockets import Sockets
from tiflis.web.upgrade import Endpoint, add_route


class Remembering:
    """A session that echoes what begins with ``echo`` and remembers everything."""

    kind: ClassVar[str] = "client"
    tunnel_id = "tunnel-1"
    path = "local"
    plain_pings = False

    def __init__(self, wire: Wire, base_url: str) -> None:
        self.wire, self.base_url = wire, base_url
        self.heard: list[bytes] = []
        self.pressures: list[bool] = []
        self.crowds: list[bool] = []
        self.overflows = 0
        self.checks: list[float] = []
        self.losses = 0

    def received(self, text: bytes) -> None:
        self.heard.append(text)
        if text.startswith(b"echo"):
            self.wire.send(text)
        elif text == b"bug":
            raise RuntimeError("a bug")

    def lost(self) -> None:
        self.losses += 1

    def high_water(self, high: bool) -> None:
        self.pressures.append(high)

    def overfull(self, high: bool) -> None:
        self.crowds.append(high)

    def overflowed(self) -> None:
        self.overflows += 1

    def check(self, now: float) -> None:
        self.checks.append(now)

    def session_state(self) -> None: ...
    def named(self) -> dict[str, str]:
        return {}


class Hall:
    """The endpoint's sockets and sessions, in the order they came."""

    def __init__(self, shares: Shares | None = None, **changes: Any) -> None:
        self.pinned = Pinned(shares)
        self.settings = settings(**changes)
        self.cork = Cork(asyncio.get_running_loop().call_soon)
        self.sockets = Sockets(self.settings, "w", self.cork, asyncio.get_running_loop().time, self.pinned)
        self.endpoint = Endpoint(self.settings, self.sockets, self._newcomer)
        self.sessions: list[Remembering] = []
        self.http: httpx.AsyncClient
        self.app: Any = None  # Sanic's

    def _newcomer(self, wire: Wire, base_url: str) -> PendingSession:
        self.sessions.append(Remembering(wire, base_url))
        return cast(PendingSession, self.sessions[-1])

    @property
    def port(self) -> int:
        return self.http.base_url.port or 0

    async def until(self, condition: Any, deadline: float = PATIENCE) -> None:
        async with patience(deadline):
            while not condition():
                await asyncio.sleep(0.002)


@asynccontextmanager
async def hall(shares: Shares | None = None, **changes: Any) -> AsyncIterator[Hall]:
    here = Hall(shares, **changes)
    app = here.app = new_app(here.settings)
    add_route(app, here.settings.ws_path, lambda: here.endpoint)
    async with served(app=app) as here.http:
        yield here
        for socket in list(here.sockets.open.values()):
            socket._transport.abort()
        await here.until(lambda: not here.sockets.open)
        assert here.pinned.kinds["messages"] == 0
