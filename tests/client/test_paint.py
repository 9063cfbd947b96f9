"""The first picture: early, in few round trips, and standing still."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

from playwright.sync_api import Route, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server

SHIFT_LIMIT = 0.02
LATE = 0.7  # seconds
SHIFTS = """
window.__shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.__shift += entry.value;
}).observe({ type: 'layout-shift', buffered: true });
"""


def test_a_picture_stands_before_any_script_has_come(new_app: NewApp, server: Server) -> None:
    app = new_app(server.url)
    app.page.route("**/*.js", lambda route: route.abort())
    app.page.reload()
    expect(app.page.get_by_text("Tiflis", exact=True)).to_be_visible()


def test_every_part_of_the_first_screen_is_asked_for_by_the_page_itself(build: Path) -> None:
    parts = json.loads((build / "build.json").read_text())
    page = (build / "index.html").read_text()
    wanted, found = ["src/app/App.tsx"], set[str]()
    while wanted:
        part = parts[wanted.pop()]
        if part["file"] not in found:
            found.add(part["file"])
            wanted += part.get("imports", [])
    missing = [file for file in found if file not in page]
    assert not missing, f"asked for one round trip later: {missing}"


def test_scripts_come_with_brotli(new_app: NewApp, server: Server) -> None:
    app = new_app(server.url)
    script = app.page.locator("script[type=module]").get_attribute("src")
    answer = app.page.request.get(f"{server.url}/{script}", headers={"accept-encoding": "gzip, br"})
    assert answer.headers["content-encoding"] == "br"


def test_an_answer_is_never_seen_as_raw_markdown_and_does_not_move(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    desk.has_said(
        desk.session("claude"), ["a question", "**bold** and\n\n- a\n- b\n\n| a | b |\n|-|-|\n| 1 | 2 |"]
    )
    app = new_app(server.url, desk, phone=True, scripts=[SHIFTS])
    seen_raw: list[bool] = []

    def late(route: Route) -> None:
        threading.Event().wait(LATE)
        seen_raw.append("**bold**" in app.page.locator("body").inner_text())
        route.continue_()

    app.page.route(re.compile(r"/assets/Markdown.*\.js"), late)
    app.enter(desk.session("claude"))
    app.page.reload()
    expect(app.log.locator("strong", has_text="bold")).to_be_visible()
    assert seen_raw and not any(seen_raw)
    assert app.page.evaluate("window.__shift") <= SHIFT_LIMIT


def test_the_list_stands_still_while_it_comes(app: App) -> None:
    app.visitor.context.add_init_script(SHIFTS)
    app.page.reload()
    app.until_online()
    expect(app.session_link(re.compile("snake-game"))).to_be_visible()
    assert app.page.evaluate("window.__shift") <= SHIFT_LIMIT
