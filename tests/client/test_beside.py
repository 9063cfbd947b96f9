"""A terminal beside the conversation, where the window has room for both."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.browser import axe
from tests.client.desk import Desk
from tests.client.test_terminal import run
from tests.client.test_terminal_find import choose


def test_a_terminal_stands_beside_the_conversation(app: App, desk: Desk, axe_source: str) -> None:
    app.enter("supervisor")
    app.reads("message 24 of 24")
    app.enter_terminal(desk)
    choose(app, "Show beside a conversation")
    beside = app.page.get_by_role("complementary", name="Terminal")
    expect(beside.locator(".xterm-rows")).to_contain_text("$")
    app.say("table")
    app.reads("TCP keep-alive")
    beside.locator(".terminal-host").click()
    run(app, "echo from beside")
    expect(app.screen).to_contain_text("from beside")
    assert axe(app.page, axe_source) == []
    app.page.set_viewport_size({"width": 1000, "height": 800})
    expect(beside).to_have_count(0)
    app.page.set_viewport_size({"width": 1280, "height": 800})
    app.button("Close the terminal beside").click()
    expect(beside).to_have_count(0)


def test_what_happens_to_the_terminal_beside_leaves_the_conversation_alone(app: App, desk: Desk) -> None:
    app.enter(desk.session("cursor"))
    app.reads("message 2 of 2")
    app.enter_terminal(desk)
    choose(app, "Show beside a conversation")
    app.reads("message 2 of 2")
    beside = app.page.get_by_role("complementary", name="Terminal")
    desk.print("\x07it rang")
    expect(beside.locator(".xterm-rows")).to_contain_text("it rang")
    expect(app.page.get_by_role("navigation").get_by_text("unread")).to_have_count(0)
    beside.get_by_role("button", name="More").click()
    app.page.get_by_role("menuitem", name="End session").click()
    app.page.get_by_role("dialog").get_by_role("button", name="End session").click()
    expect(beside).to_have_count(0)
    app.reads("message 2 of 2")
