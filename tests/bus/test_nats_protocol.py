"""The text protocol of NATS, without a server: a breach ends the connection and nothing else."""

from typing import Any, cast

import pytest

from tiflis.bus.errors import LinkUnavailable
from tiflis.bus.nats.protocol import NatsProtocol
from tools.fuzz.bus import Heard


def connection(heard: Heard) -> NatsProtocol:
    made = NatsProtocol(heard, {b"1": lambda *call: heard.calls.append(call)}, {})
    made.connection_made(cast(Any, heard))
    return made


@pytest.mark.parametrize(
    "line",
    [
        b"MSG a 1 five\r\n",
        b"MSG a 1 -16\r\n",
        b"MSG\r\n",
        b"MSG 5\r\nhello\r\n",
        b"HMSG a 1 x 5\r\nhello\r\n",
        b"INFO {\r\n",
        b"INFO 5\r\n",
        b"INFO \xff\r\n",
    ],
)
async def test_a_malformed_line_ends_the_connection(line: bytes) -> None:
    heard = Heard()
    link = connection(heard)
    link.data_received(b"MSG a 1 2\r\nhi\r\n" + line + b"MSG a 1 2\r\nho\r\n")
    assert heard.calls == [(b"a", b"hi")]
    assert heard.ended
    link.connection_lost(None)
    with pytest.raises(LinkUnavailable, match="malformed"):
        await link.info
