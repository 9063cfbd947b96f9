"""A tunnel whose peers do not take their output: it is stopped, and then loses its largest socket."""

from __future__ import annotations

from tests.web.endpoint import Hall, hall
from tests.web.raw_peer import RawPeer
from tiflis.relay.pinned import Shares
from tiflis.relay.sessions.outbox import MIB

SHARES = Shares(tunnel=16 * MIB, worker=64 * MIB)


def deaf(peer: RawPeer) -> None:
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]


async def open_two(here: Hall) -> tuple[RawPeer, RawPeer]:
    first, second = [await RawPeer.open(here.port) for _ in range(2)]
    deaf(first)
    deaf(second)
    return first, second


async def test_a_payload_that_two_peers_have_not_taken_is_counted_once() -> None:
    async with hall(SHARES) as here:
        await open_two(here)
        text = b"x" * 10 * MIB
        for socket in here.sockets.open.values():
            socket.send(text)
        await here.until(lambda: here.pinned.kinds["unsent"] == len(text))
        assert not any(socket.close_by for socket in here.sockets.open.values())


async def test_an_overdrawn_tunnel_is_not_read_and_loses_its_largest_socket() -> None:
    async with hall(SHARES) as here:
        await open_two(here)
        small, large = here.sockets.open.values()
        small.send(b"x" * 9 * MIB)
        large.send(b"y" * 10 * MIB)
        await here.until(lambda: small.paused and large.paused)
        await here.until(lambda: large.close_by > 0)
        await here.until(lambda: not small.paused)
        assert not small.close_by
