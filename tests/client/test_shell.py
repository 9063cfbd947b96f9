"""What surrounds the conversations: notices, the way back, focus, the palette, sheets and keyboards."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.browser import axe
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server, wait_until
from tests.patience import PATIENCE

ARABIC = "مرحبا بالعالم."
# A keyboard that covers the page without shrinking it, as on an iPhone.
KEYBOARD = """
const view = new EventTarget();
Object.assign(view, { scale: 1, height: innerHeight, width: innerWidth, offsetTop: 0, offsetLeft: 0 });
Object.defineProperty(window, 'visualViewport', { get: () => view });
window.__keyboard = (height, offsetTop, change) => {
  Object.assign(view, { height: innerHeight - height, offsetTop });
  view.dispatchEvent(new Event(change));
};
"""
# The page's colour as a browser's bar would be given it.
GROUND = """() => '#' + getComputedStyle(document.body).backgroundColor.match(/\\d+/g)
  .map(part => Number(part).toString(16).padStart(2, '0')).join('')"""


def notices(app: App) -> Locator:
    return app.page.locator("[data-notice]")


def top(one: Locator) -> float:
    box = one.bounding_box()
    assert box is not None
    return box["y"]


def bottom(one: Locator) -> float:
    box = one.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


def focused(app: App) -> str:
    return str(app.page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))


def test_a_notice_is_one_per_text_above_the_composer_and_stays_on_its_screen(phone: App, desk: Desk) -> None:
    phone.enter(desk.session("claude"))
    for _ in range(2):
        phone.button("More").click()
        phone.page.get_by_role("menuitem", name="Copy path").click()
    expect(notices(phone)).to_have_text("Copied")
    wait_until(
        lambda: bottom(notices(phone)) <= top(phone.composer), PATIENCE, "the notice is above the composer"
    )
    phone.button("More").click()
    phone.page.get_by_role("menuitem", name="Load again").click(trial=True)
    phone.page.keyboard.press("Escape")
    phone.button("Back").click()
    expect(notices(phone)).to_have_count(0)


def test_a_copy_button_has_a_name_of_its_own_and_says_itself_that_it_copied(app: App) -> None:
    app.enter("supervisor")
    app.say("code")
    app.reads("make test && git commit")
    app.button(re.compile("^Copy code “def fibonacci")).click()
    expect(app.button("Copied")).to_have_text("Copied")
    expect(notices(app)).to_have_count(0)
    expect(app.button(re.compile("^Copy code “python app.py"))).to_have_count(1)
    expect(app.button("Copy message “code”")).to_have_count(1)


def test_back_goes_back_and_leaves_no_trace_in_the_history(phone: App) -> None:
    phone.home()
    before = phone.page.evaluate("history.length")
    phone.session_link(re.compile("snake-game")).click()
    phone.button("Back").click()
    expect(phone.page.get_by_role("heading", name="Sessions")).to_be_visible()
    phone.page.get_by_role("link", name="Settings").click()
    phone.button("Back").click()
    expect(phone.page.get_by_role("heading", name="Sessions")).to_be_visible()
    assert phone.page.evaluate("history.length") == before + 1


def test_what_was_opened_by_its_address_goes_back_to_the_list(phone: App) -> None:
    phone.enter("gone")
    phone.page.reload()
    expect(phone.page.get_by_text("This session has ended")).to_be_visible()
    phone.button("Sessions").click()
    expect(phone.page.get_by_role("heading", name="Sessions")).to_be_visible()


def test_the_focus_follows_into_a_session_and_back_to_its_row(phone: App) -> None:
    phone.home()
    row = phone.session_link(re.compile("snake-game"))
    row.focus()
    phone.page.keyboard.press("Enter")
    expect(phone.page.locator("#main")).to_be_focused()
    phone.button("Back").focus()
    phone.page.keyboard.press("Enter")
    expect(row).to_be_focused()


def test_the_focus_returns_when_a_question_is_closed(phone: App, desk: Desk) -> None:
    phone.enter(desk.session("claude"))
    phone.button("More").click()
    phone.page.get_by_role("menuitem", name="End session").click()
    expect(phone.page.get_by_role("dialog")).to_be_visible()
    phone.page.keyboard.press("Escape")
    expect(phone.page.get_by_role("dialog")).to_have_count(0)
    expect(phone.button("More")).to_be_focused()


def test_the_palette_finds_sessions_actions_settings_and_words(app: App, desk: Desk) -> None:
    field = app.page.get_by_role("combobox", name="Find or do something")

    def find(words: str, shown: str) -> None:
        app.page.keyboard.press("Control+k")
        expect(field).to_be_focused()
        field.fill(words)
        expect(app.page.get_by_role("option", name=re.compile(shown)).first).to_be_visible()
        app.page.keyboard.press("Enter")
        expect(field).to_have_count(0)

    app.composer.focus()
    find("snake", "snake-game")
    expect(app.page.get_by_role("heading", level=1)).to_contain_text("snake-game")
    find("theme dark", "Theme: Dark")
    expect(app.page.locator("html")).to_have_attribute("data-theme", "dark")
    find("new sess", "New session")
    expect(app.page.get_by_role("dialog", name="New session")).to_be_visible()
    app.page.keyboard.press("Escape")
    app.enter("supervisor")
    find("message 59 of 60", "message 59 of 60")
    app.reads("message 59 of 60")


def test_the_palette_is_accessible(app: App, axe_source: str) -> None:
    app.page.keyboard.press("Control+k")
    expect(app.page.get_by_role("option").first).to_be_visible()
    for scheme in ("light", "dark"):
        app.page.emulate_media(color_scheme=scheme)
        app.drawn()
        assert axe(app.page, axe_source) == []
    app.page.keyboard.press("Control+k")
    expect(app.page.get_by_role("option")).to_have_count(0)


def test_the_browsers_bar_has_the_pages_ground(app: App) -> None:
    def colours() -> list[str]:
        found = app.page.locator("meta[name=theme-color]").evaluate_all("all => all.map(one => one.content)")
        return [str(one) for one in found]

    def shown() -> str:
        return str(app.page.evaluate(GROUND))

    own = colours()
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme, colour in zip(schemes, own, strict=True):
        app.page.emulate_media(color_scheme=scheme)
        assert shown() == colour
    app.go("#/settings")
    app.page.get_by_role("radio", name="Dark").check(force=True)
    wait_until(lambda: len(set(colours())) == 1, PATIENCE, "one colour")
    app.page.get_by_role("group", name="Theme").get_by_role("radio", name="System").check(force=True)
    wait_until(lambda: colours() == own, PATIENCE, "the system's two colours")


def test_a_session_is_not_offered_while_the_workstation_is_away(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url, desk, phone=True, viewport={"width": 360, "height": 640})
    app.go("#/new")
    sheet = app.page.get_by_role("dialog", name="New session")
    expect(sheet.get_by_role("button", name="Create")).to_be_enabled()
    desk.leave()
    expect(sheet.get_by_role("button", name="Create")).to_be_disabled()
    expect(sheet.get_by_role("alert")).to_be_in_viewport()
    desk.arrive()
    expect(sheet.get_by_role("button", name="Create")).to_be_enabled()


@pytest.mark.parametrize("change", ["resize", "scroll"])
def test_sheets_and_page_stay_above_a_keyboard_that_covers(
    new_app: NewApp, server: Server, desk: Desk, change: str
) -> None:
    app = new_app(server.url, desk, phone=True, scripts=[KEYBOARD])
    app.go("#/new")
    sheet = app.page.get_by_role("dialog", name="New session")
    create = sheet.get_by_role("button", name="Create")
    expect(create).to_be_enabled()
    app.page.evaluate("change => window.__keyboard(336, 40, change)", change)
    shown = 844 - 336
    wait_until(lambda: bottom(create) <= 40 + shown, PATIENCE, "the button is above the keyboard")
    assert top(sheet) >= 40
    app.page.keyboard.press("Escape")
    app.enter("supervisor")
    expect(app.composer).to_be_visible()
    assert top(app.page.get_by_role("heading", level=1)) >= 40
    assert bottom(app.composer) <= 40 + shown


def test_every_field_stays_above_a_keyboard_that_covers(new_app: NewApp, server: Server, desk: Desk) -> None:
    tablet = {"width": 820, "height": 1180}
    app = new_app(server.url, desk, phone=True, viewport=tablet, scripts=[KEYBOARD])
    page, shown = app.page, 1180 - 500

    def in_view(field: Locator) -> None:
        field.focus()
        page.evaluate("window.__keyboard(500, 90, 'resize')")
        wait_until(lambda: 90 <= top(field) and bottom(field) <= 90 + shown, PATIENCE, "the field is in view")
        page.evaluate("window.__keyboard(0, 0, 'resize')")

    app.go("#/new")
    in_view(page.get_by_label("Worktree"))
    page.keyboard.press("Escape")
    app.go("#/pair")
    page.keyboard.press("Control+k")
    in_view(page.get_by_role("combobox"))
    page.keyboard.press("Escape")
    app.button("Enter the details by hand").click()
    in_view(page.get_by_label("Access key", exact=True))


def test_chosen_things_are_told_apart_without_colours(app: App) -> None:
    app.page.emulate_media(forced_colors="active")
    app.go("#/settings")
    knob = app.page.get_by_role("switch").first.locator("span > span")
    assert knob.evaluate("one => getComputedStyle(one).borderTopWidth") == "1px"

    def outlined(name: str) -> str:
        chosen = app.page.get_by_role("group", name="Theme").locator("label", has_text=name)
        return str(chosen.evaluate("one => getComputedStyle(one).outlineStyle"))

    assert [outlined(name) for name in ("System", "Light")] == ["solid", "none"]
    app.page.emulate_media(forced_colors="none", contrast="more")
    muted = app.page.get_by_role("heading", name="Appearance")
    assert muted.evaluate("one => getComputedStyle(one).color") == "rgb(63, 59, 53)"


def test_each_text_is_set_in_its_own_direction(app: App, desk: Desk) -> None:
    desk.has_said(
        desk.session("claude"), [ARABIC, f"{ARABIC}\n\n- {ARABIC}\n\n| {ARABIC} | B |\n|-|-|\n| x | y |"]
    )
    app.enter(desk.session("claude"))
    app.reads(ARABIC)
    for part in ("p", "li", "table"):
        found = app.log.locator(f"article {part}").first
        assert found.evaluate("one => getComputedStyle(one).direction") == "rtl", part
    app.composer.fill(ARABIC)
    assert app.composer.evaluate("one => getComputedStyle(one).direction") == "rtl"


def test_two_tables_and_many_answers_are_told_apart(app: App, axe_source: str) -> None:
    app.enter("supervisor")
    for _ in range(2):
        app.say("table")
        expect(app.button("Stop")).to_have_count(0)
    expect(app.log.get_by_role("table")).to_have_count(2)
    assert axe(app.page, axe_source) == []
    expect(app.log.get_by_role("article", name="Supervisor").first).to_be_visible()
