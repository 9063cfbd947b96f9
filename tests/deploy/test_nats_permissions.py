"""The examples' NATS gives the server only the permissions that it needs, and other users none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import nats
import pytest

from tests.bus.nats import NatsServer
from tests.deploy.test_files import DEPLOY
from tests.harness import Server
from tests.harness import crowd as at
from tests.patience import WALL_PATIENCE
from tests.system.test_reload import reload
from tests.system.test_watch import until_heard, watch_at

PONG_SECONDS = int(WALL_PATIENCE)
PASSWORD = "a1b2c3d4e5f6"
FOREIGN = "someone:else"
OURS = [
    "tiflis.hello",
    "tiflis.gone",
    "tiflis.w.worker",
    "tiflis.watch.tunnel.head",
    "$KV.tiflis_tunnels.tunnel",
    "$KV.tiflis_held.tunnel.message",
    "$KV.tiflis_push.vapid",
    "$JS.API.STREAM.DELETE.KV_tiflis_tunnels",
    "$JS.API.STREAM.PURGE.KV_tiflis_tunnels",
]


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Run the example's NATS server with one more user."""
    text = (DEPLOY / "nats" / "nats.conf").read_text()
    found = re.search(r"^authorization \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    user, password = FOREIGN.split(":")
    inside = found[1].replace("$NATS_TOKEN", PASSWORD)
    inside = inside.replace("users: [", f"users: [ {{ user: {user}, password: {password} }}")
    server = NatsServer(
        tmp_path_factory.mktemp("nats"), authorization=inside, credentials=f"tiflis:{PASSWORD}"
    )
    server.start()
    yield server
    server.stop()


async def test_the_server_works_with_exactly_these_permissions(bus: NatsServer) -> None:
    with Server(workers=2, env={"NATS_URL": bus.url}) as server:
        async with at(server) as people:
            workstation, tunnel_id = await people.workstation()
            async with watch_at(server, tunnel_id) as watch:
                await workstation.send({"type": "note", "n": 1, "text": "x" * 2_000_000})
                await until_heard(watch, 1)
                phone = await people.client(tunnel_id)
                await phone.send({"type": "supervisor.command", "id": "m", "hold": {"ttl": 60}})
                await workstation.next("supervisor.command")
                await workstation.send({"type": "message.ack", "payload": {"message_id": "m"}})
                await phone.next("tunnel.receipt", where=lambda one: one["state"] == "delivered")
                await phone.send({"type": "tunnel.unhold", "id": "m"})
                await phone.next("tunnel.receipt", where=lambda one: one["state"] == "delivered")
                await reload(server)
                await workstation.send({"type": "note", "n": 2})
                await until_heard(watch, 2)
        assert server.status("/readyz") == 200
    assert "Violation" not in bus.log.read_text()


async def test_the_server_may_not_delete_its_own_streams(bus: NatsServer) -> None:
    assert await refused(bus, f"tiflis:{PASSWORD}", "$JS.API.STREAM.DELETE.KV_tiflis_tunnels")


@pytest.mark.parametrize("subject", OURS)
async def test_a_foreign_user_cannot_send_as_a_worker(bus: NatsServer, subject: str) -> None:
    assert await refused(bus, FOREIGN, subject)


async def test_a_foreign_user_cannot_listen(bus: NatsServer) -> None:
    for subject in ("tiflis.>", "$KV.tiflis_tunnels.>", "_INBOX.>"):
        assert await refused(bus, FOREIGN, subject, listens=True)


async def test_a_foreign_user_who_listens_to_everything_hears_nothing_of_ours(bus: NatsServer) -> None:
    stranger, worker = await nats.connect(as_user(bus, FOREIGN)), await nats.connect(bus.url)
    everything = await stranger.subscribe(">")
    await stranger.flush(PONG_SECONDS)
    for subject in ("tiflis.hello", "$KV.tiflis_tunnels.tunnel"):
        await worker.publish(subject, b"{}")
    await worker.flush(PONG_SECONDS)
    await stranger.publish("elsewhere", b"{}")
    assert (await everything.next_msg(WALL_PATIENCE)).subject == "elsewhere"
    await stranger.close()
    await worker.close()


def as_user(bus: NatsServer, credentials: str) -> str:
    return bus.url.replace(f"tiflis:{PASSWORD}", credentials)


async def refused(bus: NatsServer, credentials: str, subject: str, listens: bool = False) -> bool:
    """Return whether the bus refuses this user's publish or subscribe; it says so before its next pong."""
    violations = list[str]()

    async def failed(error: Exception) -> None:
        violations.append(str(error).lower())

    client = await nats.connect(as_user(bus, credentials), error_cb=failed)
    try:
        await (client.subscribe(subject) if listens else client.publish(subject, b"{}"))
        for _ in range(2):  # the first ping may overtake what the client has not written yet
            await client.flush(PONG_SECONDS)
    finally:
        await client.close()
    return any("permissions violation" in violation for violation in violations)
