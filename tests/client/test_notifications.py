"""Notifications for a page that is closed or hidden: asked for, pushed, and shown by the service worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import CDPSession, expect

from tests.client.app import App
from tests.client.browser import CHROMIUM, axe
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.loop import LoopThread
from tests.client.test_resilience import END_OF_LONG
from tests.harness import Server, wait_until
from tests.patience import PATIENCE, now
from tests.system.push_service import PushService

BROWSER = CHROMIUM

# The browser's own push service cannot be reached from here: the subscription is one at ours.
SUBSCRIBED = """
PushManager.prototype.getSubscription = async () => window.__subscribed ?? null;
PushManager.prototype.subscribe = async (options) => (window.__subscribed = {
  options: { applicationServerKey: options.applicationServerKey.buffer },
  toJSON: () => (SUBSCRIPTION),
});
"""
# The answer must not end before the page is closed, which takes long on a busy machine.
SLOWLY = 0.2
# As the browser says it when the screen is locked.
LOCKED = """() => {
  Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
UNLOCKED = LOCKED.replace("hidden", "visible")
# As the service worker does when a notification is tapped while a page is open.
OPENED = """async (word) => {
  for (const page of await self.clients.matchAll({ type: 'window' })) page.postMessage(word);
}"""
SHOWN = """async () => (await (await navigator.serviceWorker.ready).getNotifications())
  .map(({ title, body, tag, data }) => ({ title, body, tag, data }))"""


@pytest.fixture(scope="module")
def service(loop: LoopThread) -> Iterator[PushService]:
    running = PushService()
    loop.run(running.__aenter__())
    yield running
    loop.run(running.__aexit__())


@pytest.fixture(scope="module")
def pushing_server(build: Path, service: PushService) -> Iterator[Server]:
    """A server that takes loopback for a push service."""
    with Server(workers=2, env={"WEB_CLIENT_PATH": str(build), "PUSH_SERVICES": service.origin}) as running:
        yield running


@pytest.fixture
def desk(loop: LoopThread, pushing_server: Server) -> Iterator[Desk]:
    with Desk(loop, pushing_server, speed=1.0) as running:
        yield running


@pytest.fixture
def phone(new_app: NewApp, pushing_server: Server, desk: Desk, service: PushService) -> App:
    """In a hand, paired, with a service worker."""
    subscription = json.dumps(service.browser.subscription(f"{service.origin}/send/abc?x=1"))
    app = new_app(
        pushing_server.url,
        desk,
        phone=True,
        service_workers="allow",
        permissions=["notifications"],
        scripts=[SUBSCRIBED.replace("SUBSCRIPTION", subscription)],
    )
    app.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    service.vapid = app.page.evaluate("fetch('api/v1/push/key').then((a) => a.json()).then(({ key }) => key)")
    return app


def turn_on(app: App) -> None:
    app.go("#/notifications")
    app.page.get_by_role("switch", name="Notify this device").click()
    expect(app.button("Send a test notification")).to_be_enabled()


def shown_once_there_are(app: App, count: int) -> list[dict[str, Any]]:
    """The notifications on the device."""
    end = now() + PATIENCE
    while len(found := app.page.evaluate(SHOWN)) != count:
        assert now() < end, f"not {count} notifications in time: {found}"
        app.page.wait_for_timeout(50)
    return list(found)


def deliver(app: App, message: dict[str, Any]) -> None:
    """As the browser does when its push service has a message."""
    session: CDPSession = app.page.context.new_cdp_session(app.page)
    found: list[str] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: found.extend(one["registrationId"] for one in event["registrations"]),
    )
    session.send("ServiceWorker.enable")
    app.page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    for _ in range(100):
        if found:
            break
        app.page.wait_for_timeout(50)
    origin = app.page.evaluate("location.origin")
    session.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": origin, "registrationId": found[-1], "data": json.dumps(message)},
    )


def test_a_closed_page_is_notified_and_the_notification_leads_to_the_whole_answer(
    phone: App, desk: Desk, service: PushService
) -> None:
    turn_on(phone)
    phone.button("Send a test notification").click()
    expect(phone.page.get_by_text("Sent. It should appear")).to_be_visible()
    assert service.pushed[-1]["notification"]["title"] == "Notifications work"
    claude = desk.session("claude")
    phone.enter(claude)
    phone.reads("(message 60 of 60)")
    desk.work_at(SLOWLY)
    phone.say("long")
    phone.reads("On tunnels")
    phone.page.evaluate(LOCKED)
    phone.page.goto("about:blank")
    desk.work_at(1.0)
    wait_until(lambda: service.pushed[-1]["tiflis"]["kind"] == "done", 40, "the answer is pushed")
    pushed = service.pushed[-1]
    assert "tunnels" not in json.dumps(pushed)
    phone.open("/#/settings")
    # A page that is in focus shows no notification, but one that was asked for.
    deliver(phone, {**pushed, "tiflis": {**pushed["tiflis"], "kind": "test"}})
    [shown] = shown_once_there_are(phone, 1)
    assert shown["title"] == pushed["notification"]["title"]
    assert shown["data"] == {"chat": claude, "tunnel": desk.pairing.tunnel_id}
    phone.go(f"#session={claude}&tunnel={desk.pairing.tunnel_id}")
    phone.reads(END_OF_LONG)
    shown_once_there_are(phone, 0)


def test_a_frozen_page_is_notified_and_has_the_whole_answer_when_it_is_opened(
    phone: App, desk: Desk, service: PushService
) -> None:
    turn_on(phone)
    claude, before = desk.session("claude"), len(service.pushed)
    phone.enter(claude)
    phone.reads("(message 60 of 60)")
    desk.work_at(SLOWLY)
    phone.say("long")
    phone.reads("On tunnels")
    phone.page.evaluate(LOCKED)
    browser = phone.page.context.new_cdp_session(phone.page)
    browser.send("Page.setWebLifecycleState", {"state": "frozen"})
    desk.work_at(1.0)
    wait_until(lambda: len(service.pushed) > before, 40, "the answer is pushed")
    about = service.pushed[-1]["tiflis"]
    assert (about["kind"], about["session"]) == ("done", claude)
    browser.send("Page.setWebLifecycleState", {"state": "active"})
    phone.page.evaluate(UNLOCKED)
    opened = {"open": about["session"], "tunnel": about["tunnel_id"]}
    phone.page.context.service_workers[0].evaluate(OPENED, opened)
    phone.reads(END_OF_LONG)


def test_wishes_are_kept_and_told_and_switched_off_again(phone: App, desk: Desk, axe_source: str) -> None:
    turn_on(phone)
    assert not axe(phone.page, axe_source)
    told: list[dict[str, Any]] = []
    phone.page.on(
        "request", lambda one: told.append(one.post_data_json or {}) if one.method == "POST" else None
    )
    phone.page.get_by_role("switch", name="A terminal rings").click()
    phone.page.get_by_role("switch", name="Quiet hours").click()
    phone.page.get_by_role("switch", name="snake-game").click()
    expect(phone.button("Send a test notification")).to_be_enabled()
    assert told[-1]["kinds"] == ["done", "failed"]
    assert told[-1]["quiet"] | {"zone": ""} == {"from": "22:00", "to": "07:00", "zone": ""}
    assert told[-1]["muted"] == [desk.session("cursor")]
    phone.page.reload()
    quiet = phone.page.get_by_role("switch", name="Quiet hours")
    expect(quiet).to_have_attribute("aria-checked", "true")
    phone.page.get_by_role("switch", name="Notify this device").click()
    expect(quiet).to_have_count(0)


def test_why_there_are_none_is_said(new_app: NewApp, pushing_server: Server, desk: Desk) -> None:
    app = new_app(pushing_server.url, desk, permissions=[], scripts=["delete window.PushManager"])
    app.go("#/notifications")
    expect(app.page.get_by_role("alert")).to_contain_text("cannot receive notifications")
