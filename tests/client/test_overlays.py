"""Going back closes what is open above the page, and leaves the page where it is."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server

STATE = "JSON.stringify(history.state)"


def test_back_closes_a_question_and_not_the_conversation(phone: App, desk: Desk) -> None:
    claude = desk.session("claude")
    phone.home()
    phone.enter(claude)
    before = phone.page.evaluate(STATE)
    phone.button("More").click()
    phone.page.get_by_role("menuitem", name="End session").click()
    phone.page.wait_for_function("() => history.state.over === 1")
    phone.page.go_back()
    expect(phone.page.get_by_role("dialog")).to_have_count(0)
    expect(phone.composer).to_be_visible()
    phone.button("More").click()
    phone.page.get_by_role("menuitem", name="End session").click()
    phone.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    # Closed by its own button it leaves nothing to go back over either.
    phone.page.wait_for_function(f"before => {STATE} === before", arg=before)
    phone.page.go_back()
    expect(phone.session_link(re.compile("snake-game"))).to_be_visible()


def test_a_choice_in_the_palette_is_one_step(app: App) -> None:
    app.go("#/s/supervisor")
    app.page.keyboard.press("Control+k")
    app.page.get_by_role("combobox", name="Find or do something").fill("settings")
    app.page.keyboard.press("Enter")
    heading = app.page.get_by_role("heading", name="Settings", exact=True)
    expect(heading).to_be_visible()
    app.page.keyboard.press("Control+k")
    app.page.get_by_role("combobox", name="Find or do something").fill("keyboard shortcuts")
    app.page.keyboard.press("Enter")
    help_sheet = app.page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(help_sheet).to_be_visible()
    app.page.wait_for_function("() => history.state.over === 1")
    app.page.go_back()
    expect(help_sheet).to_have_count(0)
    expect(heading).to_be_visible()
    app.page.go_back()
    expect(app.composer).to_be_visible()


def test_a_terminal_that_ends_keeps_its_last_screen_and_the_line(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    line = phone.page.get_by_role("textbox").last
    line.fill("half a comm")
    desk.print("last words\r\n")
    expect(phone.screen).to_contain_text("last words")
    desk.end("terminal")
    expect(phone.page.get_by_text("This session has ended")).to_be_visible()
    expect(phone.screen).to_contain_text("last words")
    expect(line).to_have_value("half a comm")


def test_back_closes_a_menu_and_the_details_of_the_connection(phone: App, desk: Desk) -> None:
    phone.home()
    phone.session_link(re.compile("snake-game")).click()
    phone.button("More").click()
    menu = phone.page.get_by_role("menu")
    expect(menu).to_be_visible()
    phone.page.wait_for_function("() => history.state.over === 1")
    phone.page.go_back()
    expect(menu).to_have_count(0)
    expect(phone.composer).to_be_visible()
    # Closed and left at once: no step too many.
    phone.button("More").click()
    expect(menu).to_be_visible()
    phone.page.wait_for_function("() => history.state.over === 1")
    phone.page.evaluate(
        """() => {
          const key = { key: 'Escape', bubbles: true, cancelable: true };
          document.activeElement.dispatchEvent(new KeyboardEvent('keydown', key));
          document.querySelector('[aria-label=Back]').click();
        }"""
    )
    details = phone.page.get_by_role("group", name="Connection details")
    phone.phase.click()
    expect(details).to_be_visible()
    phone.page.wait_for_function("() => history.state.over === 1")
    phone.page.go_back()
    expect(details).to_have_count(0)
    expect(phone.page.get_by_role("heading", name="Sessions")).to_be_visible()


def test_the_list_stands_where_it_was_left(new_app: NewApp, server: Server, desk: Desk) -> None:
    for number in range(30):
        desk.open_agent(f"project-{number}")
    phone = new_app(server.url, desk, phone=True)
    rows = phone.page.get_by_role("region", name="Agents").get_by_role("link")
    expect(rows.filter(has_text=re.compile("project-"))).to_have_count(30)
    row = phone.session_link(re.compile("project-12 "))
    row.scroll_into_view_if_needed()
    before = row.bounding_box()
    row.click()
    expect(phone.composer).to_be_visible()
    phone.button("Back").click()
    expect(row).to_be_in_viewport()
    assert row.bounding_box() == before


def test_news_do_not_scroll_the_palette(app: App, desk: Desk) -> None:
    app.page.keyboard.press("Control+k")
    options = app.page.get_by_role("option")
    expect(options.first).to_be_visible()
    last = options.last
    last.scroll_into_view_if_needed()
    expect(options.first).not_to_be_in_viewport()
    payload = {"session_type": "claude", "project": "news", "working_dir": "/w/news"}
    session = desk.open_agent("news", "/w/news")
    desk.tell_all({"type": "session.created", "session_id": session, "payload": payload})
    expect(app.session_link(re.compile("news")).first).to_be_attached()
    app.drawn()
    expect(options.first).not_to_be_in_viewport()
