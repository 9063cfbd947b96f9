"""Quick replies and what follows from them: said once on all devices, and a session that needs its user."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server


def replies(app: App) -> Locator:
    return app.page.get_by_role("group", name="Quick replies").last


def offered(app: App) -> None:
    app.enter("supervisor")
    app.say("buttons")
    expect(replies(app).get_by_role("button", name="Run the tests")).to_be_enabled()


def test_a_reply_tapped_twice_is_said_once_and_shown(app: App, desk: Desk) -> None:
    offered(app)
    replies(app).get_by_role("button", name="Forget it").dblclick()
    app.reads("You said: cancel that")
    said = app.page.get_by_role("group", name="Quick replies").first
    expect(said.get_by_role("button", name="Forget it", pressed=True)).to_be_disabled()
    expect(said.get_by_role("button", name="Run the tests")).to_be_disabled()
    expect(said.get_by_role("button", name="Open the page")).to_be_enabled()
    commands = [one["payload"]["command"] for one in desk.got("supervisor.command")]
    assert commands == ["buttons", "cancel that"]


def test_what_one_device_replies_settles_the_other(new_app: NewApp, server: Server, desk: Desk) -> None:
    one, other = new_app(server.url, desk), new_app(server.url, desk, phone=True)
    other.enter("supervisor")
    other.reads("message 24 of 24")
    offered(one)
    expect(replies(other).get_by_role("button", name="Run the tests")).to_be_enabled()
    replies(one).get_by_role("button", name="Run the tests").click()
    settled = other.page.get_by_role("group", name="Quick replies").first
    expect(settled.get_by_role("button", name="Run the tests", pressed=True)).to_be_disabled()


def test_a_reply_that_the_talk_has_passed_asks_first(app: App, desk: Desk) -> None:
    offered(app)
    app.say("think")
    app.reads("with a bounded queue")
    expect(app.button("Stop")).to_have_count(0)
    replies(app).get_by_role("button", name="Forget it").click()
    dialog = app.page.get_by_role("dialog", name="Say this now?")
    assert len(desk.got("supervisor.command")) == 2
    dialog.get_by_role("button", name="Send").click()
    app.reads("You said: cancel that")


def test_a_session_that_asks_is_marked_until_it_is_answered(app: App, desk: Desk) -> None:
    offered(app)
    app.enter(desk.session("cursor"))
    row = app.session_link(re.compile("^Supervisor"))
    expect(row.get_by_text("needs you")).to_be_visible()
    app.enter("supervisor")
    replies(app).get_by_role("button", name="Run the tests").click()
    app.reads("12 tests pass")
    expect(row.get_by_text("needs you")).to_have_count(0)
