"""The link against real NATS servers."""

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.bus.nats import TOKEN, NatsCluster, NatsServer
from tests.bus.waiting import until
from tiflis.bus.errors import BadBusUrl, LinkUnavailable
from tiflis.bus.nats.client import ConnectionListener, NatsClient
from tiflis.bus.nats.servers import ServerPool, parse_urls
from tiflis.bus.storage import administration


@contextlib.asynccontextmanager
async def linked(urls: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[NatsClient]:
    """Return a link that is up."""
    link = NatsClient(urls, "test", tls=tls)
    try:
        await link.start()
        yield link
    finally:
        await link.close()


async def hears_itself(link: NatsClient, message: bytes) -> None:
    """Publish to ourselves until it arrives."""
    heard: list[bytes] = []
    sid = link.subscribe("echo", lambda _subject, payload: heard.append(payload))
    link.publish("echo", message)
    await until(lambda: heard == [message])
    link.unsubscribe(sid)


async def test_a_token_lets_us_in(nats_server: NatsServer) -> None:
    async with linked(nats_server.url) as link:
        await hears_itself(link, b"hello")


async def test_without_the_token_we_are_refused(nats_server: NatsServer) -> None:
    link = NatsClient(f"nats://127.0.0.1:{nats_server.port}", "test")
    with pytest.raises(LinkUnavailable, match="Authorization"):
        await link.start(0.5)
    assert not link.up
    await link.close()


async def test_user_and_password_let_us_in(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, authorization='user: "me", password: "p:w"', credentials="me:p%3Aw")
    server.start()
    try:
        async with linked(server.url) as link:
            await hears_itself(link, b"hello")
    finally:
        server.stop()


@pytest.fixture
def certificate(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    subject = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *subject, "-keyout", key, "-out", cert], check=True, capture_output=True)
    yield cert, key


async def test_tls_with_a_trusted_certificate(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    server = NatsServer(tmp_path, scheme="tls", extra=f'tls {{ cert_file: "{cert}", key_file: "{key}" }}')
    server.start()
    try:
        async with linked(server.url, ssl.create_default_context(cafile=cert)) as link:
            await hears_itself(link, bytes(300_000))
        stranger = NatsClient(server.url, "test", tls=ssl.create_default_context())
        with pytest.raises(LinkUnavailable, match="certificate"):
            await stranger.start(1.0)
        await stranger.close()
    finally:
        server.stop()


async def test_a_server_that_wants_the_tls_handshake_first(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both our link and the client of JetStream's library, with nothing but the URL."""
    cert, key = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    tls = f'tls {{ cert_file: "{cert}", key_file: "{key}", handshake_first: true }}'
    server = NatsServer(tmp_path, scheme="tls", extra=tls)
    server.start(wait=False)
    try:
        async with linked(f"{server.url}?tls_first") as link:
            await hears_itself(link, bytes(300_000))
        async with administration(f"{server.url}?tls_first", "test") as client:
            await client.flush()
        impatient = NatsClient(server.url, "test")
        with pytest.raises(LinkUnavailable):
            await impatient.start(1.5)
        await impatient.close()
    finally:
        server.stop()


async def test_subscriptions_come_back_after_the_server_was_killed(nats_server: NatsServer) -> None:
    heard: list[bytes] = []
    states: list[str] = []
    link = NatsClient(nats_server.url, "test", lambda: states.append("up"), lambda: states.append("down"))
    await link.start()
    link.subscribe("echo", lambda _subject, payload: heard.append(payload))
    nats_server.kill()
    await until(lambda: not link.up)
    link.publish("echo", b"dropped")
    nats_server.start()
    await until(lambda: link.up)
    link.publish("echo", b"arrives")
    await until(lambda: bool(heard))
    assert heard == [b"arrives"]
    assert states == ["up", "down", "up"]
    await link.close()


async def test_a_stopped_server_is_noticed_within_three_seconds(nats_server: NatsServer) -> None:
    async with linked(nats_server.url) as link:
        nats_server.freeze()
        await until(lambda: not link.up)
        nats_server.thaw()
        await until(lambda: link.up)
        await hears_itself(link, b"hello again")


async def test_what_a_stopped_server_does_not_read_is_bounded(nats_server: NatsServer) -> None:
    async with linked(nats_server.url) as link:
        nats_server.freeze()
        for _ in range(400):
            link.publish("nobody", bytes(100_000))
            await asyncio.sleep(0)
        assert not link.writable
        assert link._protocol is not None
        assert link._protocol.transport.get_write_buffer_size() < 20 * 1024 * 1024
        nats_server.thaw()


async def test_messages_cut_anywhere_arrive_whole(nats_server: NatsServer) -> None:
    async with linked(nats_server.url) as link:
        heard: list[bytes] = []
        link.subscribe("sizes", lambda _subject, payload: heard.append(payload))
        sent = [bytes([size % 251]) * size for size in (0, 1, 10, 4095, 65_536, 300_000, 1_000_000) * 20]
        for message in sent:
            link.publish("sizes", message)
            while not link.writable:
                await asyncio.sleep(0)
        await until(lambda: len(heard) == len(sent))
        assert heard == sent


async def test_queue_groups_share(nats_server: NatsServer) -> None:
    async with linked(nats_server.url) as one, linked(nats_server.url) as two:
        heard: list[bytes] = []
        for link in (one, two):
            link.subscribe("work", lambda _subject, payload: heard.append(payload), queue="workers")
            await link.flush()
        for number in range(50):
            one.publish("work", b"%d" % number)
        await one.flush()
        await two.flush()
        assert len(heard) == 50


async def test_a_failing_handler_does_not_cost_the_link(nats_server: NatsServer) -> None:
    async with linked(nats_server.url) as link:

        def fail(_subject: bytes, _payload: bytes) -> None:
            raise RuntimeError("a bug")

        link.subscribe("bad", fail)
        link.publish("bad", b"x")
        await hears_itself(link, b"still here")


async def test_a_cluster_survives_the_loss_of_the_server_we_use(nats_cluster: NatsCluster) -> None:
    first = nats_cluster.servers[0]
    async with linked(first.url) as link:  # the other two are learned from the first
        await until(lambda: len(link._pool) == 3)
        downs: list[int] = []
        link.listen(ConnectionListener(on_down=lambda: downs.append(1)))
        first.kill()
        await until(lambda: bool(downs))
        await until(lambda: link.up)
        await hears_itself(link, b"from the second")


async def test_a_server_that_is_about_to_leave_is_left_at_once(nats_cluster: NatsCluster) -> None:
    first = nats_cluster.servers[0]
    async with linked(first.url) as link:
        await until(lambda: len(link._pool) == 3)
        ups: list[int] = []
        link.listen(ConnectionListener(on_up=lambda: ups.append(1)))
        os.kill(first.process.pid, signal.SIGUSR2)  # lame duck mode
        await until(lambda: bool(ups))
        assert link._pool.first().port != first.port
        await hears_itself(link, b"from another one")


async def test_an_outage_is_logged_once_for_each_reason(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with linked(nats_server.url):
        nats_server.kill()
        await asyncio.sleep(0.5)
        assert 1 <= len([record for record in caplog.records if record.message == "bus unavailable"]) <= 3


async def test_credentials_are_never_logged(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = nats_server.url.replace(TOKEN, "canary-wrong")
    link = NatsClient(wrong, "test")
    with pytest.raises(LinkUnavailable) as refused:
        await link.start(0.3)
    await link.close()
    async with linked(nats_server.url):
        nats_server.kill()
        await asyncio.sleep(0.1)
    text = str([vars(record) for record in caplog.records]) + str(refused.value)
    assert "canary" not in text


def test_several_servers_may_be_configured() -> None:
    one, two = parse_urls("nats://tok%2Fen@one, tls://me:secret@two:4223")
    assert (one.address, one.tls, one.credentials()) == (("one", 4222), False, {"auth_token": "tok/en"})
    assert (two.address, two.tls, two.tls_first) == (("two", 4223), True, False)
    assert parse_urls("tls://tok@one?tls_first")[0].tls_first
    assert two.credentials() == {"user": "me", "pass": "secret"}
    assert "secret" not in repr(two)


@pytest.mark.parametrize(
    "urls",
    ["", " , ", "http://x", "nats://", "nats://host:x", "nats://s3cret@host:99999", "tls://host?s3cret"],
)
def test_a_bad_url_is_refused_without_repeating_it(urls: str) -> None:
    with pytest.raises(BadBusUrl) as refused:
        parse_urls(urls)
    assert "s3cret" not in str(refused.value)


def test_a_learned_server_that_fails_is_forgotten_and_a_configured_one_is_not() -> None:
    pool = ServerPool("nats://t@one")
    pool.learn(["two:4222", "one:4222", "[::1]:4222", "nonsense:port"])
    assert len(pool) == 3
    for _ in range(5):
        pool.failed(pool.first())
    assert len(pool) == 1
    assert pool.first().host == "one"
