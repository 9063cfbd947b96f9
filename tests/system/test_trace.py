"""With LOG_LEVEL=debug the log shows a message's path through all workers, and not its contents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.harness import Crowd, Server, crowd, eventually
from tests.patience import PATIENCE
from tests.peers import AUTH_KEY

CONTENT = "canary-content-0123456789"


def lines_of(server: Server) -> list[dict[str, Any]]:
    """Return the log's lines; the last one may be incomplete."""
    made = []
    for line in server.logs().splitlines():
        try:
            made.append(json.loads(line))
        except ValueError:
            continue
    return made


def way(server: Server, connection: str) -> list[str]:
    """Return the events of one connection in order, from all workers."""
    return [line["event"] for line in lines_of(server) if line.get("connection") == connection]


def workers_of(server: Server, connection: str) -> int:
    """Return how many workers logged it."""
    return len({line["worker"] for line in lines_of(server) if line.get("connection") == connection})


def connection_of(server: Server, event: str, **fields: Any) -> str:
    found = [
        line["connection"]
        for line in lines_of(server)
        if line["event"] == event and fields.items() <= line.items()
    ]
    assert found, f"no line {event} {fields}"
    return str(found[-1])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(workers=2, env={"LOG_LEVEL": "debug", "STEERING": "false"}) as running:
        yield running


@pytest.fixture
async def people(server: Server) -> AsyncIterator[Crowd]:
    async with crowd(server) as people:
        yield people


async def test_a_message_can_be_followed_through_two_workers(people: Crowd) -> None:
    server = people.server
    one, other = sorted(server.worker_pids().values())
    workstation, tunnel_id = await people.workstation(worker=one)
    client = await people.client(tunnel_id, worker=other, device_id="phone-7")
    await client.send({"type": "supervisor.command", "id": "r1", "payload": {"command": CONTENT}})
    await workstation.next("supervisor.command")
    await workstation.send({"type": "response", "id": "r1", "payload": {"text": CONTENT}})
    await client.next("response")
    await client.close()
    watches = connection_of(server, "workstation registered")
    phone = connection_of(server, "client attached", tunnel=tunnel_id)
    await eventually(lambda: "socket closed" in way(server, phone), PATIENCE, "the log shows the end")
    steps = way(server, phone)
    first = [steps.index(step) for step in ("socket opened", "message received", "client attached")]
    assert first == sorted(first)
    assert {"message routed", "message delivered"} <= set(steps[first[-1] :])
    assert "message routed" in way(server, watches)
    assert workers_of(server, phone) == 2
    assert CONTENT not in server.logs()
    assert AUTH_KEY not in server.logs()


async def test_a_connection_keeps_its_id_in_the_next_worker(people: Crowd) -> None:
    server, worker = people.server, min(people.server.worker_pids().values())
    workstation, tunnel_id = await people.workstation(worker=worker)
    client = await people.client(tunnel_id, worker=worker)
    phone = connection_of(server, "client attached", tunnel=tunnel_id)
    assert (await asyncio.to_thread(server.control, "reload", 90))["complete"]
    await client.send({"type": "after"})
    await workstation.next("after")
    await client.close()
    await eventually(lambda: "socket closed" in way(server, phone), PATIENCE, "the log shows the end")
    steps = way(server, phone)
    left, adopted = steps.index("socket left for another worker"), steps.index("socket adopted")
    assert "message received" in steps[max(left, adopted) :]
    assert workers_of(server, phone) == 2
