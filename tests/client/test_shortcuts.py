"""Shortcuts do what the help says on every keyboard, and leave alone what is not theirs."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.client.app import App

# As the browser reports a key; tells whether the page has taken it from the browser.
PRESS = """(key) => !(document.activeElement ?? document.body).dispatchEvent(
  new KeyboardEvent('keydown', { altKey: true, bubbles: true, cancelable: true, ...key }))"""


def press(app: App, key: str, code: str) -> bool:
    return bool(app.page.evaluate(PRESS, {"key": key, "code": code}))


def palette(app: App) -> Locator:
    return app.page.get_by_role("combobox", name="Find or do something")


def place(app: App) -> str:
    return str(app.page.evaluate("location.hash"))


def test_a_shortcut_goes_by_its_letter_on_every_layout(app: App) -> None:
    app.enter("supervisor")
    expect(app.composer).to_be_focused()
    assert press(app, ",", "KeyM"), "the comma of a French keyboard"
    expect(app.page.get_by_role("heading", name="Settings")).to_be_visible()
    assert press(app, "s", "Semicolon"), "the S of a Dvorak keyboard"
    assert place(app) == "#/s/supervisor"
    expect(app.composer).to_be_focused()
    assert press(app, "o", "KeyS") is False, "the O of a Dvorak keyboard stands where S does elsewhere"


def test_lists_and_pickers_keep_their_keys(app: App) -> None:
    app.go("#/settings")
    app.page.get_by_label("Language").focus()
    assert press(app, "ArrowDown", "ArrowDown") is False
    assert place(app) == "#/settings"
    app.page.get_by_role("radio", name="Light").focus()
    app.page.keyboard.press("?")
    expect(app.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_the_search_shortcut_searches_everywhere_where_there_is_no_conversation(app: App) -> None:
    app.go("#/settings")
    expect(app.page.get_by_role("heading", name="Settings")).to_be_visible()
    app.page.keyboard.press("Alt+f")
    expect(palette(app)).to_be_focused()


def test_the_palette_opens_on_the_pairing_page_and_never_later(app: App) -> None:
    app.go("#/pair")
    expect(app.page.get_by_role("heading", name="Pair a workstation")).to_be_visible()
    app.page.keyboard.press("Control+k")
    expect(palette(app)).to_be_focused()
    app.page.keyboard.press("Escape")
    expect(palette(app)).to_have_count(0)


def test_a_phone_folds_no_list_away(phone: App) -> None:
    phone.home()
    phone.page.keyboard.press("Alt+b")
    phone.page.set_viewport_size({"width": 1280, "height": 800})
    expect(phone.page.get_by_role("navigation", name="Sessions")).to_be_visible()


def test_the_help_has_the_keys_of_the_settings(app: App) -> None:
    app.go("#/settings")
    app.page.get_by_role("radio", name="Ctrl + Enter").check(force=True)
    app.page.keyboard.press("Alt+Slash")
    lines = app.page.get_by_role("dialog").locator("dl > div")
    send = lines.filter(has=app.page.get_by_text("Send", exact=True))
    expect(send.locator("kbd")).to_have_text(["Ctrl", "Enter"])
