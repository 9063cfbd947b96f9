"""A nats-py connection for those who keep something in JetStream beside the directory."""

import asyncio
import contextlib
import logging

from nats.aio.client import Client
from nats.errors import Error as NatsError

from tiflis.bus.errors import DirectoryUnavailable
from tiflis.bus.nats.servers import parse_urls

log = logging.getLogger(__name__)

CONNECT_SECONDS = 1
CLOSE_SECONDS = 2.0


async def connect(urls: str, name: str, deadline: float) -> Client:
    """A client that reconnects for ever; DirectoryUnavailable when no server takes us in time."""
    client = Client()
    servers = parse_urls(urls)
    try:
        async with asyncio.timeout(deadline):
            await client.connect(
                [server.url for server in servers],
                name=name,
                user=servers[0].user,
                password=servers[0].password,
                token=servers[0].token,
                tls_handshake_first=servers[0].tls_first,
                error_cb=_on_error,
                connect_timeout=CONNECT_SECONDS,
                reconnect_time_wait=0.05,  # type: ignore[arg-type]  # seconds; its hint says int
                max_reconnect_attempts=-1,
                ping_interval=1,
                max_outstanding_pings=2,
            )
    except (NatsError, OSError, TimeoutError) as error:
        await close(client)
        raise DirectoryUnavailable(f"no JetStream within {deadline:g} s: {type(error).__name__}") from None
    return client


async def close(client: Client) -> None:
    """End it, even if it is just about to reconnect."""
    with contextlib.suppress(NatsError, OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()


async def _on_error(error: Exception) -> None:
    # Only its kind: the text may repeat a URL.
    log.debug("JetStream connection", extra={"reason": type(error).__name__})
