"""Devices with keys of their own: paired once, limited by scope, locked out at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx

from tests.harness import AUTH_KEY, Crowd, Server, eventually
from tests.patience import PATIENCE, WALL_PATIENCE
from tests.system.device_keys import Owner, id_of, key_of, refusal
from tests.system.places import Places
from tests.system.watches import WatchDevice


async def test_a_minted_key_pairs_one_device_and_no_other(places: Places) -> None:
    desk, tunnel = await places.workstation()
    async with Owner(places.server, tunnel) as owner:
        minted = await owner.mint(name="Phone", scope="full")
        phone = await places.client(tunnel, device_id="phone-9", auth_key=key_of(minted))
        await phone.send({"type": "session.execute", "session_id": "s", "id": "1"})
        assert (await desk.next("session.execute"))["device_id"] == "phone-9"
        problem = await refusal(places.server, tunnel, key_of(minted), "tablet-9")
        assert problem["code"] == "INVALID_AUTH_KEY"
        [one] = await owner.devices()
        assert (one["state"], one["device_id"], one["connected"]) == ("active", "phone-9", True)
        assert "until" not in one
        again = await places.client(tunnel, device_id="phone-9", auth_key=key_of(minted), reconnect=True)
        await again.settle()


async def test_the_workstation_gets_its_own_key_and_the_device_never_does(places: Places) -> None:
    desk, tunnel = await places.workstation()
    async with Owner(places.server, tunnel) as owner:
        key = key_of(await owner.mint())
    phone = await places.client(tunnel, device_id="phone-9", auth_key=key)
    await phone.send({"type": "auth", "id": "a1", "payload": {"auth_key": key, "device_id": "phone-9"}})
    auth = await desk.next("auth")
    assert auth["payload"] == {"auth_key": AUTH_KEY, "device_id": "phone-9"}
    assert (auth["id"], auth["device_id"]) == ("a1", "phone-9")
    await phone.send({"type": "auth", "payload": {"auth_key": AUTH_KEY, "device_id": "phone-9"}})
    await phone.next("auth.error")
    assert AUTH_KEY not in "".join(phone.raw)
    assert key not in "".join(desk.raw)


async def test_a_view_key_reads_and_writes_nothing(places: Places) -> None:
    desk, tunnel = await places.workstation()
    async with Owner(places.server, tunnel) as owner:
        minted = await owner.mint(scope="view", expires_in=3600)
        viewer = await places.client(tunnel, device_id="viewer", auth_key=key_of(minted))
        await viewer.send({"type": "session.input", "session_id": "t", "id": "7", "payload": {"data": "rm"}})
        problem = await viewer.next("error")
        assert (problem["id"], problem["payload"]["code"]) == ("7", "FORBIDDEN")
        await viewer.send('{"type":"sync","\\u0074ype":"sync","id":"8"}')
        assert (await viewer.next("error"))["payload"]["code"] == "FORBIDDEN"
        await viewer.send({"type": "sync", "id": "9"})
        await desk.next("sync")
        assert not desk.unread("session.input")
        assert (await owner.change(id_of(minted), scope="full")).json()["scope"] == "full"
        await viewer.send({"type": "session.input", "session_id": "t", "payload": {"data": "ls"}})
        await desk.next("session.input")
        await owner.change(id_of(minted), scope="chat")
        await viewer.send({"type": "session.input", "session_id": "t", "id": "10", "payload": {"data": "ls"}})
        assert (await viewer.next("error"))["id"] == "10"


async def test_a_revoked_device_is_cut_off_and_nothing_of_it_arrives(places: Places) -> None:
    desk, tunnel = await places.workstation()
    async with Owner(places.server, tunnel) as owner:
        minted = await owner.mint()
        phone = await places.client(tunnel, device_id="lost", auth_key=key_of(minted))
        other = await places.client(tunnel, device_id="kept")
        stop = asyncio.Event()

        async def press() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                await phone.send({"type": "session.input", "id": str(number), "session_id": "s"})
                await asyncio.sleep(0)

        pressing = asyncio.create_task(press())
        await desk.next("session.input")
        assert (await owner.revoke(id_of(minted))).json() == {"success": True}
        await other.send({"type": "marker"})  # behind all that was accepted before the answer
        await desk.next("marker", PATIENCE)
        desk.unread().clear()
        assert (await phone.until_closed())[0] == 1008
        stop.set()
        await asyncio.gather(pressing, return_exceptions=True)
        assert (await refusal(places.server, tunnel, key_of(minted), "lost"))["code"] == "INVALID_AUTH_KEY"
        await other.send({"type": "marker"})
        await desk.next("marker", PATIENCE)
        last = max(at for at, one in enumerate(desk.seen) if one["type"] == "session.input")
        assert last < next(at for at, one in enumerate(desk.seen) if one["type"] == "marker")
        assert await owner.devices() == []
        assert (await owner.revoke(id_of(minted))).json() == {"success": False}


async def test_a_device_that_is_revoked_during_its_call_changes_nothing(places: Places) -> None:
    """It had begun the call before, and sends the rest of its body after the revocation was answered."""
    _, tunnel = await places.workstation()
    async with Owner(places.server, tunnel) as owner:
        lost, other = await owner.mint(scope="owner"), await owner.mint(scope="view")
        async with Owner(places.server, tunnel, key_of(lost), "lost") as thief:
            assert (await thief.everything())["you"]["scope"] == "owner"
            begun, revoked = asyncio.Event(), asyncio.Event()

            async def body() -> AsyncIterator[bytes]:
                yield b'{"scope": '
                begun.set()
                await revoked.wait()
                yield b'"owner"}'

            call = asyncio.create_task(thief.http.patch(f"/devices/{id_of(other)}", content=body()))
            await begun.wait()
            await owner.devices()  # meanwhile the server has looked at the caller's key
            assert (await owner.revoke(id_of(lost))).status_code == 200
            revoked.set()
            assert (await call).status_code == 401
        assert [one["scope"] for one in await owner.devices()] == ["view"]


async def test_a_watch_uses_a_device_key(crowd: Crowd) -> None:
    desk, tunnel = await crowd.workstation()
    async with Owner(crowd.server, tunnel) as owner, WatchDevice(crowd.server, tunnel, "wrist") as watch:
        minted = await owner.mint(scope="chat")
        watch.who["auth_key"] = key_of(minted)
        await watch.connect()
        assert (await desk.next("auth"))["payload"] == {"auth_key": AUTH_KEY, "device_id": "wrist"}
        assert (await watch.post("command", message={"type": "session.execute"})).status_code == 200
        await desk.next("session.execute")
        refused = await watch.post("command", message={"type": "session.input"})
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
        own = {"type": "auth", "payload": {"auth_key": key_of(minted), "device_id": "wrist"}}
        assert (await watch.post("command", message=own)).status_code == 200
        assert (await desk.next("auth"))["payload"]["auth_key"] == AUTH_KEY
        await owner.revoke(id_of(minted))
        assert (await watch.post("command", message={"type": "session.execute"})).status_code == 401
        await desk.next("client.disconnected")
        assert key_of(minted) not in "".join(desk.raw)
        watch.who["auth_key"] = AUTH_KEY  # it is paired again, and at once
        await watch.connect()
        assert (await watch.post("command", message={"type": "session.execute"})).status_code == 200


async def test_a_human_code_works_once(server: Server, crowd: Crowd) -> None:
    _, tunnel = await crowd.workstation()
    async with (
        Owner(server, tunnel) as owner,
        httpx.AsyncClient(base_url=server.url, timeout=WALL_PATIENCE) as stranger,
    ):
        minted = await owner.mint(name="Kitchen", scope="view")
        spelt = minted["code"].lower().replace("-", " ")
        redeemed = await stranger.post("/api/v1/devices/redeem", json={"code": spelt})
        assert redeemed.status_code == 200, redeemed.text
        assert (redeemed.json()["name"], redeemed.json()["pairing"]["tunnel_id"]) == ("Kitchen", tunnel)
        again = await stranger.post("/api/v1/devices/redeem", json={"code": spelt})
        assert (again.status_code, again.json()["error"]) == (401, "invalid_code")
        assert (await refusal(server, tunnel, key_of(minted), "k"))["code"] == "INVALID_AUTH_KEY"
        await crowd.client(tunnel, device_id="k", auth_key=redeemed.json()["pairing"]["key"])


async def test_a_closed_owner_key_admits_known_devices_only(server: Server, crowd: Crowd) -> None:
    _, tunnel = await crowd.workstation()
    await crowd.client(tunnel, device_id="known")
    async with Owner(server, tunnel) as owner:
        answer = await owner.http.patch("/tunnel", json={"owner_key": "known"})
        assert answer.json() == {"owner_key": "known"}
        await crowd.client(tunnel, device_id="known", reconnect=True)
        problem = await refusal(server, tunnel, AUTH_KEY, "stranger")
        assert (problem["code"], problem["details"]) == ("INVALID_AUTH_KEY", {"owner_key": "known"})
        listed = await owner.everything()
        assert listed["owner_key"] == "known"
        assert {"known", "owner-1"} <= {one["device_id"] for one in listed["owner_devices"]}
        minted = await owner.mint()
        await crowd.client(tunnel, device_id="stranger", auth_key=key_of(minted))
        await owner.http.patch("/tunnel", json={"owner_key": "any"})
        await crowd.client(tunnel, device_id="another")


async def test_only_an_owner_manages_devices(server: Server, crowd: Crowd) -> None:
    _, tunnel = await crowd.workstation()
    async with Owner(server, tunnel) as owner:
        full, second = await owner.mint(scope="full"), await owner.mint(scope="owner")
        async with Owner(server, tunnel, key_of(full), "phone") as phone:
            assert (await phone.http.post("/devices", json={})).status_code == 403
            assert (await phone.change(id_of(full), scope="owner")).status_code == 403
            listed = await phone.everything()
            assert listed["you"] == {"scope": "full", "key_id": id_of(full)}
            assert [one["key_id"] for one in listed["devices"]] == [id_of(full)]
            assert listed["owner_devices"] == []
            assert (await phone.revoke(id_of(second))).status_code == 403
            assert (await phone.revoke(id_of(full))).json() == {"success": True}
            assert (await phone.http.get("/devices")).status_code == 401
        async with Owner(server, tunnel, key_of(second), "tablet") as tablet:
            assert (await tablet.change(id_of(second), name="Tablet")).json()["name"] == "Tablet"
            assert [one["this"] for one in await tablet.devices()] == [True]


async def test_a_device_that_the_log_names_shows_no_key(server: Server, crowd: Crowd) -> None:
    _, tunnel = await crowd.workstation()
    async with Owner(server, tunnel) as owner:
        minted = await owner.mint()
        await crowd.client(tunnel, device_id="d", auth_key=key_of(minted))
        await eventually(lambda: "device key used" in server.logs(), PATIENCE, "the use is in the log")
        secret = key_of(minted).removeprefix(f"dk_{id_of(minted)}_")
        assert secret not in server.logs()
        assert secret not in json.dumps(await owner.everything())


async def test_the_audit_has_every_command_and_no_contents(places: Places) -> None:
    desk, tunnel = await places.workstation()
    async with Owner(places.server, tunnel) as owner:
        minted = await owner.mint(scope="view")
        viewer = await places.client(tunnel, device_id="viewer", auth_key=key_of(minted))
        phone = await places.client(tunnel, device_id="phone")
        command = {"type": "session.execute", "session_id": "s-1", "payload": {"content": "canary-7f3a"}}
        for number in range(20):
            await phone.send({**command, "id": str(number)})
        await phone.send({"type": "sync"})
        await desk.next("sync")
        await viewer.send(command)
        await viewer.next("error")
        await owner.revoke(id_of(minted))
        audit = (await owner.http.get("/audit")).json()
        assert "canary" not in json.dumps(audit)
        assert key_of(minted)[12:] not in json.dumps(audit)
        rows = audit["entries"]
        own = [row for row in rows if row.get("device_id") == "phone"]
        assert [(row["type"], row["session"], row["outcome"]) for row in own] == [
            ("session.execute", "s-1", "relayed")
        ] * 20
        refused = [row for row in rows if row["outcome"] == "forbidden"]
        assert [(row["key_id"], row["scope"]) for row in refused] == [(id_of(minted), "view")]
        kinds = {row["type"] for row in rows}
        assert {"device.minted", "device.used", "device.revoked"} <= kinds
        rest = (await owner.http.get("/audit", params={"since": audit["next"]})).json()
        assert (rest["entries"], rest["more"]) == ([], False)
