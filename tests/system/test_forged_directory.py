"""An attacker with access to the bus but without the registration key writes into the directory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import nats
import pytest

from tests.bus.nats import NatsServer
from tests.harness import Crowd, Server, eventually
from tests.patience import PATIENCE, patience
from tiflis.bus.seals import MARKER


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    bus = NatsServer(tmp_path_factory.mktemp("nats"))
    bus.start()
    yield bus
    bus.stop()


@pytest.fixture(scope="module")
def server(bus: NatsServer) -> Iterator[Server]:
    with Server(workers=2, env={"NATS_URL": bus.url}) as running:
        yield running


async def test_a_forged_home_leads_no_client_astray(server: Server, bus: NatsServer, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    client = await nats.connect(bus.url)
    try:
        bucket = await client.jetstream().key_value("tiflis_tunnels")
        assert (await bucket.get(MARKER)).value, "a fresh directory is sealed at once"
        record = json.loads((await bucket.get(tunnel_id)).value or b"")
        forged = json.dumps({**record, "home": "evil", "generation": record["generation"] + 1}).encode()
        for value in (forged, forged.replace(b'"evil"', b'""')):
            await bucket.put(tunnel_id, value)

            async def mended() -> bool:
                stored = json.loads((await bucket.get(tunnel_id)).value or b"")
                return bool(stored["home"] == record["home"])

            async with patience():
                while not await mended():
                    await asyncio.sleep(0.05)
            phone = await crowd.client(tunnel_id)
            await workstation.send({"type": "note", "n": 1})
            await phone.next("note")
        await eventually(lambda: "directory record refused" in server.logs(), PATIENCE, "it is logged")
    finally:
        await client.close()
