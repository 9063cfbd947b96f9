"""The first picture: early, in few round trips, and standing still."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest
from playwright.sync_api import FloatRect, Route, expect

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


# The last of the largest pictures so far, and when the client's own script had come.
LARGEST = """() => new Promise((done) => new PerformanceObserver((list) => {
  const script = performance.getEntriesByType('resource').find(({ name }) => /index-.*js$/.test(name));
  const { element, startTime } = list.getEntries().at(-1);
  done({ words: element?.textContent, early: startTime < script.responseEnd });
}).observe({ type: 'largest-contentful-paint', buffered: true }))"""


def boxes(app: App) -> list[FloatRect | None]:
    """Where the welcome's lines stand."""
    head = app.page.locator("header:visible")
    return [head.locator(each).bounding_box() for each in ("img", "h1", "p >> nth=0", "p >> nth=1")]


def test_a_picture_stands_before_any_script_has_come(app: App) -> None:
    app.page.route("**/*.js", lambda route: route.abort())
    app.page.reload()
    expect(app.page.get_by_text("Tiflis", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("phone", "locale", "welcome"),
    [(True, "en-GB", "Your agents, in your pocket"), (False, "de-DE", "Deine Agenten in der Tasche")],
)
def test_the_welcome_stands_before_the_client_has_come_and_stays_where_it_is(
    new_app: NewApp, server: Server, phone: bool, locale: str, welcome: str
) -> None:
    app = new_app(server.url, phone=phone, locale=locale)
    app.page.route("**/*.js", lambda route: route.abort())
    app.page.reload()
    expect(app.page.get_by_role("heading", name=welcome)).to_be_visible()
    early = boxes(app)
    app.page.unroute("**/*.js")
    app.page.reload()
    expect(app.page.get_by_role("textbox")).to_be_visible()
    assert None not in early
    assert boxes(app) == early


def test_the_largest_picture_of_a_first_visit_waits_for_no_script(new_app: NewApp, server: Server) -> None:
    app = new_app(server.url, phone=True)

    def late(route: Route) -> None:
        threading.Event().wait(LATE)
        route.continue_()

    app.page.route(re.compile(r"/assets/index.*\.js"), late)
    app.page.reload()
    expect(app.page.get_by_role("textbox")).to_be_visible()
    app.drawn()
    largest = app.page.evaluate(LARGEST)
    assert largest["early"], f"the largest comes with the client: {largest['words']}"


def test_the_chosen_theme_stands_before_any_script_has_come(app: App) -> None:
    app.page.evaluate("localStorage.setItem('tiflis.settings', JSON.stringify({ theme: 'dark' }))")
    app.page.route("**/*.js", lambda route: route.abort())
    app.page.reload()
    expect(app.page.locator("body")).to_have_css("background-color", "rgb(19, 20, 22)")


def test_the_parts_of_a_conversation_are_asked_for_beside_the_entry(app: App) -> None:
    app.page.route(re.compile(r"/assets/index.*\.js"), lambda route: route.abort())
    with app.page.expect_request(re.compile(r"/assets/ChatScreen.*\.js")):
        app.page.reload()


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


def test_the_rows_of_a_first_visit_do_not_grow_while_their_words_come(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    phone = new_app(server.url, desk, phone=True, scripts=[SHIFTS])
    expect(phone.session_link(re.compile("message 60 of 60"))).to_be_visible()
    expect(phone.session_link(re.compile("snake-game.*message 2 of 2"))).to_be_visible()
    assert phone.page.evaluate("window.__shift") <= SHIFT_LIMIT
