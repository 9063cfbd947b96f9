"""Commands and files complete what is typed; the arrows bring back what was said, of several lines too."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.test_hostile import output
from tests.client.test_reading import block, tool
from tests.harness import Server


def test_a_command_said_before_is_completed(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.say("/compact now")
    desk.until_got("supervisor.command")
    app.composer.press_sequentially("/co")
    option = app.page.get_by_role("option", name="/compact")
    expect(option).to_be_visible()
    app.page.keyboard.press("Escape")
    expect(option).to_have_count(0)
    expect(app.composer).to_have_value("/co")
    app.page.keyboard.type("m")
    expect(option).to_be_visible()
    app.page.keyboard.press("Tab")
    expect(app.composer).to_have_value("/compact ")
    expect(app.composer).to_be_focused()
    expect(option).to_have_count(0)


def test_files_that_were_named_are_completed_by_arrow_and_tap(phone: App, desk: Desk) -> None:
    phone.enter("supervisor")
    phone.reads("message 24 of 24")
    edit = tool("Edit", {"file_path": "src/app.py", "old_string": "a", "new_string": "b"})
    desk.tell_all(output([edit, block("text", "See `docs/read.me` too. That is all.")]))
    phone.reads("That is all.")
    phone.composer.press_sequentially("look at @r")
    expect(phone.page.get_by_role("option")).to_have_text(["@docs/read.me", "@src/app.py"])
    phone.page.keyboard.press("ArrowDown")
    phone.page.keyboard.press("ArrowDown")
    phone.page.keyboard.press("Enter")
    expect(phone.composer).to_have_value("look at @src/app.py ")
    phone.composer.press_sequentially("and @")
    phone.page.get_by_role("option", name="@docs/read.me").tap()
    expect(phone.composer).to_have_value("look at @src/app.py and @docs/read.me ")
    assert desk.got("supervisor.command") == []


def test_arrow_up_goes_on_through_messages_of_several_lines_and_alike(app: App, desk: Desk) -> None:
    said = ["alike", "one", "two\nlines", "alike", "three"]
    session = desk.session("cursor")
    desk.has_said(session, [words for each in said for words in (each, "Yes.")])
    app.enter(session)
    app.reads("three")
    app.composer.focus()
    for shown in ("three", "alike", "two\nlines"):
        app.page.keyboard.press("ArrowUp")
        expect(app.composer).to_have_value(shown)
    app.page.keyboard.press("ArrowUp")
    for shown in ("one", "alike"):
        app.page.keyboard.press("ArrowUp")
        expect(app.composer).to_have_value(shown)
    for shown in ("one", "two\nlines", "alike", "three", ""):
        app.page.keyboard.press("ArrowDown")
        expect(app.composer).to_have_value(shown)


@pytest.mark.parametrize("key", ["Alt+Enter", "Shift+Enter"])
def test_enter_with_option_or_shift_is_a_new_line(app: App, desk: Desk, key: str) -> None:
    app.enter("supervisor")
    app.composer.press_sequentially("one")
    app.page.keyboard.press(key)
    app.page.keyboard.type("two")
    expect(app.composer).to_have_value("one\ntwo")
    assert desk.got("supervisor.command") == []


def test_enter_of_a_hardware_keyboard_sends_on_a_touch_device_too(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    tablet = new_app(server.url, desk, phone=True, viewport={"width": 1024, "height": 768})
    tablet.enter("supervisor")
    tablet.reads("message 24 of 24")
    expect(tablet.composer).not_to_be_focused()
    tablet.composer.press_sequentially("on the glass")
    tablet.page.keyboard.press("Enter")
    expect(tablet.composer).to_have_value("on the glass\n")
    tablet.page.keyboard.press("Shift+ArrowLeft")
    tablet.page.keyboard.type(" and keys")
    tablet.page.keyboard.press("Enter")
    sent = desk.until_got("supervisor.command")["payload"]["command"]
    assert sent == "on the glass and keys"
