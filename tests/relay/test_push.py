"""Web push: the RFC's own example, endpoints that are refused, and events in the workstation's messages."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from typing import cast
from unittest.mock import MagicMock

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.relay.key_town import MemoryBucket
from tests.relay.test_push_claims import DONE, Sender, Two
from tiflis.bus.directory.bucket import Bucket
from tiflis.protocol.scan import LARGE
from tiflis.relay.push import encryption
from tiflis.relay.push.channels import Notice, parse, parse_for_tunnel, send
from tiflis.relay.push.delivery import Delivery, Refused, Reply, Target, check, is_public, retry_after
from tiflis.relay.push.encryption import decode64, encode64
from tiflis.relay.push.events import Event, Events
from tiflis.relay.push.pace import EVENTS, EventPace
from tiflis.relay.push.records import SERVER, Quiet, Sealer, Subscription
from tiflis.relay.push.sender import PushSender
from tiflis.relay.push.store import PushStore

# RFC 8291, section 5 and appendix A
PLAIN = b"When I grow up, I want to be a watermelon"
RECEIVER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SECRET, SALT = "BTBZMqHH6r4Tts7J_aSIgg", "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6P"
    "Bru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_rfcs_example_is_encrypted_to_its_very_bytes() -> None:
    sender = encryption.read_key(decode64(SENDER))
    made = encryption.encrypt(PLAIN, decode64(RECEIVER), decode64(SECRET), sender, decode64(SALT))
    assert encode64(made) == BODY


def test_a_signature_names_the_service_the_time_and_the_operator() -> None:
    key = encryption.read_key(decode64(SENDER))
    header = encryption.authorization(key, "https://push.example.net", "mailto:me@example.org", 1000.0)
    token, _, public = header.removeprefix("vapid t=").partition(", k=")
    head, claims, signature = token.split(".")
    assert json.loads(decode64(head)) == {"typ": "JWT", "alg": "ES256"}
    assert json.loads(decode64(claims)) == {
        "aud": "https://push.example.net",
        "exp": 44_200,
        "sub": "mailto:me@example.org",
    }
    raw = decode64(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    signed = f"{head}.{claims}".encode()
    encryption.read_point(decode64(public)).verify(der, signed, ec.ECDSA(hashes.SHA256()))


HOSTILE = [
    "http://fcm.googleapis.com/x",
    "https://fcm.googleapis.com.evil.example/x",
    "https://evil.example/fcm.googleapis.com",
    "https://user:pw@fcm.googleapis.com/x",
    "https://fcm.googleapis.com@evil.example/x",
    "https://fcm.googleapis.com\\@evil.example/x",
    "https://fcm.googleapis.com:8443/x",
    "https://127.0.0.1/x",
    "https://[::1]/x",
    "https://2130706433/x",
    "https://localhost/x",
    "https://evilnotify.windows.com.example/",
    "file:///etc/passwd",
    "gopher://fcm.googleapis.com/",
    "https://fcm.googleapis.com/\r\nX: y",
    "https://fcm.googleapis.com/ x",
    "https:///x",
    "",
    "https://fcm.googleapis.com/" + "x" * 2048,
    "https://fcm.googleapis.com:99999/x",
    "https://\uff46cm.googleapis.com/x",
]


@pytest.mark.parametrize("endpoint", HOSTILE)
def test_an_endpoint_that_is_no_known_service_is_refused(endpoint: str) -> None:
    with pytest.raises(Refused):
        check(endpoint, ("https://push.example.org",))


def test_known_services_and_those_of_the_operator_are_taken() -> None:
    assert not check("https://fcm.googleapis.com/fcm/send/abc", ()).own
    assert not check("https://wns2-par02p.notify.windows.com/w/?token=x", ()).own
    assert check("http://127.0.0.1:8080/push", ("http://127.0.0.1:8080",)).own


PRIVATE = "127.0.0.1 10.0.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 ::1 fe80::1 fc00::1"
PRIVATE += " ::ffff:10.0.0.1 2002:7f00:1:: 64:ff9b::7f00:1 ::"


@pytest.mark.parametrize("address", PRIVATE.split())
def test_no_private_address_is_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    assert is_public(ipaddress.ip_address("142.250.185.74"))


async def test_a_tunnels_notifier_at_a_private_address_is_never_connected() -> None:
    channel = parse_for_tunnel("ntfy+https://localhost:1/topic", "", ())
    with pytest.raises(Refused):
        await send(channel, Notice("done", "t", "s", "tunnel", "desk", 0.0, "id"), Delivery())
    for wrong in ("ntfy+http://example.org/x", "webhook+https://example.org/x", "ntfy+https://" + "x" * 3000):
        with pytest.raises(ValueError):
            parse_for_tunnel(wrong, "", ())
    assert parse_for_tunnel("ntfy+http://127.0.0.1:1/x", "", ("http://127.0.0.1:1",)).target.own


async def test_a_notifier_at_a_host_that_is_no_name_is_refused_and_the_others_are_called() -> None:
    two = Two()
    called = []

    async def post(target: Target, body: bytes, headers: dict[str, str]) -> Reply:
        if target.url.hostname == "a..b":
            return await Delivery().post(target, body, headers)
        called.append(target.url.hostname)
        return Reply(200)

    two.a._delivery.post = post  # type: ignore[method-assign]
    two.a.channels = [parse(f"ntfy+http://{host}/topic", "") for host in ("a..b", "example.org")]
    await two.a.announce("t", DONE, "", "desk")
    assert called == ["example.org"]
    assert not [name for name in two.store.entries if name not in ("phone", SERVER)], "the claim is removed"


async def test_an_event_is_sent_again_to_a_push_service_that_was_not_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tiflis.relay.push.sender.LONGEST_PAUSE", 0.0)
    two = Two()
    replies: list[Reply | Exception] = [TimeoutError(), ConnectionError(), Reply(201)]

    async def post(*_: object) -> Reply:
        reply = replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setattr(two.a, "_post", post)
    monkeypatch.setattr(Sender, "send", PushSender.send)
    monkeypatch.setattr("tiflis.relay.push.sender.BUSY_PAUSE", 0.001)
    await two.notify(two.a)
    assert replies == []


def output(**payload: object) -> bytes:
    return json.dumps({"type": "session.output", "session_id": "s", "payload": payload}).encode()


def test_events_are_found_once_each_and_know_their_session() -> None:
    events = Events()
    created = {"session_type": "claude", "workspace": "w", "project": "shop"}
    assert (
        events.find(json.dumps({"type": "session.created", "session_id": "s", "payload": created}).encode())
        is None
    )
    assert events.names == {"s": "claude · shop"}
    assert events.find(output(content_type="agent", content="x", is_complete=False)) is None
    done = events.find(output(content_type="agent", content="x", is_complete=True))
    again = events.find(output(content_type="agent", content="x", is_complete=True))
    assert done is not None and again is not None
    assert (done.kind, done.session, done.text, done.id) == ("done", "s", "x", again.id)
    bell = events.find(output(content_type="terminal", content="a\x07b"))
    assert bell is not None and bell.kind == "bell"
    assert events.find(output(content_type="terminal", content="is_complete")) is None
    failed = events.find(b'{"type":"session.error","session_id":"s","payload":{"code":"C","message":"m"}}')
    assert failed is not None and failed.kind == "failed"
    for odd in (b'{"is_complete"', b'{"type":1,"is_complete":true}', b'"session.error"'):
        assert events.find(odd) is None


def test_quiet_hours_may_go_over_midnight() -> None:
    noon = 1_767_268_800.0  # 2026-01-01T12:00Z
    night = Quiet("22:00", "07:00", "Europe/Berlin")
    assert not night.covers(noon)
    assert night.covers(noon + 9.5 * 3600)
    assert Quiet("12:00", "14:00").covers(noon)


def test_a_record_is_read_only_with_our_key_and_in_its_place() -> None:
    first, second = Sealer([b"1" * 32]), Sealer([b"2" * 32, b"1" * 32])
    sealed = first.close("tunnel", b"text")
    assert b"text" not in sealed
    assert second.open("tunnel", sealed) == b"text"
    assert second.open("another", sealed) is None
    assert first.open("tunnel", b"short") is None


@pytest.mark.parametrize(
    "text, seconds", [("120", 120), ("", 0), ("soon", 0), ("-1", 0), ("9" * 40, 999_999_999)]
)
def test_a_busy_service_says_when_it_is_to_be_called_again(text: str, seconds: float) -> None:
    assert retry_after(text, 0.0) == seconds
    assert retry_after("Thu, 01 Jan 1970 00:02:00 GMT", 100.0) == 20
    assert Reply(429).busy
    assert not Reply(413).busy


async def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would occupy one of the few threads for hours."""
    monkeypatch.setattr("tiflis.relay.push.delivery.SECONDS", 0.3)
    sent, ended = asyncio.Event(), asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while not sent.is_set():
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(TimeoutError):
            await Delivery().post(check(f"{origin}/x", (origin,)), b"{}", {})
        sent.set()
        await ended.wait()


async def test_an_address_that_is_gone_does_not_take_a_newer_one_with_it() -> None:
    """The browser has subscribed anew while the push service answered 410 for the old address."""
    store = PushStore(MagicMock(), [bytes(32)])
    store._bucket = cast(Bucket, MemoryBucket())
    for endpoint in ("https://old.example.org/1", "https://new.example.org/2"):
        await store.replace("t", Subscription("phone", endpoint, b"", b"", []))
    assert not await store.remove("t", "phone", "https://old.example.org/1")
    assert await store.remove("t", "phone", "https://new.example.org/2")


def test_a_workstation_that_rings_without_end_is_reported_now_and_then() -> None:
    pace, ring = EventPace(), Event("bell", "s", "id")
    assert [pace.admit(ring, now) for now in (0.0, 5.0, 9.0, 10.0, 11.0)] == [True, False, False, True, False]
    assert pace.admit(ring._replace(session="other"), 11.0)
    done = [pace.admit(Event("done", "s", str(number)), 20.0) for number in range(300)]
    assert (done.count(True), done[0]) == (EVENTS - 3, True)
    assert pace.admit(Event("done", "s", "later"), 60.0)


def test_a_huge_message_is_not_built_to_look_for_an_event() -> None:
    payload = {"content": "x" * LARGE, "is_complete": True}
    text = json.dumps({"type": "session.output", "session_id": "s", "payload": payload}).encode()
    assert Events().find(text) is None
