"""Finding things in a terminal: words in its scrollback, its links; and arrows by swiping."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.browser import axe
from tests.client.desk import Desk
from tests.client.test_terminal_keys import until_typed

LINES = "".join(f"line {n} {'needle' if n % 100 == 7 else 'hay'}\r\n" for n in range(1, 401))
ADDRESS = "https://example.com/"


def field_of(app: App) -> Locator:
    return app.page.get_by_role("searchbox", name="Search in the terminal")


def choose(app: App, item: str) -> None:
    app.button("More").click()
    app.page.get_by_role("menuitem", name=item).click()


def test_words_are_found_in_the_scrollback(app: App, desk: Desk, axe_source: str) -> None:
    app.enter_terminal(desk)
    desk.print(LINES)
    expect(app.screen).to_contain_text("line 400 ")
    app.page.keyboard.press("Control+Shift+F")
    field_of(app).fill("needle")
    expect(app.screen).to_contain_text("line 307 needle")
    count = app.page.get_by_role("search").get_by_role("status")
    expect(count).to_have_text("4 of 4")
    field_of(app).press("Enter")
    expect(app.screen).to_contain_text("line 207 needle")
    expect(count).to_have_text("3 of 4")
    app.button("Newer match").click()
    expect(app.screen).to_contain_text("line 307 needle")
    assert axe(app.page, axe_source) == []
    field_of(app).fill("nothing like it")
    expect(count).to_have_text("Nothing found")
    expect(app.page.get_by_role("search")).to_contain_text(re.compile(r"Searched all \d+ lines"))
    # A button of the bar does what it says by Enter too.
    app.page.get_by_role("search").get_by_role("button", name="Close").press("Enter")
    expect(app.page.get_by_role("search")).to_have_count(0)
    app.page.keyboard.type("a")
    until_typed(desk, "a")


def test_a_phone_searches_by_the_menu(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    desk.print(LINES)
    expect(phone.screen).to_contain_text("line 400 ")
    choose(phone, "Search in the terminal")
    field_of(phone).fill("NEEDLE")
    expect(phone.screen).to_contain_text("line 307 needle")
    phone.page.get_by_role("search").get_by_role("button", name="Close").click()
    expect(field_of(phone)).to_have_count(0)


def test_links_are_listed_and_open_only_when_asked(phone: App, desk: Desk, axe_source: str) -> None:
    app = phone
    app.visitor.context.route(f"{ADDRESS}**", lambda route: route.fulfill(body="there"))
    app.enter_terminal(desk)
    desk.print(f"see {ADDRESS}old.\r\n\x1b]8;;{ADDRESS}behind\x1b\\words\x1b]8;;\x1b\\\r\n")
    desk.print(f"{ADDRESS}{'long' * 60}/end, and ({ADDRESS}old)\r\n{LINES}")
    expect(app.screen).to_contain_text("line 400 ")
    choose(app, "Links in the terminal")
    sheet = app.page.get_by_role("dialog", name="Links in the terminal")
    links = [f"{ADDRESS}old", f"{ADDRESS}{'long' * 60}/end", f"{ADDRESS}behind"]
    expect(sheet.get_by_role("button", name=re.compile("^Open "))).to_have_text(links)
    assert axe(app.page, axe_source) == []
    sheet.get_by_role("button", name=f"Copy {links[2]}").click()
    assert app.page.evaluate("navigator.clipboard.readText()") == links[2]
    app.page.once("dialog", lambda dialog: dialog.accept())
    with app.page.expect_popup() as opened:
        sheet.get_by_role("button", name=f"Open {links[2]}").click()
    assert opened.value.url == links[2]
    opened.value.close()


def test_a_swipe_is_arrows_and_no_scrolling(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    desk.print(LINES)
    expect(phone.screen).to_contain_text("line 400 ")
    finger = phone.visitor.context.new_cdp_session(phone.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        finger.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]}
        )

    touch("touchStart", (250, 300))
    for x in range(240, 160, -10):
        touch("touchMove", (x, 302))
    touch("touchEnd")
    until_typed(desk, "\x1b[D" * 3)
    expect(phone.screen).to_contain_text("line 400 ")
