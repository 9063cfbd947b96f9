"""One WebSocket: what comes in, what goes out, and how it ends."""

import asyncio
import contextlib
import logging
import socket as sockets

import pytest
import uvloop

from tests.patience import patience, within
from tests.protocol.wire import client as frame
from tests.protocol.wire import fragmented, head
from tests.web.endpoint import Hall, Remembering, hall
from tests.web.raw_peer import CLOSE, PING, PONG, TEXT, RawPeer
from tiflis.relay.sessions.outbox import MIB
from tiflis.relay.sessions.session import Pause
from tiflis.web.socket import WebSocket

BINARY = 2


def socket_of(here: Hall) -> WebSocket:
    [socket] = here.sockets.open.values()
    return socket


async def test_text_and_binary_whole_and_in_fragments() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        peer.send(b"echo text")
        peer.send(b"echo binary", BINARY)
        peer.raw(fragmented(TEXT, [b"echo", b" in", b"", b" parts"]))
        answers = [await peer.next() for _ in range(3)]
        assert answers == [(TEXT, b"echo text"), (TEXT, b"echo binary"), (TEXT, b"echo in parts")]


async def test_a_ping_is_answered_at_once_also_between_fragments() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        peer.send(b"echo", fin=False)
        peer.send(b"are you there", PING)
        assert await peer.next() == (PONG, b"are you there")
        peer.send(b" me", 0)
        assert await peer.next() == (TEXT, b"echo me")


async def test_a_plain_ping_is_answered_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket answers it by itself, unless something else is under way."""
    ping, pong = b'{"type":"ping","timestamp":17}', (TEXT, b'{"type":"pong","timestamp":17}')
    monkeypatch.setattr(Remembering, "plain_pings", True)
    async with hall() as here, await RawPeer.open(here.port) as peer:
        peer.send(b"echo first")  # the first read is timed, and goes the long way
        assert await peer.next() == (TEXT, b"echo first")
        before = socket_of(here).heard
        peer.send(ping)
        assert await peer.next() == pong
        assert here.sessions[0].heard == [b"echo first"]
        assert socket_of(here).heard > before
        peer.send(b"echo", fin=False)
        await here.until(lambda: not socket_of(here)._inbox.reader.between_messages)
        peer.send(ping)  # a new message inside another one
        assert (await peer.next())[0] == CLOSE


async def test_a_pong_without_a_ping_is_only_a_sign_of_life() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        before = socket_of(here).heard
        peer.send(b"", PONG)
        peer.send(b"echo")
        assert await peer.next() == (TEXT, b"echo")
        assert socket_of(here).heard > before


async def test_a_bug_in_one_message_does_not_take_the_socket_along(caplog: pytest.LogCaptureFixture) -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        with caplog.at_level(logging.ERROR):
            peer.send(b"bug")
            peer.send(b"echo")
            assert await peer.next() == (TEXT, b"echo")
        assert "a bug" in caplog.text


# Endings


@pytest.mark.parametrize(("payload", "code"), [(b"\x03\xe8bye", 1000), (b"\x03\xe9", 1001), (b"", 1005)])
async def test_a_close_is_answered_in_kind_and_the_connection_ends(payload: bytes, code: int) -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        peer.send(payload, CLOSE)
        assert await peer.close_code() == code
        assert await peer.ended()
        await here.until(lambda: here.sessions[0].losses == 1)


async def test_nothing_is_read_after_a_close() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        peer.raw(frame(TEXT, b"1") + frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"2"))
        assert await peer.ended()
        assert here.sessions[0].heard == [b"1"]


BROKEN = [
    (b"\x81\x05hello", 1002),  # not masked
    (frame(TEXT, b"x", reserved=4), 1002),
    (frame(3, b"x"), 1002),
    (frame(0, b"x"), 1002),
    (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    (frame(PING, b"x", fin=False), 1002),
    (frame(PING, b"x" * 126), 1002),
    (frame(CLOSE, b"\x03"), 1002),
    (frame(CLOSE, b"\x00\x00"), 1002),
    (frame(TEXT, b"\xff"), 1007),
    (fragmented(TEXT, [b"\xc3", b"\x28"]), 1007),
    (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    (head(TEXT, 64 * 1024 + 1), 1009),
    (head(TEXT, (1 << 63) - 1), 1009),
    (frame(TEXT, b"x" * 60_000, fin=False) + head(0, 10_000), 1009),
]


@pytest.mark.parametrize(("data", "code"), BROKEN)
async def test_a_broken_frame_closes_with_its_code(data: bytes, code: int) -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        peer.raw(frame(TEXT, b"before") + data)
        assert await peer.close_code(1.0) == code
        assert await peer.ended()
        assert here.sessions[0].heard == [b"before"]


async def test_the_code_reaches_a_peer_that_goes_on_sending() -> None:
    """Closing with unread input would reset the connection, and the peer would never see the close frame."""
    async with hall() as here, await RawPeer.open(here.port) as peer:
        peer.raw(head(TEXT, 40 * MIB))
        for _ in range(40):
            peer.raw(b"x" * MIB)
        assert await peer.close_code() == 1009
        peer.raw(b"x" * 20 * MIB)
        await peer.drain()
        assert await peer.reader.read() == b"", "the end, not a reset"
        assert here.sessions[0].heard == []
        peer.writer.close()
        await here.until(lambda: here.sessions[0].losses == 1)


async def test_one_that_sends_on_for_ever_is_cut_off() -> None:
    async with hall(close_timeout=0.2) as here, await RawPeer.open(here.port) as peer:
        socket = socket_of(here)
        peer.raw(b"\xff")
        peer.raw(b"x" * 1000)
        assert await peer.close_code() == 1002
        async with patience():
            while here.sockets.open:
                peer.raw(b"x")
                socket.check(asyncio.get_running_loop().time())
                await asyncio.sleep(0.02)
        assert here.sessions[0].losses == 1


async def test_a_half_closed_connection_is_lost() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        peer.writer.write_eof()
        assert await peer.ended()
        await here.until(lambda: here.sessions[0].losses == 1)


async def test_we_close_after_what_is_queued() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        socket = socket_of(here)
        socket.send(b"x" * 3 * MIB)
        socket.close(1001, "bye")
        socket.send(b"too late")
        socket.close(1000, "once is enough")
        got = b""
        while (part := await peer.next())[0] != CLOSE:
            got += part[1]
        assert got == b"x" * 3 * MIB
        assert part[1] == b"\x03\xe9bye"
        peer.send(part[1], CLOSE)
        assert await peer.ended()
        await here.until(lambda: here.sessions[0].losses == 1)


async def test_a_peer_that_does_not_answer_our_close_is_cut_off() -> None:
    async with hall(close_timeout=0.05) as here, await RawPeer.open(here.port) as peer:
        socket = socket_of(here)
        socket.close(1001)
        assert await peer.close_code() == 1001
        socket.check(asyncio.get_running_loop().time())
        assert here.sockets.open
        socket.check(asyncio.get_running_loop().time() + 0.06)
        await here.until(lambda: not here.sockets.open)


async def test_cut_off_drops_what_waits_and_gives_the_reason() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        socket = socket_of(here)
        socket.send(b"x" * 30 * MIB)
        socket.cut_off(1013, "Too slow")
        assert await peer.close_code() == 1013
        assert socket.outbox.waiting == 0


# Load


async def test_pressure_is_reported_and_taken_back() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        socket, session = socket_of(here), here.sessions[0]
        socket.send(b"x" * 8 * MIB)
        assert session.pressures == [True]
        size = 0
        while size < 8 * MIB:
            size += len((await peer.next())[1])
        await here.until(lambda: session.pressures == [True, False])


async def test_overflow_is_reported_when_it_lasts() -> None:
    async with hall(backlog_limit=16 * MIB, backlog_patience=0.1) as here, await RawPeer.open(here.port):
        socket, session = socket_of(here), here.sessions[0]
        socket.send(b"x" * 16 * MIB)
        assert session.crowds == []
        socket.send(b"x" * 14 * MIB)
        assert (session.crowds, session.overflows) == ([True], 0)
        await here.until(lambda: session.overflows == 1)


async def test_overflow_that_passes_is_no_overflow() -> None:
    async with hall(backlog_limit=8 * MIB, backlog_patience=5) as here, await RawPeer.open(here.port) as peer:
        socket, session = socket_of(here), here.sessions[0]
        socket.send(b"x" * 14 * MIB)
        for _ in range(14 * 8):
            await peer.next()
        await here.until(lambda: session.crowds == [True, False])
        assert session.overflows == 0


async def test_overflow_beyond_all_measure_is_reported_at_once() -> None:
    async with hall(backlog_limit=2 * MIB, backlog_patience=60) as here, await RawPeer.open(here.port):
        socket, session = socket_of(here), here.sessions[0]
        socket.send(b"x" * 12 * MIB)
        assert session.overflows == 1


async def test_a_peer_that_takes_nothing_is_too_slow() -> None:
    async with hall(stall_bytes=MIB, stall_timeout=10) as here, await RawPeer.open(here.port) as peer:
        socket = socket_of(here)
        socket.send(b"x" * 20 * MIB)
        await asyncio.sleep(0.05)
        now = asyncio.get_running_loop().time()
        assert [socket.too_slow(now), socket.too_slow(now + 9.9)] == [False, False]
        assert socket.too_slow(now + 10.1)
        for _ in range(20):
            await peer.next()
        assert not socket.too_slow(now + 20), "it has taken something"
        await asyncio.sleep(0.05)
        assert not socket.too_slow(now + 29)
        assert socket.too_slow(now + 60)


async def test_little_unsent_output_is_never_too_slow() -> None:
    async with hall() as here, await RawPeer.open(here.port):
        socket = socket_of(here)
        socket.send(b"x")
        now = asyncio.get_running_loop().time()
        assert not any(socket.too_slow(now + later) for later in (0, 10, 100, 1000))


async def test_a_paused_socket_is_not_read_and_its_silence_counts_for_nothing() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        socket, session = socket_of(here), here.sessions[0]
        socket.pause(Pause.PRESSURE)
        socket.pause(Pause.GATHERING)
        peer.send(b"echo")
        await asyncio.sleep(0.05)
        socket.check(asyncio.get_running_loop().time() + 1000)
        assert (session.heard, session.checks) == ([], [])
        socket.resume(Pause.PRESSURE)
        await asyncio.sleep(0.02)
        assert session.heard == []
        socket.resume(Pause.GATHERING)
        assert await peer.next() == (TEXT, b"echo")
        assert asyncio.get_running_loop().time() - socket.heard < 1


async def test_a_paused_socket_can_be_closed() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        socket = socket_of(here)
        socket.pause(Pause.PRESSURE)
        socket.close(1001)
        assert await peer.close_code() == 1001
        peer.send(b"\x03\xe9", CLOSE)
        assert await peer.ended()
        await here.until(lambda: here.sessions[0].losses == 1)


async def test_pings_of_a_peer_that_reads_nothing_stop_being_read() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        socket = socket_of(here)
        flood = frame(PING, b"x" * 125) * 4000

        async def push() -> None:
            while True:
                peer.raw(flood)
                await peer.writer.drain()

        pushing = asyncio.create_task(push())
        await here.until(lambda: socket.paused, 20)
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
        assert socket.outbox.unsent() < 4 * MIB
        while socket.paused:
            await peer.next()
        assert here.sessions[0].losses == 0


async def test_a_role_widens_and_its_loss_narrows() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        socket, session = socket_of(here), here.sessions[0]
        peer.send(b"x" * 64 * 1024)
        await here.until(lambda: len(session.heard) == 1)
        socket.raise_message_limit()
        peer.send(b"x" * 5 * MIB)
        await here.until(lambda: len(session.heard) == 2)
        socket.lower_message_limit()
        peer.send(b"x" * (64 * 1024 + 1))
        assert await peer.close_code() == 1009


async def test_a_probe_is_a_protocol_ping() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        socket_of(here).probe()
        assert await peer.next() == (PING, b"")


# The session's end


async def test_the_session_is_over_when_we_begin_to_close() -> None:
    """What others send from then on would be dropped, so they have to know."""
    async with hall() as here, await RawPeer.open(here.port):
        socket_of(here).close(1000, "Connection timed out")
        assert here.sessions[0].losses == 1
    assert here.sessions[0].losses == 1


async def test_the_session_is_over_when_the_peer_closes_though_output_waits() -> None:
    async with hall() as here, await RawPeer.open(here.port) as peer:
        socket_of(here).send(b"x" * 20 * MIB)
        peer.send(b"\x03\xe8", CLOSE)
        await here.until(lambda: here.sessions[0].losses == 1)
        assert here.sockets.open
    assert here.sessions[0].losses == 1


async def test_one_that_is_cut_off_is_lost_in_a_moment() -> None:
    """Not at once: that may be in the middle of a message to many."""
    async with hall() as here, await RawPeer.open(here.port):
        socket_of(here).cut_off(1013, "Too slow")
        before = here.sessions[0].losses
        await asyncio.sleep(0)
        assert (before, here.sessions[0].losses) == (0, 1)


async def test_small_frames_are_sent_without_delay() -> None:
    async with hall() as here, await RawPeer.open(here.port):
        connection = socket_of(here)._transport.get_extra_info("socket")
        assert connection.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY)


class Made(asyncio.Protocol):
    """A connection as the event loop hands it over."""

    def __init__(self) -> None:
        self.made: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.set_result(transport)


@pytest.mark.parametrize("adopted", [False, True])
def test_uvloop_sends_small_frames_without_delay(adopted: bool) -> None:
    """It turns Nagle's algorithm off for sockets that it accepts and for those from another process."""

    async def connection() -> bool:
        loop = asyncio.get_running_loop()
        protocol = Made()
        with contextlib.ExitStack() as stack:
            if adopted:
                listener = stack.enter_context(sockets.create_server(("127.0.0.1", 0)))
                stack.enter_context(sockets.create_connection(listener.getsockname()))
                await loop.connect_accepted_socket(lambda: protocol, listener.accept()[0])
            else:
                server = await loop.create_server(lambda: protocol, "127.0.0.1", 0)
                stack.callback(server.close)
                stack.enter_context(sockets.create_connection(server.sockets[0].getsockname()))
            transport = await within(protocol.made)
            stack.callback(transport.close)
            connection = transport.get_extra_info("socket")
            return bool(connection.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(connection())
