"""Messages that wait for their workstation: delivered once at most, and their senders learn the outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Crowd, Peer, Server, crowd
from tests.patience import patience
from tests.peers import AUTH_KEY
from tests.system.places import Places
from tests.system.resuming import ResumingDevice
from tests.system.test_watch import back


@pytest.fixture(scope="module")
def brief() -> Iterator[Server]:
    """Run two workers with a short grace, at which three messages of a tunnel may wait."""
    with Server(workers=2, env={"HOLD_MESSAGES": "3", "OFFLINE_GRACE": "0.2"}) as running:
        yield running


def command(id: str, ttl: float = 60.0, **more: Any) -> dict[str, Any]:
    return {"type": "supervisor.command", "id": id, "hold": {"ttl": ttl} | more, "payload": {"n": 1}}


async def receipt(peer: Peer, id: str, state: str, deadline: float = 15.0) -> dict[str, Any]:
    return await peer.next("tunnel.receipt", deadline, lambda one: (one["id"], one["state"]) == (id, state))


async def confirm(workstation: Peer, id: str) -> dict[str, Any]:
    """Receive the message with this id, and acknowledge it as the shipped workstation does."""
    message = await workstation.next("supervisor.command", 15)
    assert message["id"] == id
    await workstation.send({"type": "message.ack", "payload": {"message_id": id, "status": "received"}})
    return message


async def test_messages_wait_in_order_for_a_workstation_that_is_away(places: Places) -> None:
    workstation, phone, tunnel_id = await places.pair()
    await workstation.close()
    await phone.next("connection.workstation_offline", 15)
    for number in range(3):
        await phone.send(command(f"m-{number}"))
        held = await receipt(phone, f"m-{number}", "held")
        assert 50_000 < held["until"] - time.time() * 1000 < 61_000
    await phone.close()
    again, _ = await places.workstation(previous=tunnel_id)
    assert (await again.next("auth"))["payload"]["device_id"] == "phone"
    first = await confirm(again, "m-0")
    assert "hold" not in first
    assert first["device_id"] == "phone"
    for number in (1, 2):
        await confirm(again, f"m-{number}")
    returned = ResumingDevice(places.server, tunnel_id)
    await returned.connect()
    assert returned.peer is not None
    listed = (await returned.peer.next("tunnel.held", 15))["messages"]
    assert [(one["id"], one["state"]) for one in listed][:2] == [("m-0", "delivered"), ("m-1", "delivered")]
    await returned.cut()


async def test_a_message_for_a_workstation_that_is_here_is_confirmed_once(places: Places) -> None:
    workstation, phone, _ = await places.pair()
    await phone.send('{"type":"supervisor.command","id":"m","payload":{"n":1.50},"hold":{"ttl":60}}')
    await confirm(workstation, "m")
    await receipt(phone, "m", "delivered")
    assert any('"n":1.50' in text and "hold" not in text for text in workstation.raw)
    await phone.send(command("m"))  # as a client does whose receipt was lost
    await receipt(phone, "m", "delivered")
    await workstation.silent("supervisor.command")


async def test_a_held_message_can_be_cancelled_and_can_expire(brief: Server) -> None:
    async with crowd(brief) as people:
        workstation, tunnel_id = await people.workstation()
        phone = await people.client(tunnel_id, device_id="phone")
        await workstation.close()
        await phone.next("connection.workstation_offline", 15)
        await phone.send(command("cancelled"))
        await phone.send(command("expired", ttl=1))
        await phone.send(command("later", not_before=int(time.time() * 1000) + 2000))
        await phone.send(command("full"))
        assert (await receipt(phone, "full", "refused"))["reason"] == "full"
        await phone.send({"type": "tunnel.unhold", "id": "cancelled"})
        await receipt(phone, "cancelled", "cancelled")
        await receipt(phone, "expired", "expired")
        await phone.send({"type": "tunnel.held"})
        listed = (await phone.next("tunnel.held"))["messages"]
        assert [(one["id"], one["state"], "not_before" in one) for one in listed] == [("later", "held", True)]
        again, _ = await people.workstation(previous=tunnel_id)
        await confirm(again, "later")
        assert time.time() * 1000 >= listed[0]["not_before"]
        await receipt(phone, "later", "delivered")
        await phone.send({"type": "tunnel.unhold", "id": "later"})
        await receipt(phone, "later", "delivered")
        await phone.send({"type": "tunnel.unhold", "id": "later"})
        await receipt(phone, "later", "unknown")


async def test_a_socket_that_waits_for_its_workstation_receives_the_receipts_that_it_asks_for(
    brief: Server,
) -> None:
    async with crowd(brief) as people:
        workstation, tunnel_id = await people.workstation()
        watching = await people.client(tunnel_id, device_id="other")
        await workstation.close()
        await watching.next("connection.workstation_offline", 15)
        resuming = await ResumingDevice(brief, tunnel_id).ask()
        shipped = await people.socket()
        payload = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "phone"}
        await shipped.send({"type": "connect", "payload": payload})
        await shipped.next("error", 15)
        for sender, id in ((resuming, "first"), (shipped, "second")):
            await sender.send(command(id))
            await receipt(sender, id, "held")
            await sender.send({"type": "tunnel.unhold", "id": id})
            await receipt(sender, id, "cancelled")
        await receipt(resuming, "second", "cancelled")
        assert [one["id"] for one in shipped.seen if one["type"] == "tunnel.receipt"] == ["second"] * 2
        await resuming.close()


WRONG: list[dict[str, Any]] = [
    {"hold": 1},
    {"hold": {}},
    {"hold": {"ttl": 0}},
    {"hold": {"ttl": 86_401}},
    {"hold": {"ttl": True}},
    {"hold": {"ttl": 1, "not_before": "now"}},
    {"hold": {"ttl": 1, "more": 1}},
    {"hold": {"ttl": 1}, "id": 7},
    {"hold": {"ttl": 1}, "id": "x" * 129},
    {"hold": {"ttl": 1}, "type": "session.input"},
]


async def test_what_cannot_be_held_is_refused(server: Server, crowd: Crowd) -> None:
    workstation, tunnel_id = await crowd.workstation()
    phone = await crowd.client(tunnel_id)
    for wrong in WRONG:
        await phone.send({"type": "supervisor.command", "id": "m"} | wrong)
        assert (await phone.next("error"))["payload"]["code"] == "INVALID_PAYLOAD"
    await phone.send(command("large") | {"payload": "x" * 300_000})
    assert (await receipt(phone, "large", "refused"))["reason"] == "too_large"
    await workstation.silent("supervisor.command")


async def test_a_workstation_that_goes_before_it_confirms_leaves_the_message_unsure(
    server: Server, crowd: Crowd
) -> None:
    workstation, tunnel_id = await crowd.workstation()
    phone = await crowd.client(tunnel_id)
    await phone.send(command("m"))
    await workstation.next("supervisor.command")
    workstation.abort()
    await receipt(phone, "m", "unsure")
    again, _ = await crowd.workstation(previous=tunnel_id)
    await again.silent("supervisor.command")


async def test_held_messages_survive_the_homes_worker() -> None:
    """Killed while messages wait, and while one is being delivered."""
    with Server(workers=2) as mortal:
        async with crowd(mortal) as people:
            workstation, tunnel_id = await people.workstation()
            home = mortal.worker_of(workstation)
            phone = ResumingDevice(mortal, tunnel_id)
            await phone.connect()
            assert phone.peer is not None
            await phone.peer.send(command("unsure"))
            await workstation.next("supervisor.command", 15)
            for number in range(3):
                await phone.peer.send(command(f"m-{number}"))
                await receipt(phone.peer, f"m-{number}", "held")
            mortal.kill_worker(home)
            workstation = await back(people, tunnel_id)
            for number in range(3):
                await confirm(workstation, f"m-{number}")
            await phone.connect_again()
            states: dict[str, str] = {}
            async with patience(30):
                while set(states) < {"unsure", "m-0", "m-1", "m-2"}:
                    await phone.peer.send({"type": "tunnel.held"})
                    listed = (await phone.peer.next("tunnel.held", 15))["messages"]
                    receipts = [one for one in phone.peer.seen if one["type"] == "tunnel.receipt"]
                    final = [one for one in listed + receipts if one["state"] != "held"]
                    states = {one["id"]: one["state"] for one in final}
                    await asyncio.sleep(0.1)
            assert states.pop("unsure") == "unsure"
            assert set(states.values()) == {"delivered"}
            await workstation.silent("supervisor.command")
            await phone.cut()
