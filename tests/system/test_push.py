"""Devices that are out of sight receive notifications, through a push service that checks them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.harness import Crowd, Peer, Server, crowd
from tests.patience import WALL_PATIENCE, patience
from tests.peers import AUTH_KEY
from tests.system.device_keys import Owner, id_of, key_of
from tests.system.push_service import Hook, PushService
from tests.system.resuming import ResumingDevice
from tests.system.test_watch import back
from tiflis.relay.push.channels import signature


class Api:
    """The push API as a device calls it."""

    def __init__(
        self, server: Server, tunnel_id: str, device_id: str = "phone", auth_key: str = AUTH_KEY
    ) -> None:
        headers = {"Authorization": f"Bearer {auth_key}", "X-Tunnel-Id": tunnel_id, "X-Device-Id": device_id}
        self.http = httpx.AsyncClient(
            base_url=f"{server.url}/api/v1/push", headers=headers, timeout=WALL_PATIENCE
        )

    async def __aenter__(self) -> Api:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def subscribe(self, service: PushService, **more: Any) -> dict[str, Any]:
        service.vapid = (await self.http.get("/key")).json()["key"]
        endpoint = f"{service.origin}/send/abc?x=1"
        body = {"subscription": service.browser.subscription(endpoint)} | more
        answer = await self.http.post("/subscription", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with PushService() as running:
        yield running


@pytest.fixture
async def people(service: PushService) -> AsyncIterator[Crowd]:
    """Make peers at two workers that take loopback for a push service."""
    env = {"PUSH_SERVICES": service.origin, "LIVENESS_TIMEOUT": "120"}
    with Server(workers=2, env=env) as server:
        async with crowd(server) as found:
            yield found


async def done(workstation: Peer, answer: str, session: str = "s") -> None:
    await workstation.send(
        {
            "type": "session.output",
            "session_id": session,
            "streaming_message_id": answer,
            "payload": {"content_type": "agent", "content": f"text of {answer}", "is_complete": True},
        }
    )


async def looks(phone: ResumingDevice, workstation: Peer, visible: bool, after: str = "") -> None:
    """Say whether a person looks at the phone, once it has this answer, and wait until the home knows."""
    assert phone.peer is not None
    if after:
        await phone.peer.next("session.output", where=lambda one: one["streaming_message_id"] == after)
    await phone.peer.send({"type": "ping", "timestamp": 0, "visible": visible})
    await phone.peer.send({"type": "sync"})  # goes the same way, and on to the workstation
    await workstation.next("sync")


async def test_an_answer_that_is_done_is_pushed_once_to_a_device_out_of_sight(
    people: Crowd, service: PushService
) -> None:
    workstation, tunnel_id = await people.workstation()
    created = {"session_type": "claude", "workspace": "w", "project": "shop", "working_dir": "/"}
    phone = ResumingDevice(people.server, tunnel_id)
    await phone.connect()
    async with Api(people.server, tunnel_id) as api:
        assert await api.subscribe(service, page="https://example.org/") == {"success": True}
        await workstation.send({"type": "session.created", "session_id": "s", "payload": created})
        await phone.cut()
        await done(workstation, "a")
        pushed = await service.until(1)
        assert pushed["notification"] == {
            "title": "claude · shop is done",
            "navigate": "https://example.org/#session=s",
            "tag": "s",
        }
        assert (pushed["tiflis"]["kind"], pushed["tiflis"]["session"]) == ("done", "s")
        await done(workstation, "a")
        await done(workstation, "b")
        await service.until(2)

        await phone.connect()
        await looks(phone, workstation, True)
        assert phone.verdicts == ["new", "ok"]
        await done(workstation, "c")
        await looks(phone, workstation, False, after="c")
        await workstation.send({"type": "session.error", "session_id": "s", "payload": {"code": "C"}})
        assert (await service.until(3))["tiflis"]["kind"] == "failed"

        await api.subscribe(service, kinds=["done"], muted=["s"], excerpt=True, language="de")
        await workstation.send({"type": "session.error", "session_id": "t", "payload": {"code": "D"}})
        await done(workstation, "d")
        await done(workstation, "e", session="t")
        pushed = await service.until(4)
        assert (pushed["notification"]["title"], pushed["notification"]["body"]) == (
            "Der Assistent ist fertig",
            "text of e",
        )
        assert (await api.http.post("/test")).json() == {"success": True}
        await service.until(5)

        service.hook.status = 302
        assert (await api.http.post("/test")).json() == {"success": False, "reason": "refused"}
        assert service.hook.connections == 6  # the redirect was not followed
        service.hook.status = 410
        assert (await api.http.post("/test")).json() == {"success": False, "reason": "gone"}
        assert (await api.http.post("/test")).json() == {"success": False, "reason": "none"}
        assert (await api.http.delete("/subscription")).json() == {"success": False}
        await phone.cut()


async def test_a_subscription_outlives_the_homes_worker(people: Crowd, service: PushService) -> None:
    workstation, tunnel_id = await people.workstation()
    phone = ResumingDevice(people.server, tunnel_id)
    await phone.connect()
    async with Api(people.server, tunnel_id) as api:
        await api.subscribe(service)
        await phone.cut()
        await done(workstation, "a")
        await service.until(1)
        people.server.kill_worker(people.server.worker_of(workstation))
        workstation = await back(people, tunnel_id)
        introduced = await workstation.next("auth", 15)  # the device still stays
        assert introduced["payload"]["device_id"] == "phone"
        await done(workstation, "a")
        await done(workstation, "b")
        await service.until(2)


async def test_a_revoked_device_and_its_notifiers_are_sent_nothing_more(
    people: Crowd, service: PushService
) -> None:
    workstation, tunnel_id = await people.workstation()
    async with Owner(people.server, tunnel_id) as owner, Api(people.server, tunnel_id, "kept") as kept:
        lost = await owner.mint(scope="owner")
        async with Api(people.server, tunnel_id, "lost", key_of(lost)) as api:
            await api.subscribe(service)
            mine = {"notifiers": [f"webhook+{service.origin}/own"], "secret": "a secret of the tunnel"}
            answer = await api.http.post("/notifiers", json=mine)
            assert answer.status_code == 200, answer.text
            assert (await owner.revoke(id_of(lost))).json() == {"success": True}
        async with patience():
            while (await kept.http.get("/notifiers")).json() != {"notifiers": []}:
                await asyncio.sleep(0.02)
        await kept.subscribe(service)
        await done(workstation, "a")
        await service.until(1)
        assert service.hook.connections == 1


WRONG: list[dict[str, Any]] = [
    {"kinds": ["other"]},
    {"language": "xx"},
    {"page": "javascript:alert(1)"},
    {"quiet": {"from": "22", "to": "07:00"}},
    {"quiet": {"from": "22:00", "to": "07:00", "zone": "../etc/passwd"}},
    {"subscription": {"endpoint": "https://169.254.169.254/latest", "keys": {"p256dh": "", "auth": ""}}},
    {"subscription": {"endpoint": "http://127.0.0.1:1/", "keys": {"p256dh": "", "auth": ""}}},
    {"subscription": {"endpoint": 1}},
    {"subscription": None},
]


async def test_what_is_no_subscription_is_refused(server: Server, crowd: Crowd) -> None:
    _, tunnel_id = await crowd.workstation()
    async with PushService() as service, Api(server, tunnel_id) as api:
        good = service.browser.subscription("https://fcm.googleapis.com/fcm/send/x")
        for wrong in WRONG:
            answer = await api.http.post("/subscription", json={"subscription": good} | wrong)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_parameters"), wrong
        bad = good | {"keys": {"p256dh": good["keys"]["auth"], "auth": good["keys"]["auth"]}}
        assert (await api.http.post("/subscription", json={"subscription": bad})).status_code == 400
        api.http.headers["Authorization"] = "Bearer a wrong key of sixteen characters"
        assert (await api.http.delete("/subscription")).status_code == 401
        assert service.hook.connections == 0


async def test_without_stays_there_is_no_push() -> None:
    with Server(workers=1, env={"STAY": "off"}) as server:
        async with crowd(server) as people:
            _, tunnel_id = await people.workstation()
            async with Api(server, tunnel_id) as api:
                assert (await api.http.get("/key")).status_code == 404


async def _own_notifiers(api: Api, workstation: Peer, hook: Hook) -> None:
    """Give the tunnel a notifier of its own, end an answer, take the notifier away, and end another."""
    mine = {"notifiers": [f"webhook+{hook.origin}/own"], "secret": "a secret of the tunnel"}
    assert (await api.http.post("/notifiers", json=mine)).status_code == 200
    assert (await api.http.get("/notifiers")).json() == {"notifiers": mine["notifiers"]}
    await done(workstation, "b")
    await hook.until(7)
    own = next(one for one in hook.received if one[0] == "/own")
    signed = signature("a secret of the tunnel", float(own[1]["x-tiflis-time"]), own[2])
    assert own[1]["x-tiflis-signature"] == signed["X-Tiflis-Signature"]
    assert (await api.http.delete("/notifiers")).json() == {"success": True}
    await done(workstation, "c")
    await hook.until(9)
    for wrong in ("http://ntfy.example.org/x", "https://user@x.org/x", "https://x.org", "x"):
        answer = await api.http.post("/notifiers", json={"notifiers": [f"ntfy+{wrong}"]})
        assert answer.status_code == 400, wrong


async def test_the_servers_notifiers_learn_of_events_once_and_of_no_content() -> None:
    """A webhook, whose calls are signed, and ntfy."""
    async with Hook() as hook:
        env = {
            "NOTIFY": f"webhook+{hook.origin}/hook?x=1, ntfy+{hook.origin}/base/my-topic",
            "NOTIFY_SECRET": "a secret of the receiver",
            "PUSH_SERVICES": hook.origin,
        }
        with Server(workers=2, env=env) as server:
            async with crowd(server) as people:
                workstation, tunnel_id = await people.workstation(name="desk")
                phone = ResumingDevice(server, tunnel_id)
                await phone.connect()
                await looks(phone, workstation, True)
                await done(workstation, "seen")
                await looks(phone, workstation, False, after="seen")
                hook.status = 503
                await done(workstation, "a")
                await hook.until(2)
                hook.status = 200
                await done(workstation, "a")
                await hook.until(4, deadline=30)
                await phone.cut()
                async with Api(server, tunnel_id) as api:
                    await _own_notifiers(api, workstation, hook)
        ntfy, ntfy_again, webhook, webhook_again = sorted(hook.received[:4], key=lambda one: one[0])
        assert (ntfy_again, webhook_again) == (ntfy, webhook)
        path, headers, body = webhook
        assert path == "/hook?x=1"
        signed = signature("a secret of the receiver", float(headers["x-tiflis-time"]), body)
        assert headers["x-tiflis-signature"] == signed["X-Tiflis-Signature"]
        notice = json.loads(body)
        id = notice.pop("id")
        assert notice.pop("at") // 1000 == int(headers["x-tiflis-time"])
        assert notice == {
            "kind": "done",
            "title": "The assistant is done",
            "tunnel_id": tunnel_id,
            "workstation": "desk",
            "session": "s",
        }
        assert ntfy[0] == "/base/"
        assert json.loads(ntfy[2]) == {
            "topic": "my-topic",
            "title": "The assistant is done",
            "message": "desk",
            "tags": ["done"],
            "sequence_id": id,
        }
