"""A walk through every screen of the client."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.desk import Desk

Look = Callable[[str], None]
TALK = (
    ("table", "TCP keep-alive"),
    ("code", "make test && git commit"),
    ("tool", "12 tests"),
    ("think", "queue on each side"),
    ("error", "did not answer in time"),
    ("buttons", "Forget it"),
)
COLOURS = "\x1b[1mbold\x1b[0m \x1b[31mred\x1b[0m \x1b[32mgreen\x1b[0m \x1b[34mblue\x1b[0m\r\n"


def tour(app: App, desk: Desk, look: Look) -> None:
    """`look` is called on each screen with its name."""
    pairing(app, look)
    app.pair_by_address(desk)
    lists_and_settings(app, look)
    conversation(app, look)
    voice_and_terminal(app, desk, look)
    ends(app, desk, look)
    without_workstation(app, desk, look)


def pairing(app: App, look: Look) -> None:
    expect(app.button("Pair")).to_be_visible()
    look("pair")
    app.button("Enter the details by hand").click()
    look("pair-by-hand")


def lists_and_settings(app: App, look: Look) -> None:
    app.home()
    expect(app.session_link(re.compile("snake-game"))).to_be_visible()
    app.settled()
    look("sessions")
    app.go("#/new")
    with dialog(app):
        look("new-session")
    app.go("#/settings")
    expect(app.page.get_by_role("heading", name="Settings")).to_be_visible()
    look("settings")
    devices(app, look)
    app.home()
    app.page.keyboard.press("Alt+Slash")
    with dialog(app):
        look("help")
    app.go("#/pair")
    expect(app.page.get_by_role("heading", name="Pair a workstation")).to_be_visible()
    look("pair-another")


def devices(app: App, look: Look) -> None:
    app.go("#/devices")
    expect(app.button("Add a device")).to_be_visible()
    look("devices")
    app.button("Add a device").click()
    with dialog(app):
        look("add-device")
        app.button("Show the code").click()
        expect(app.page.get_by_test_id("code")).to_be_visible()
        look("add-device-code")
    expect(app.page.get_by_text("New device", exact=True)).to_be_visible()
    look("devices-one-waits")
    app.go("#/notifications")
    expect(app.page.get_by_role("alert")).to_be_visible()
    look("notifications-blocked")
    app.go("#/pair")
    app.button("Enter a code").click()
    expect(app.page.get_by_label("Code")).to_be_visible()
    look("pair-by-code")


def conversation(app: App, look: Look) -> None:
    app.enter("supervisor")
    for words, shown in TALK:
        app.say(words)
        app.reads(shown)
        expect(app.button("Stop")).to_have_count(0)
    look("conversation")
    replies(app, look)
    app.unfold()
    app.say("voice")
    expect(app.page.get_by_role("group", name="Spoken answer")).to_be_visible()
    look("conversation-open")
    app.button("More").click()
    expect(app.page.get_by_role("menu")).to_be_visible()
    look("menu")
    app.page.keyboard.press("Escape")
    app.button("Search in this conversation").click()
    app.page.get_by_role("searchbox", name="Search in this conversation").fill("queue")
    look("search")
    app.page.keyboard.press("Escape")


def replies(app: App, look: Look) -> None:
    app.home()
    expect(app.session_link(re.compile("^Supervisor")).get_by_text("needs you")).to_be_visible()
    look("sessions-one-needs-you")
    app.enter("supervisor")
    app.button("Forget it").click()
    app.reads("You said: cancel that")
    app.button("Forget it").scroll_into_view_if_needed()
    look("replies-settled")


def voice_and_terminal(app: App, desk: Desk, look: Look) -> None:
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    app.button("Record a voice message").click()
    expect(app.page.get_by_role("timer")).to_contain_text("0:01")
    look("recording")
    app.page.keyboard.press("Escape")
    app.enter_terminal(desk)
    desk.print(COLOURS)
    expect(app.screen).to_contain_text("blue")
    look("terminal")
    app.button("More").click()
    app.page.get_by_role("menuitem", name="End session").click()
    with dialog(app):
        look("end-session")


def ends(app: App, desk: Desk, look: Look) -> None:
    app.enter(desk.session("cursor"))
    app.reads("message 2 of 2")
    app.composer.fill("half a thought")
    desk.end("cursor")
    expect(app.page.get_by_role("region", name="This session has ended")).to_be_visible()
    look("ended-with-draft")
    app.enter("gone")
    expect(app.page.get_by_text("This session has ended")).to_be_visible()
    look("ended")


def without_workstation(app: App, desk: Desk, look: Look) -> None:
    app.home()
    desk.leave()
    app.until_phase("workstation_offline")
    app.phase.click()
    expect(app.page.get_by_role("group", name="Connection details")).to_be_visible()
    look("offline")
    app.page.keyboard.press("Escape")
    app.enter("supervisor")
    app.say("later")
    expect(app.page.get_by_text("Workstation offline").first).to_be_visible()
    look("conversation-offline")


@contextmanager
def dialog(app: App) -> Iterator[None]:
    """While it is open; it is closed by Escape."""
    expect(app.page.get_by_role("dialog")).to_be_visible()
    yield
    app.page.keyboard.press("Escape")
    expect(app.page.get_by_role("dialog")).to_have_count(0)
