"""The watch API over real HTTP, with a real registry and one known tunnel."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.patience import patience
from tests.relay.watch_fakes import Stage
from tests.web.served import served
from tiflis.protocol.errors import InvalidAuthKey, RateLimited, SendFailed, Starting, TunnelNotFound
from tiflis.relay.pinned import Pinned
from tiflis.relay.watch.calls import Call
from tiflis.relay.watch.operations import WatchOperations
from tiflis.web.watch import PREFIX, WatchLimits, watch_routes

KEY = "a+key+with+pluses"
WHO = {"tunnel_id": "tunnel-1", "auth_key": KEY, "device_id": "watch-1"}
HEADERS = {"Authorization": f"Bearer {KEY}", "X-Tunnel-Id": "tunnel-1", "X-Device-Id": "watch-1"}
CREDENTIALS = "tunnel_id=tunnel-1&auth_key=a%2Bkey%2Bwith%2Bpluses&device_id=watch-1"
MISSING = {"error": "missing_parameters", "message": "tunnel_id, auth_key, and device_id are required"}
POSTS = ("connect", "command", "disconnect")
GETS = ("messages", "state")


class Authenticator:
    """Knows ``tunnel-1``; ``trouble`` is raised by the next calls instead."""

    def __init__(self, watches: WatchOperations) -> None:
        self.watches = watches
        self.trouble: Exception | None = None
        self.attempts = 0
        self.pinned = Pinned()

    async def authorise(self, tunnel_id: str, auth_keys: list[str], address: str, device_id: str) -> str:
        self.attempts += 1
        if isinstance(self.trouble, Starting | RateLimited):
            raise self.trouble
        if tunnel_id != "tunnel-1":
            raise TunnelNotFound
        if KEY not in auth_keys:
            raise InvalidAuthKey
        return KEY

    async def call(self, tunnel_id: str, call: Call) -> dict[str, Any]:
        if self.trouble:
            raise self.trouble
        return await self.watches.call(call)


class Site:
    """A running server, its gate, and a client of it."""

    def __init__(self, stage: Stage, gate: Authenticator, http: httpx.AsyncClient) -> None:
        self.stage = stage
        self.gate = gate
        self.http = http

    async def post(self, call: str, body: Any = WHO) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(f"{PREFIX}/{call}", content=content)

    async def get(self, call: str, query: str = CREDENTIALS, **more: Any) -> httpx.Response:
        return await self.http.get(f"{PREFIX}/{call}?{query}", **more)

    async def deliver(self, *texts: bytes) -> None:
        for text in texts:
            self.gate.watches.deliver(text)
        await self.gate.watches.registry.settle()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    stage = Stage()
    gate = Authenticator(stage.watches())
    async with served(
        watch_routes(gate, lambda request: request.ip, WatchLimits(body=100_000, bodies=200_000))
    ) as http:
        yield Site(stage, gate, http)
        await stage.close()


async def test_a_watch_connects_polls_commands_and_leaves(site: Site) -> None:
    connected = await site.post("connect")
    assert connected.json() == {
        "success": True,
        "tunnel_id": "tunnel-1",
        "workstation_online": True,
        "workstation_name": "desk at home",
    }
    assert (await site.post("command", {**WHO, "message": {"type": "sync"}})).json() == {"success": True}
    await site.deliver(b'{"type":"sync.state"}')
    [message] = (await site.get("messages")).json()["messages"]
    assert message["data"] == {"type": "sync.state"}
    assert (await site.get("state")).json() == {
        "connected": True,
        "workstation_online": True,
        "workstation_name": "desk at home",
        "queue_size": 1,
        "current_sequence": 1,
    }
    assert (await site.post("disconnect")).json() == {"success": True}
    assert (await site.post("disconnect")).json() == {"success": False}


async def test_answers_are_json_that_no_cache_stores(site: Site) -> None:
    answer = await site.get("state")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("call", POSTS)
@pytest.mark.parametrize("left_out", WHO)
async def test_a_body_without_credentials_is_400(site: Site, call: str, left_out: str) -> None:
    for value in ({}, {left_out: ""}, {left_out: None}):
        body = {name: text for name, text in WHO.items() if name != left_out} | value
        answer = await site.post(call, body)
        assert (answer.status_code, answer.json()) == (400, MISSING)


@pytest.mark.parametrize("call", GETS)
async def test_a_query_without_credentials_is_400(site: Site, call: str) -> None:
    for query in ("", "tunnel_id=tunnel-1&device_id=watch-1", "tunnel_id=&auth_key=&device_id="):
        answer = await site.get(call, query)
        assert (answer.status_code, answer.json()) == (400, MISSING)


@pytest.mark.parametrize("call", POSTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"no json",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b'{"tunnel_id":' * 5000,
        b"[" * 90_000,
        b'{"tunnel_id":"a\xff"}',
        json.dumps(WHO | {"tunnel_id": 5}).encode(),
        json.dumps(WHO | {"device_id": ["x"]}).encode(),
        json.dumps(WHO | {"auth_key": {"a": 1}}).encode(),
    ],
)
async def test_a_wrong_body_is_400(site: Site, call: str, body: bytes) -> None:
    answer = await site.post(call, body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "message"}


@pytest.mark.parametrize("tunnel_id", ["*", ">", "a.b", "a\r\nb", "x" * 10_000, "тунель", " "])
async def test_a_hostile_tunnel_id_is_400(site: Site, tunnel_id: str) -> None:
    assert (await site.post("connect", WHO | {"tunnel_id": tunnel_id})).status_code == 400
    assert site.gate.attempts == 0


@pytest.mark.parametrize("device_id", ["a\r\nb", "a\x00", "x" * 10_000])
async def test_a_hostile_device_id_is_400(site: Site, device_id: str) -> None:
    assert (await site.post("connect", WHO | {"device_id": device_id})).status_code == 400


@pytest.mark.parametrize("device_id", ["*", ">", "a.b.>", "уред", '"', "{}"])
async def test_an_odd_device_id_is_just_a_name(site: Site, device_id: str) -> None:
    await site.post("connect", WHO | {"device_id": device_id})
    await site.post("connect")
    site.gate.watches.deliver_to(device_id, b'{"for":"the odd one"}')
    await site.deliver(b"{}")
    query = urlencode(WHO | {"device_id": device_id})
    assert len((await site.get("messages", query)).json()["messages"]) == 2
    assert len((await site.get("messages")).json()["messages"]) == 1


@pytest.mark.parametrize(
    "parameters",
    [
        *("since=-1", "since=x", "since=", "since=1.5", "since=%D9%A3", "since=1&since=2", "device_id=other"),
        *("ack=1e3", "ack=%FF", "wait=-1", "wait=25.1", "wait=nan", "wait=inf", "wait=9999999999"),
    ],
)
async def test_a_wrong_query_is_400(site: Site, parameters: str) -> None:
    answer = await site.get("messages", f"{CREDENTIALS}&{parameters}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_parameters")


async def test_parameters_are_checked_before_the_tunnel_and_it_before_the_key(site: Site) -> None:
    stranger = {"tunnel_id": "unknown", "auth_key": "wrong", "device_id": "watch-1"}
    assert (await site.post("command", stranger)).json()["error"] == "invalid_parameters"
    stranger["message"] = {"type": "sync"}  # type: ignore[assignment]
    site.stage.home.workstation_online = False
    assert (await site.post("command", stranger)).json()["error"] == "tunnel_not_found"
    stranger["tunnel_id"] = "tunnel-1"
    assert (await site.post("command", stranger)).json()["error"] == "invalid_auth_key"
    stranger["auth_key"] = KEY
    assert (await site.post("command", stranger)).json()["error"] == "workstation_offline"


@pytest.mark.parametrize("call", POSTS + GETS)
async def test_an_unknown_tunnel_is_404_and_a_wrong_key_401(site: Site, call: str) -> None:
    for change, status in (({"tunnel_id": "other"}, 404), ({"auth_key": "wrong"}, 401)):
        who = WHO | change | {"message": {"type": "sync"}}
        answer = await (site.post(call, who) if call in POSTS else site.get(call, urlencode(who)))
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("trouble", "status", "error"),
    [
        (Starting(), 503, "starting"),
        (SendFailed(), 503, "send_failed"),
        (RateLimited(12.3), 429, "rate_limited"),
    ],
)
async def test_trouble_has_a_status_and_a_name(
    site: Site, trouble: Exception, status: int, error: str
) -> None:
    site.gate.trouble = trouble
    for answer in (await site.post("connect"), await site.get("messages"), await site.get("state")):
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert answer.headers.get("retry-after") == ("13" if status == 429 else None)


async def test_the_answer_contains_that_the_workstation_is_offline(site: Site) -> None:
    site.stage.home.workstation_online = False
    assert (await site.post("connect")).json()["workstation_online"] is False
    for call in GETS:
        answer = await site.get(call)
        assert (answer.status_code, answer.json()["workstation_online"]) == (200, False)
    answer = await site.post("command", {**WHO, "message": {"type": "sync"}})
    assert (answer.status_code, answer.json()["error"]) == (503, "workstation_offline")


@pytest.mark.parametrize(
    "query",
    [
        CREDENTIALS,
        "tunnel_id=tunnel-1&auth_key=a+key+with+pluses&device_id=watch-1",
        "tunnel_id=tunnel-1&auth_key=a%20key+with%2Bpluses&device_id=watch-1",
    ],
)
async def test_a_plus_in_a_querys_key_survives(site: Site, query: str) -> None:
    assert (await site.get("state", query)).status_code == 200
    assert site.gate.attempts == 1


async def test_credentials_may_come_in_headers(site: Site) -> None:
    await site.post("connect")
    assert (await site.get("state", "", headers=HEADERS)).json()["connected"]
    mixed = {"Authorization": HEADERS["Authorization"]}
    assert (await site.get("state", "tunnel_id=tunnel-1&device_id=watch-1", headers=mixed)).status_code == 200


async def test_head_works_like_get(site: Site) -> None:
    await site.post("connect")
    for call in GETS:
        answer = await site.http.head(f"{PREFIX}/{call}?{CREDENTIALS}&wait=20")
        assert (answer.status_code, answer.content) == (200, b"")
    assert (await site.http.head(f"{PREFIX}/state")).status_code == 400


async def test_a_message_goes_on_as_it_came(site: Site) -> None:
    await site.post("connect")
    site.stage.home.sent.clear()
    message = rb'{ "type":"x", "n":123456789012345678901234567890, "f":1.10, "u":"\u00e9\ud800" }'
    body = json.dumps(WHO).encode()[:-1] + b',"message": ' + message + b" }"
    assert (await site.post("command", body)).json() == {"success": True}
    assert site.stage.home.sent[0][0] == message[:-1] + b',"device_id":"watch-1"}'


@pytest.mark.parametrize(
    "message", [None, [], "x", {}, {"type": 1}, {"type": "connection.workstation_online"}]
)
async def test_a_message_that_may_not_be_sent_is_400(site: Site, message: Any) -> None:
    answer = await site.post("command", {**WHO, "message": message})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_parameters")


async def test_digits_survive_the_poll(site: Site) -> None:
    await site.post("connect")
    await site.deliver(b'{"n":123456789012345678901234567890,"f":1.10}')
    assert b'"data":{"n":123456789012345678901234567890,"f":1.10}' in (await site.get("messages")).content


async def test_huge_numbers_are_numbers(site: Site) -> None:
    await site.post("connect")
    await site.deliver(b"{}")
    answer = (await site.get("messages", f"{CREDENTIALS}&since={'9' * 30}")).json()
    assert (len(answer["messages"]), answer["may_have_missed_messages"]) == (1, True)


async def test_a_body_above_the_limit_is_413(site: Site) -> None:
    large = json.dumps({**WHO, "message": {"type": "x", "audio": "a" * 100_000}}).encode()
    assert len(large) < 200_000  # what this site reads of all bodies together

    async def chunks() -> AsyncIterator[bytes]:
        yield large

    declared = await site.post("command", large)
    chunked = await site.http.post(f"{PREFIX}/command", content=chunks())
    for answer in (declared, chunked):
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert (await site.post("connect")).status_code == 200


async def test_bodies_under_way_are_bounded_together(site: Site) -> None:
    async with contextlib.AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(half_a_body(site, 90_000)) for _ in range(3)]
        answers = [asyncio.create_task(reader.readuntil(b"}")) for reader in readers]
        async with patience():
            [refused], waiting = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        assert b"503" in refused.result()
        assert b"send_failed" in refused.result()
        assert (await site.post("connect")).status_code == 200
        for answer in waiting:
            answer.cancel()


@asynccontextmanager
async def half_a_body(site: Site, size: int) -> AsyncIterator[asyncio.StreamReader]:
    """Return the answers to a command of which so many bytes have been sent, and not the rest."""
    reader, writer = await asyncio.open_connection(site.http.base_url.host, site.http.base_url.port)
    writer.write(f"POST {PREFIX}/command HTTP/1.1\r\nHost: x\r\nContent-Length: {size + 1}\r\n\r\n".encode())
    writer.write(b" " * size)
    try:
        yield reader
    finally:
        writer.close()


async def test_a_long_poll_waits_for_a_message(site: Site) -> None:
    await site.post("connect")
    poll = asyncio.create_task(site.get("messages", f"{CREDENTIALS}&wait=20"))
    watch = site.gate.watches.registry._watches["watch-1"]
    async with patience():
        while not watch.polled:
            await asyncio.sleep(0.005)
        site.gate.watches.deliver(b'{"type":"late"}')
        assert len((await poll).json()["messages"]) == 1


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def unread_poll(site: Site, device: str = "watch-1") -> Streams:
    """Poll on a connection of its own, whose answer stays unread but for its first bytes."""
    url = site.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=1024)
    query = CREDENTIALS.replace("watch-1", device)
    writer.write(f"GET {PREFIX}/messages?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (await reader.readexactly(12))[9:] == b"200"
    return reader, writer


async def test_a_second_poll_of_a_device_ends_the_one_it_does_not_read(site: Site) -> None:
    await site.post("connect")
    await site.deliver(b'{"type":"big","x":"' + b"x" * 12_000_000 + b'"}')
    reader, writer = await unread_poll(site)
    assert site.gate.pinned.kinds["answers"] > 12_000_000
    again = await site.get("messages")
    assert again.json()["messages"][0]["data"]["type"] == "big"
    with contextlib.suppress(ConnectionError):
        while await reader.read(1 << 20):
            pass
    writer.close()
    assert site.gate.pinned.total == 0


async def test_unread_answers_of_a_tunnel_are_bounded(site: Site) -> None:
    for number in range(3):
        await site.post("connect", WHO | {"device_id": f"watch-{number}"})
    await site.deliver(b'{"type":"big","x":"' + b"x" * 30_000_000 + b'"}')
    unread = [await unread_poll(site, f"watch-{number}") for number in range(2)]
    refused = await site.get("messages", CREDENTIALS.replace("watch-1", "watch-2"))
    assert (refused.status_code, refused.json()["error"]) == (503, "send_failed")
    for _, writer in unread:
        writer.transport.abort()
    async with patience():
        while site.gate.pinned.total:
            await asyncio.sleep(0.01)
    assert (await site.get("messages", CREDENTIALS.replace("watch-1", "watch-2"))).status_code == 200


async def test_a_large_queue_comes_in_several_answers_and_nothing_is_left_out(site: Site) -> None:
    await site.post("connect")
    await site.deliver(*(b'{"type":"n","n":%d,"x":"%s"}' % (n, b"x" * 1_500_000) for n in range(7)))
    since = 0
    heard: list[int] = []
    while len(heard) < 7:
        answer = (await site.get("messages", f"{CREDENTIALS}&since={since}")).json()
        assert len(json.dumps(answer["messages"])) < 6_000_000
        assert not answer["may_have_missed_messages"]
        since, heard = answer["current_sequence"], heard + [one["data"]["n"] for one in answer["messages"]]
    assert heard == list(range(7))
