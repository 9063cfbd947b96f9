"""The key of a watch call is checked before much of its body is kept."""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.patience import patience, within
from tests.relay.watch_fakes import Stage
from tests.web.served import served
from tests.web.test_watch import HEADERS, WHO, Authenticator, Site
from tiflis.limits import MIB
from tiflis.protocol.errors import InvalidPayload
from tiflis.web import large_body, watch_body
from tiflis.web.watch import PREFIX, WatchLimits, watch_routes

WRONG = {**WHO, "auth_key": "a wrong key of some length"}
VOICE = {"message": {"type": "voice", "audio": "A" * (2 * MIB)}}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    stage = Stage()
    gate = Authenticator(stage.watches())
    limits = WatchLimits(body=4 * MIB, bodies=8 * MIB)
    address = lambda request: request.headers.get("x-address", request.ip)  # noqa: E731
    async with served(watch_routes(gate, address, limits)) as http:
        yield Site(stage, gate, http)
        await stage.close()


@asynccontextmanager
async def stalled(site: Site, part: bytes, headers: str = "") -> AsyncIterator[asyncio.StreamReader]:
    """Return the answers to a command of 4 MiB of which only a part comes."""
    url = site.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    length = f"Content-Length: {4 * MIB}\r\n"
    writer.write(f"POST {PREFIX}/command HTTP/1.1\r\nHost: x\r\n{headers}{length}\r\n".encode() + part)
    try:
        yield reader
    finally:
        writer.close()


async def status(reader: asyncio.StreamReader) -> int:
    async with patience():
        return int((await reader.readline()).split()[1])


async def test_a_wrong_key_in_headers_is_refused_before_the_body(site: Site) -> None:
    headers = "".join(f"{name}: {text}\r\n" for name, text in HEADERS.items()).replace("pluses", "x")
    async with stalled(site, b"", headers) as reader:
        assert await status(reader) == 401


@pytest.mark.parametrize("before", ["", '"message":{"auth_key":"x","pad":["' + "y" * 2 * MIB + '"]},'])
async def test_a_wrong_key_is_refused_as_soon_as_it_has_been_read(site: Site, before: str) -> None:
    part = "{" + before + json.dumps(WRONG)[1:-1] + ', "more":'
    async with stalled(site, part.encode()) as reader:
        assert await status(reader) == 401


@pytest.mark.parametrize("order", [{**WHO, **VOICE}, {**VOICE, **WHO}])
async def test_a_voice_message_may_have_its_key_first_or_last(site: Site, order: dict[str, object]) -> None:
    assert (await site.post("command", order)).json() == {"success": True}
    assert site.gate.pinned.total == 0


async def test_with_the_key_in_headers_the_body_is_the_message(site: Site) -> None:
    answer = await site.http.post(f"{PREFIX}/command", content=json.dumps(VOICE), headers=HEADERS)
    assert answer.json() == {"success": True}


async def test_a_large_body_without_a_key_lies_in_a_file_and_is_refused(site: Site) -> None:
    part = b'{"pad":"' + b"y" * 3 * MIB
    freed = asyncio.Event()
    site.gate.pinned.freed = freed.set
    async with stalled(site, part):
        await within(freed.wait())  # what was in memory until it was too large for it
        assert site.gate.pinned.total == 0
    assert (await site.post("command", {"pad": "y" * 3 * MIB})).json()["error"] == "missing_parameters"


async def test_a_body_that_stalls_is_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_body, "WINDOW", 0.2)
    for part in (b"{", b'{"pad":"' + b"y" * 2 * MIB, json.dumps(WHO).encode()[:-1]):
        async with stalled(site, part) as reader:
            assert await status(reader) == 408


async def test_a_body_is_not_late_for_a_pause_of_this_process(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_body, "WINDOW", 1.0)
    async with stalled(site, b"{") as reader:
        await asyncio.sleep(0.1)  # the deadline has begun
        time.sleep(1.5)
        assert await unanswered(reader)


async def unanswered(reader: asyncio.StreamReader) -> bool:
    """Return whether no answer comes for a moment that is shorter than the window."""
    try:
        async with asyncio.timeout(0.2):
            await reader.readline()
    except TimeoutError:
        return True
    return False


async def test_without_a_folder_for_large_bodies_they_are_refused_and_others_are_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert (await site.post("command", {**VOICE, **WHO})).status_code == 503
    assert (await site.post("command", {**WHO, **VOICE})).json() == {"success": True}
    assert site.gate.pinned.total == 0


async def test_bodies_that_stall_leave_room_for_those_that_show_a_key(site: Site) -> None:
    async with stalled(site, b"{" + b" " * 3 * MIB), stalled(site, b"{" + b" " * 3 * MIB):
        async with stalled(site, b"{" + b" " * 3 * MIB) as third:
            assert await status(third) == 503
            assert (await site.post("command", {**WHO, **VOICE})).json() == {"success": True}


async def test_one_customers_addresses_share_a_budget(site: Site) -> None:
    """An attacker has a /64 of them."""
    part, address = b"{" + b" " * 3 * MIB, "X-Address: 2001:db8::%d\r\n"
    async with stalled(site, part, address % 1), stalled(site, part, address % 2):
        async with stalled(site, part, address % 3) as third:
            assert await status(third) == 503


@pytest.mark.parametrize("order", [{**WHO, **VOICE}, {**VOICE, **WHO}])
async def test_others_are_served_while_a_large_body_is_read(order: dict[str, object]) -> None:
    turns, body = 0, json.dumps(order).encode()

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    found, message = await large_body.read(body, None)
    beside.cancel()
    assert found == (WHO["tunnel_id"], [WHO["auth_key"]], WHO["device_id"])
    assert json.loads(message) == VOICE["message"]
    assert turns > 30


@pytest.mark.parametrize(
    "spoilt", [b"", b"x", b'"message":1,', b'"pad":"' + b"y" * 2 * MIB + b'",', b'"\xff":1,']
)
async def test_a_large_body_is_json_with_one_message_and_nothing_else_that_is_large(spoilt: bytes) -> None:
    whole = json.dumps({**WHO, **VOICE}).encode()
    assert (await large_body.read(whole, None))[1]
    with pytest.raises(InvalidPayload):
        await large_body.read(b"{" + spoilt + whole[1:] if spoilt else whole[:-1], None)
