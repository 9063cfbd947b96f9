"""The peers of one tunnel at a running server, and what each of them must have heard by the rules."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import httpx

from tests.harness import AUTH_KEY, REGISTRATION_KEY, Server, eventually
from tests.peers import Peer
from tests.system.watches import WatchDevice
from tiflis import __version__

PATIENCE = 10.0  # seconds until a message must be here
WORKSTATION = "workstation"
Message = dict[str, Any]


def told_of_workstation(tunnel_id: str, online: bool) -> list[Message]:
    """Return both spellings of the workstation's coming or going."""
    kind = "connection.workstation_online" if online else "connection.workstation_offline"
    return [
        {"type": kind, "payload": {"tunnel_id": tunnel_id}},
        {"type": "workstation.status", "payload": {"online": online}},
    ]


def error(code: str, request: str | None = None) -> Message:
    """Return as much of an error as is promised."""
    return {"type": "error", "code": code} | ({} if request is None else {"id": request})


class Person:
    """One socket: what it heard since the last look, and what it must have heard."""

    def __init__(self, peer: Peer, device: str = WORKSTATION) -> None:
        self.peer, self.device = peer, device
        self.connected = False
        self.reconnect = False  # it says that it has been here before
        self.due: list[Message] = []
        self.may: list[Message] = []  # what may come once, some time
        self._looked = 0

    def news(self) -> list[Message]:
        """Return the new messages, without pongs, and errors without their texts."""
        fresh = [message for message in self.peer.seen[self._looked :] if message["type"] != "pong"]
        return [_plain(message) for message in fresh]

    def take(self) -> list[Message]:
        found, self._looked = self.news(), len(self.peer.seen)
        return found

    async def heard_something(self) -> None:
        await eventually(self.news, PATIENCE, f"{self.device} hears anything")

    def _is_complete(self) -> bool:
        news = self.news()
        return all(news.count(message) >= self.due.count(message) for message in self.due)

    async def agrees(self, ordered: bool) -> None:
        """Everything due has come, nothing else has, and in this order."""
        await eventually(self._is_complete, PATIENCE, f"{self.device} hears {self.due}")
        await self.peer.settle()
        due, self.due = self.due, []
        found = self.take()
        for message in [one for one in self.may if found.count(one) > due.count(one)]:
            self.may.remove(message)
            found.remove(message)
        if ordered:
            assert found == due, f"{self.device} heard {found}, not {due}"
        else:
            assert _counted(found) == _counted(due), f"{self.device} heard {found}, not {due}"


def _plain(message: Message) -> Message:
    if message["type"] in ("error", "auth.error"):
        named = {"id": message["id"]} if "id" in message else {}
        return {"type": message["type"], "code": message["payload"]["code"]} | named
    return message


def _counted(messages: list[Message]) -> Counter[str]:
    return Counter(json.dumps(message, sort_keys=True) for message in messages)


class Tunnel:
    """One tunnel and all its peers, seen from outside."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.tunnel_id = ""
        self.workstation: Person | None = None
        self.superseded: list[Person] = []
        self.clients: list[Person] = []
        self.watch: WatchDevice | None = None
        self.watch_due: list[Message] = []
        self.known: set[str] = set()  # devices that have been connected
        self.departed: set[str] = set()  # those that left while there was no workstation
        self.asked: dict[str, set[str]] = {}  # request id to devices
        self.http = httpx.AsyncClient(base_url=f"{server.url}/api/v1/watch", timeout=30)

    def everyone(self) -> list[Person]:
        station = [] if self.workstation is None else [self.workstation]
        return [*station, *self.superseded, *self.clients]

    def sockets(self, device: str) -> list[Person]:
        return [client for client in self.clients if client.device == device and client.connected]

    @property
    def devices(self) -> set[str]:
        return {client.device for client in self.clients if client.connected}

    async def agree(self, ordered: bool = False) -> None:
        """Everybody has heard what is due, and nothing else."""
        await asyncio.gather(*(person.agrees(ordered) for person in self.everyone()))

    async def end(self) -> None:
        """Send a last message to all, before which everything else must have arrived."""
        if self.workstation is not None:
            last = {"type": "last.word"}
            await self.workstation.peer.send(last)
            for client in self.clients:
                client.due += [last] if client.connected else []
        try:
            await self.agree()
        finally:
            if self.watch is not None:
                await self.watch.http.aclose()
            await self.http.aclose()
            await asyncio.gather(*(person.peer.close() for person in self.everyone()))

    # What peers do

    async def register(
        self, previous: str | None = None, api_key: str = REGISTRATION_KEY, auth_key: str = AUTH_KEY
    ) -> tuple[Person, Message]:
        """Open a socket that asks to be the workstation; return it and the first answer."""
        person = Person(await Peer.open(self.server))
        payload: Message = {"api_key": api_key, "name": "desk", "auth_key": auth_key}
        if previous is not None:
            payload |= {"reconnect": True, "previous_tunnel_id": previous}
        await person.peer.send({"type": "workstation.register", "id": "reg", "payload": payload})
        await eventually(person.news, PATIENCE, "an answer to a registration")
        return person, person.news()[0]

    async def connect(self, device: str, reconnect: bool, auth_key: str = AUTH_KEY) -> tuple[Person, Message]:
        """Open a socket of a device; return it and the last answer."""
        person = Person(await Peer.open(self.server), device)
        payload: Message = {"tunnel_id": self.tunnel_id, "auth_key": auth_key, "device_id": device}
        payload |= {"reconnect": True} if reconnect else {}
        await person.peer.send({"type": "connect", "id": "con", "payload": payload})
        # Another worker may hear of a workstation a moment later: then "offline" comes first.
        late = 1 if self.workstation is not None and auth_key == AUTH_KEY else 0

        def settled() -> bool:
            news = person.news()
            return bool(news) and (news[-1]["type"] == "connected" or not late)

        await eventually(settled, PATIENCE, f"an answer to {device}'s connect")
        news = person.take()
        assert len(news) == 1 or news[:-1] == [error("WORKSTATION_OFFLINE", "con")], news
        return person, news[-1]

    def welcome(self, restored: bool) -> Message:
        payload = {"tunnel_id": self.tunnel_id, "tunnel_version": __version__, "protocol_version": "1.0.0"}
        return {"type": "connected", "payload": payload | ({"restored": True} if restored else {})}

    def introduction(self, device: str) -> Message:
        return {"type": "auth", "payload": {"auth_key": AUTH_KEY, "device_id": device}}

    def farewell(self, device: str) -> Message:
        return {"type": "client.disconnected", "payload": {"device_id": device, "tunnel_id": self.tunnel_id}}

    async def until_offline(self) -> None:
        who = {"tunnel_id": self.tunnel_id, "auth_key": AUTH_KEY, "device_id": "observer"}
        async with asyncio.timeout(PATIENCE):
            while (await self.http.get("/state", params=who)).json()["workstation_online"]:
                await asyncio.sleep(0.02)
