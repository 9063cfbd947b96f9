"""Messages with descriptors between two workers of a host."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.patience import patience
from tiflis.ipc.fd_passing import GROUP, TOGETHER, HandoffClient, HandoffFailed, HandoffServer, close_all


async def echo(body: bytes, descriptors: list[int]) -> bytes:
    """Answer with the body and what the descriptors stand for."""
    names = b",".join(os.readlink(f"/proc/self/fd/{one}").encode() for one in descriptors)
    close_all(descriptors)
    return body + b"|" + names


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[HandoffClient]:
    server, client = HandoffServer(tmp_path / "sock", echo), HandoffClient(tmp_path / "sock", 60.0)
    await server.start()
    yield client
    await client.close()
    await server.close()


@pytest.mark.parametrize("size", [0, 1, TOGETHER, TOGETHER + 1, 40 * TOGETHER])
@pytest.mark.parametrize("count", [0, 1, GROUP, GROUP + 1, 3 * GROUP])
async def test_a_message_arrives_whole_with_its_descriptors(
    client: HandoffClient, tmp_path: Path, size: int, count: int
) -> None:
    (tmp_path / "file").touch()
    own = [os.open(tmp_path / "file", os.O_RDONLY) for _ in range(count)]
    body = os.urandom(size)
    async with patience():
        answer = await client.send(body, own)
    close_all(own)
    assert answer == body + b"|" + b",".join([str(tmp_path / "file").encode()] * count)


async def test_messages_under_way_together_are_not_mixed_up(client: HandoffClient) -> None:
    ends = [socket.socketpair() for _ in range(20)]
    bodies = [bytes([number]) * number * 3000 for number in range(20)]
    async with patience():
        sent = [client.send(body, [one.fileno()]) for body, (one, _) in zip(bodies, ends, strict=True)]
        answers = await asyncio.gather(*sent)
    expected = [os.readlink(f"/proc/self/fd/{one.fileno()}").encode() for one, _ in ends]
    assert answers == [body + b"|" + name for body, name in zip(bodies, expected, strict=True)]
    for one, other in ends:
        one.close()
        other.close()


async def test_without_a_receiver_the_sender_keeps_its_sockets(tmp_path: Path) -> None:
    with pytest.raises(HandoffFailed) as failed:
        await HandoffClient(tmp_path / "nothing", 60.0).send(b"", [])
    assert not failed.value.undecided
