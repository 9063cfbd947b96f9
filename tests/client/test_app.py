"""The app around it all: offline shell, new versions, notifications, title, settings, broken parts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server, wait_until

DEADLINE = 15.0
CACHED = """async () => {
  const found = [];
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
  }
  return found;
}"""
# What the browser would show on the desktop; the page believes that nobody looks at it.
NOBODY_LOOKS = """
window.__shown = [];
window.Notification = class {
  static permission = 'granted';
  static requestPermission() { return Promise.resolve('granted'); }
  constructor(title, options) { window.__shown.push({ title, body: options.body, notification: this }); }
  close() {}
};
window.__away = (away) => {
  const answer = (name, value) => Object.defineProperty(document, name, { configurable: true, ...value });
  answer('visibilityState', { get: () => away ? 'hidden' : 'visible' });
  answer('hasFocus', { value: () => !away });
  document.dispatchEvent(new Event('visibilitychange'));
};
"""


def until_at_work(page: Page) -> None:
    """The service worker is in charge of the page."""
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    wait_until(lambda: page.evaluate("navigator.serviceWorker.controller !== null"), DEADLINE, "a worker")


def test_without_a_network_the_shell_opens_and_shows_what_was_known(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url, desk, service_workers="allow")
    until_at_work(app.page)
    app.enter("supervisor")
    app.composer.fill("a draft for later")
    app.visitor.context.set_offline(True)
    app.page.reload()
    app.until_phase("disconnected")
    expect(app.composer).to_have_value("a draft for later")
    expect(app.session_link("snake-game")).to_be_visible()
    app.visitor.context.set_offline(False)
    app.until_online()


def test_every_part_works_offline_but_nothing_of_the_api_is_kept(
    new_app: NewApp, server: Server, desk: Desk, build: Path
) -> None:
    app = new_app(server.url, desk, service_workers="allow")
    until_at_work(app.page)
    for path in ("/health", "/api/v1/watch/state", "/readyz"):
        app.page.evaluate("path => fetch(path).then(answer => answer.status)", path)
    cached = app.page.evaluate(CACHED)
    assert "/" in cached
    parts = {path.name for path in (build / "assets").iterdir() if path.suffix in (".js", ".css")}
    formulas = {name for name in parts if name.startswith("math-")}  # without it their source is shown
    assert parts - formulas <= {path.rpartition("/")[2] for path in cached}
    assert not [path for path in cached if path.startswith(("/api", "/health", "/readyz", "/ws"))]


def test_a_new_version_is_offered_and_never_forced(
    new_app: NewApp, desk: Desk, build: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(build, site)
    with Server(workers=1, env={"WEB_CLIENT_PATH": str(site)}) as server:
        app = new_app(server.url, service_workers="allow")
        until_at_work(app.page)
        loads: list[str] = []
        app.page.on("load", lambda page: loads.append(page.url))
        worker = site / "sw.js"
        worker.write_text(worker.read_text().replace('"version":"', '"version":"newer-'))
        port = server.port
        server.stop()
        with Server(workers=1, port=port, env={"WEB_CLIENT_PATH": str(site)}):
            app.page.evaluate("navigator.serviceWorker.getRegistration().then(one => one.update())")
            expect(app.page.get_by_text("A newer version is ready.")).to_be_visible()
            assert loads == []
            app.button("Load it").click()
            expect(app.page.get_by_role("textbox", name="Pairing link or JSON")).to_be_visible()
            wait_until(lambda: len(loads) == 1, DEADLINE, "one load")
            expect(app.page.get_by_text("A newer version is ready.")).to_have_count(0)


def test_it_can_be_installed(app: App) -> None:
    address = app.page.locator("link[rel=manifest]").get_attribute("href")
    answer = app.page.request.get(f"{app.visitor.url}/{address}")
    manifest = json.loads(answer.text())
    assert answer.headers["content-type"].startswith("application/manifest+json")
    assert {"name", "start_url", "display", "icons"} <= manifest.keys()
    sizes = {icon["sizes"] for icon in manifest["icons"]}
    assert {"192x192", "512x512"} <= sizes
    assert any(icon.get("purpose") == "maskable" for icon in manifest["icons"])
    for icon in manifest["icons"]:
        assert app.page.request.get(f"{app.visitor.url}/{icon['src']}").ok
    for link in app.page.locator("link[rel=icon], link[rel=apple-touch-icon]").all():
        assert app.page.request.get(f"{app.visitor.url}/{link.get_attribute('href')}").ok


def test_an_answer_is_told_to_who_looks_elsewhere(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url, desk, scripts=[NOBODY_LOOKS])
    app.go("#/settings")
    app.page.get_by_role("switch", name="When an answer is done").click()
    app.enter("supervisor")
    app.say("table")
    app.reads("TCP keep-alive")
    assert app.page.evaluate("window.__shown.length") == 0, "told although it was seen"
    app.page.evaluate("window.__away(true)")
    app.say("status")
    wait_until(lambda: app.page.evaluate("window.__shown.length") == 1, DEADLINE, "a notification")
    shown = app.page.evaluate("({ title: window.__shown[0].title, body: window.__shown[0].body })")
    assert shown["title"] == "The supervisor has answered"
    assert "128 files" in shown["body"]
    expect(app.page).to_have_title("(1) Supervisor · Tiflis")
    app.go("#/settings")
    expect(app.page).to_have_title("(1) Tiflis")
    app.page.evaluate("window.__away(false); window.__shown[0].notification.onclick()")
    expect(app.composer).to_be_visible()
    expect(app.page).to_have_title("Supervisor · Tiflis")


def test_a_pages_notifications_keep_to_the_wishes_and_go_when_they_are_read(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    closing = NOBODY_LOOKS.replace("close() {}", "close() { window.__closed = (window.__closed ?? 0) + 1; }")
    app = new_app(server.url, desk, scripts=[closing])
    app.page.evaluate("localStorage.setItem('tiflis.settings', JSON.stringify({ notifications: true }))")
    app.page.evaluate(
        "localStorage.setItem('tiflis.push.ws-1', JSON.stringify({ kinds: ['done'], muted: ['supervisor'] }))"
    )
    app.reload()
    app.until_online()
    app.enter("supervisor")
    app.page.evaluate("window.__away(true)")
    app.say("status")
    app.reads("128 files")
    expect(app.page).to_have_title("(1) Supervisor · Tiflis")
    assert app.page.evaluate("window.__shown.length") == 0, "the session is muted"
    app.page.evaluate("localStorage.removeItem('tiflis.push.ws-1')")
    app.say("table")
    wait_until(lambda: app.page.evaluate("window.__shown.length") == 1, DEADLINE, "a notification")
    app.page.evaluate("window.__away(false)")
    wait_until(lambda: app.page.evaluate("window.__closed") == 1, DEADLINE, "it goes when it is read")


def test_the_title_says_which_conversation_it_is_and_that_its_agent_works(
    new_app: NewApp, server: Server, calm_desk: Desk
) -> None:
    app = new_app(server.url, calm_desk)
    app.enter(calm_desk.session("cursor"))
    expect(app.page).to_have_title("snake-game · Tiflis")
    app.say("long")
    expect(app.page).to_have_title("● snake-game · Tiflis")
    app.button("Stop").click()
    expect(app.page).to_have_title("snake-game · Tiflis")


def test_a_bell_is_told_to_who_looks_elsewhere(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url, desk, scripts=[NOBODY_LOOKS])
    app.go("#/settings")
    app.page.get_by_role("switch", name="When an answer is done").click()
    app.enter_terminal(desk)
    app.page.evaluate("window.__away(true)")
    desk.print("\x07" * 50)
    wait_until(lambda: app.page.evaluate("window.__shown.length") == 1, DEADLINE, "a notification")
    assert "rings" in app.page.evaluate("window.__shown[0].title")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_theme_is_chosen_and_kept(app: App, theme: str) -> None:
    app.go("#/settings")
    app.page.get_by_role("radio", name=theme).check(force=True)
    expect(app.page.locator("html")).to_have_attribute("data-theme", theme.lower())
    app.page.reload()
    expect(app.page.locator("html")).to_have_attribute("data-theme", theme.lower())
    scheme = app.page.evaluate("getComputedStyle(document.documentElement).colorScheme")
    assert scheme == theme.lower()


def test_a_part_that_cannot_be_loaded_takes_nothing_with_it(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.composer.fill("precious words")
    app.visitor.context.route("**/assets/TerminalView*", lambda route: route.abort())
    app.enter(desk.session("terminal"))
    expect(app.page.get_by_role("alert")).to_contain_text("could not be loaded")
    app.enter("supervisor")
    expect(app.composer).to_have_value("precious words")
    app.visitor.errors.clear()


def test_nothing_comes_from_another_host(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.say("table")
    app.reads("TCP keep-alive")
    app.enter_terminal(desk)
    assert app.visitor.strangers == []
