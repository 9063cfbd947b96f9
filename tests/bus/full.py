"""A directory that stores nothing more, as on a full disk."""

import contextlib
from collections.abc import AsyncIterator

import nats

from tiflis.bus.directory.directory import BUCKET


@contextlib.asynccontextmanager
async def full(url: str) -> AsyncIterator[None]:
    """Have the servers at ``url`` refuse every write of the directory, and serve reads."""
    client = await nats.connect(url)
    try:
        jetstream = client.jetstream()
        config = (await jetstream.stream_info(f"KV_{BUCKET}")).config
        await jetstream.update_stream(config, max_bytes=1)
        yield
        await jetstream.update_stream(config, max_bytes=-1)
    finally:
        await client.close()
