"""A shipped phone app, which knows nothing of device keys, with such a key in place of the workstation's."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tiflis_workstation.workstation import DemoWorkstation

from tests.demo.people import demo_workstation
from tests.harness import Peer, Server
from tests.patience import PATIENCE
from tests.system.device_keys import Owner, id_of

Message = dict[str, Any]


class App:
    """The app on one device: pairs by a link, and keeps its pairing over connections."""

    def __init__(self, server: Server, link: str, device_id: str = "A7F1C2D0-IOS") -> None:
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc) == ("tiflis", "connect")
        self.pairing = json.loads(base64.b64decode(parse_qs(parts.query)["data"][0]))
        assert self.pairing["url"] == server.ws_url
        self.server, self.device_id = server, device_id
        self.peer: Peer
        self._ids = itertools.count(1)

    async def connect(self, reconnect: bool = False) -> Message:
        """Open a socket and send ``connect``; return the answer."""
        self.peer = await Peer.open(self.server)
        payload = {
            "tunnel_id": self.pairing["tunnel_id"],
            "auth_key": self.pairing["key"],
            "device_id": self.device_id,
            "reconnect": reconnect,
        }
        await self.peer.send({"type": "connect", "payload": payload})
        return await self.peer.next(deadline=PATIENCE)

    async def enter(self, reconnect: bool = False) -> None:
        """Connect, authenticate, fetch the state, and begin with pings and heartbeats."""
        assert (await self.connect(reconnect))["type"] == "connected"
        own = {"auth_key": self.pairing["key"], "device_id": self.device_id}
        await self.peer.send({"type": "auth", "payload": own})
        assert (await self.peer.next("auth.success", PATIENCE))["payload"]["device_id"] == self.device_id
        await self.ask("sync", "sync.state")
        now = int(time.time() * 1000)
        await self.peer.send({"type": "ping", "timestamp": now})
        assert (await self.peer.next("pong", PATIENCE))["timestamp"] == now
        await self.ask("heartbeat", "heartbeat.ack", timestamp=now)

    async def ask(self, kind: str, answer: str, **fields: Any) -> Message:
        """Send a request with an id of its own; return the answer with the same id."""
        number = f"{self.device_id}-{next(self._ids)}"
        await self.peer.send({"type": kind, "id": number, **fields})
        return await self.peer.next(answer, PATIENCE, lambda one: one.get("id") == number)

    async def say(self, command: str) -> Message:
        """Send the supervisor a command; return the whole answer."""
        done = await self.ask("supervisor.command", "response", payload={"command": command})
        acknowledged = await self.peer.next("message.ack", PATIENCE)
        assert acknowledged["payload"]["message_id"] == done["id"]
        return await self.peer.next(
            "supervisor.output", PATIENCE, lambda one: bool(one["payload"]["is_complete"])
        )


@pytest.fixture
async def workstation(server: Server) -> AsyncIterator[DemoWorkstation]:
    async with demo_workstation(server.ws_url) as made:
        yield made


def texts(value: object) -> Iterator[str]:
    """Yield the values of an error's payload, which the app can decode only as strings."""
    assert isinstance(value, str | dict)
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    else:
        yield value


async def test_the_app_pairs_chats_comes_back_and_is_locked_out(
    server: Server, workstation: DemoWorkstation
) -> None:
    pairing = workstation.pairing
    assert pairing is not None
    async with Owner(server, pairing.tunnel_id, pairing.key) as owner:
        minted = await owner.mint(name="Phone", scope="chat")
        app = App(server, minted["link"])
        await app.enter()
        assert (await app.say("code"))["payload"]["content_type"] == "supervisor"
        app.peer.abort()  # the network is lost
        first, refused = app.peer, {"session_id": "t", "payload": {"data": "ls\r"}}
        await app.enter(reconnect=True)
        await app.say("hello")
        problem = await app.ask("session.input", "error", **refused)
        assert problem["payload"]["code"] == "FORBIDDEN"
        assert list(texts(problem["payload"]))
        assert (await owner.revoke(id_of(minted))).json() == {"success": True}
        assert await app.peer.until_closed(PATIENCE) == (1008, "The key of this device was revoked")
        seen = [*first.raw, *app.peer.raw]
        answer = await app.connect(reconnect=True)
        assert (answer["type"], answer["payload"]["code"]) == ("error", "INVALID_AUTH_KEY")
        assert list(texts(answer["payload"]))
        await app.peer.close()
    assert pairing.key not in "".join(seen)
    assert not [text for text in seen if json.loads(text)["type"].startswith("tunnel.")], "it asked for none"
