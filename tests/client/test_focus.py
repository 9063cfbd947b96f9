"""The focus stays near where it was when what had it goes, and Escape closes what is nearest."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.client.app import App
from tests.client.browser import INSECURE_HOST
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server


def has_focus(app: App) -> bool:
    return bool(app.page.evaluate("document.activeElement !== document.body"))


def test_a_deleted_message_leaves_the_focus_on_the_next(
    new_app: NewApp, server: Server, calm_desk: Desk
) -> None:
    app = new_app(server.url, calm_desk)
    app.say_while_it_works("first", "second")
    delete = app.page.get_by_test_id("queued").get_by_role("button", name="Delete")
    expect(delete).to_have_count(2)
    delete.first.press("Enter")
    expect(delete).to_have_count(1)
    expect(delete).to_be_focused()
    delete.press("Enter")
    expect(app.composer).to_be_focused()


def test_closing_the_search_leaves_the_focus_in_the_conversation(app: App) -> None:
    app.enter("supervisor")
    app.say("tell me")
    app.reads("You said: tell me")
    app.button("Search in this conversation").click()
    app.page.get_by_role("searchbox", name="Search in this conversation").fill("tell")
    app.button("Next").focus()
    app.page.keyboard.press("Escape")
    expect(app.page.get_by_role("search")).to_have_count(0)
    expect(app.log).to_be_focused()


def test_escape_in_a_search_stops_no_agent(new_app: NewApp, server: Server, calm_desk: Desk) -> None:
    app = new_app(server.url, calm_desk)
    app.enter("supervisor")
    app.say("long")
    app.reads("On tunnels")
    app.button("Search in this conversation").click()
    app.page.get_by_role("searchbox", name="Search in this conversation").fill("tunnels")
    app.button("Next").press("Escape")
    expect(app.page.get_by_role("search")).to_have_count(0)
    assert calm_desk.got("supervisor.cancel") == []


def test_a_menu_closes_when_a_sheet_opens_above_it(app: App) -> None:
    app.enter("supervisor")
    app.button("More").click()
    expect(app.page.get_by_role("menu")).to_be_visible()
    app.page.keyboard.press("Control+k")
    expect(app.page.get_by_role("combobox")).to_be_focused()
    expect(app.page.get_by_role("menu")).to_have_count(0)
    app.page.keyboard.press("Escape")
    expect(app.page.get_by_role("combobox")).to_have_count(0)


@pytest.mark.parametrize("key, code", [("k", "KeyK"), ("л", "KeyK"), ("κ", "KeyK")])
def test_the_palette_opens_on_every_keyboard(app: App, key: str, code: str) -> None:
    app.page.evaluate(
        "([key, code]) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
        " { key, code, ctrlKey: true, bubbles: true, cancelable: true }))",
        [key, code],
    )
    expect(app.page.get_by_role("combobox")).to_be_focused()


def test_copying_without_https_keeps_the_focus(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(f"http://{INSECURE_HOST}:{server.port}", permissions=[])
    app.paste(desk.pairing.json.replace("127.0.0.1", INSECURE_HOST))
    app.agree()
    app.until_online()
    app.enter("supervisor")
    app.say("tell me")
    app.reads("You said: tell me")
    expect(app.button("Stop")).to_have_count(0)
    app.log.get_by_role("button", name="Copy").last.press("Enter")
    expect(app.button("Copied")).to_be_focused()


def test_the_focus_goes_along_to_the_pairing_page_and_comes_back_from_the_scanner(phone: App) -> None:
    phone.go("#/settings")
    phone.button("Pair another workstation").press("Enter")
    expect(phone.page.locator("#main")).to_be_focused()
    # Not by Enter again: so soon that would be a double press.
    phone.button("Scan QR").click()
    expect(phone.page.get_by_role("dialog")).to_be_visible()
    phone.page.keyboard.press("Escape")
    expect(phone.button("Scan QR")).to_be_focused()


def test_the_focus_returns_when_the_sheet_of_a_terminals_text_is_closed(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    app.button("Copy").press("Enter")
    sheet = app.page.get_by_role("dialog", name="Select what to copy")
    sheet.get_by_role("button", name="Close").press("Enter")
    expect(sheet).to_have_count(0)
    expect(app.button("Copy")).to_be_focused()


def test_a_notice_is_seen_above_the_sheet_that_caused_it(app: App) -> None:
    app.go("#/devices")
    app.button("Add a device").click()
    app.page.get_by_role("dialog").get_by_role("button", name="Show the code").click()
    app.page.evaluate(
        "navigator.clipboard.writeText = () => Promise.reject(); document.execCommand = () => false"
    )
    app.button("Copy link").click()
    notice = app.page.locator("[data-notice=error]")
    expect(notice).to_be_visible()
    notice.get_by_role("button", name="Dismiss").click()
    expect(notice).to_have_count(0)
    expect(app.page.get_by_role("dialog")).to_be_visible()
