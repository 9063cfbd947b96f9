"""A bus with little storage: watches' messages never take the room of registrations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.nats import NatsServer
from tests.harness import Crowd, Server
from tests.system.test_watch import until_heard, watch_at

BROADCASTS, SIZE = 80, 60_000  # 4.8 MB for a bus of 3 MB


class SmallNats(NatsServer):
    """A NATS server with 3 MB of storage."""

    def start(self, wait: bool = True) -> None:
        text = self._config.read_text()
        if "max_file" not in text:
            self._config.write_text(text.replace("jetstream {", "jetstream { max_file: 3MB,"))
        super().start(wait)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run two workers at such a bus."""
    nats = SmallNats(tmp_path / "nats")
    nats.start()
    with Server(workers=2, env={"NATS_URL": nats.url}) as running:
        yield running
    nats.stop()


async def test_an_unread_watch_takes_no_registration_its_storage(server: Server, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    async with watch_at(server, tunnel_id) as watch:
        for number in range(BROADCASTS):
            await workstation.send({"type": "note", "n": number, "text": "x" * SIZE})
            if number % 20 == 19:
                await crowd.workstation()
        await until_heard(watch, BROADCASTS - 1)
        notes = [message["n"] for message in watch.data if message.get("type") == "note"]
        assert notes == list(range(BROADCASTS)) or watch.gaps
        for _ in range(5):
            await crowd.workstation()


async def test_a_message_that_the_bus_can_never_store_is_a_gap(server: Server, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    async with watch_at(server, tunnel_id) as watch:
        await workstation.send({"type": "note", "n": 1, "text": "x" * 4_000_000})
        await workstation.send({"type": "note", "n": 2})
        await until_heard(watch, 2)
        assert [message["n"] for message in watch.data if message.get("type") == "note"] == [2]
        assert watch.gaps
        assert not watch.numbers_went_back()
        await crowd.workstation()
