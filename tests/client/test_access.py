"""Every screen for everybody: axe in light and dark, sizes of what is touched, the keyboard; and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.client.app import App
from tests.client.browser import CHROMIUM, axe
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.tour import tour
from tests.harness import Server

BROWSER = CHROMIUM

COLOUR_RULES = ("color-contrast", "link-in-text-block")
TARGET = 44
# What may be smaller: text links in a sentence, and on a desk what a mouse points at.
TOO_SMALL = """
(least) => [...document.querySelectorAll('button, a[href], input, select, textarea, [role=button]')]
  .filter((one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
  .filter((one) => !one.closest('p, .prose-chat li, td, .xterm, .sr-only'))
  .filter((one) => !one.matches('.sr-only, [type=checkbox]'))
  .map((one) => [one, one.getBoundingClientRect()])
  .filter(([one, box]) => box.width > 0 && Math.min(box.width, box.height) < least - 0.5)
  .filter(([one]) => {
    const before = getComputedStyle(one, '::before');
    return !(before.content !== 'none' && before.position === 'absolute');
  })
  .map(([one, box]) => `${one.outerHTML.slice(0, 120)}: ${box.width}x${box.height}`)
"""


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_every_screen_is_accessible_in_light_and_dark(
    new_app: NewApp, server: Server, desk: Desk, axe_source: str, pictures: Path | None, phone: bool
) -> None:
    app = new_app(server.url, phone=phone, color_scheme="light")
    wrong: list[str] = []

    def picture(name: str) -> None:
        if pictures:
            app.page.screenshot(path=pictures / f"{name}.png")

    def look(screen: str) -> None:
        form = f"{screen}-{'phone' if phone else 'desk'}"
        wrong.extend(f"{form}: {one}" for one in axe(app.page, axe_source))
        picture(f"{form}-light")
        # Only the colours are others in the dark.
        app.page.emulate_media(color_scheme="dark")
        app.drawn()
        wrong.extend(f"{form} dark: {one}" for one in axe(app.page, axe_source, COLOUR_RULES))
        picture(f"{form}-dark")
        app.page.emulate_media(color_scheme="light")
        if phone:
            small = app.page.evaluate(TOO_SMALL, TARGET)
            wrong.extend(f"{form}: too small to touch: {one}" for one in small)

    tour(app, desk, look)
    assert not wrong, "\n".join(wrong)


def test_everything_is_reached_by_keyboard(app: App, desk: Desk) -> None:
    page = app.page
    page.keyboard.press("Alt+s")
    expect(app.composer).to_be_focused()
    page.keyboard.type("table")
    page.keyboard.press("Enter")
    app.reads("TCP keep-alive")
    page.keyboard.press("Alt+ArrowDown")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Supervisor")
    page.keyboard.press("Alt+n")
    expect(page.get_by_role("dialog", name="New session")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Alt+Comma")
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    page.keyboard.press("Alt+Slash")
    help_sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(help_sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(help_sheet).to_have_count(0)


def test_the_page_can_be_zoomed(app: App) -> None:
    viewport = app.page.locator("meta[name=viewport]").get_attribute("content") or ""
    assert "user-scalable" not in viewport
    assert "maximum-scale" not in viewport


def test_nothing_sticks_out_of_a_narrow_window(new_app: NewApp, server: Server, desk: Desk) -> None:
    """As with 400 % zoom on a small laptop."""
    app = new_app(server.url, desk, viewport={"width": 320, "height": 400})
    for place in (
        "#/",
        "#/s/supervisor",
        "#/settings",
        "#/devices",
        "#/pair",
        f"#/s/{desk.session('terminal')}",
    ):
        app.go(place)
        app.drawn()
        wide = app.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 320, f"{place} is {wide} px wide"
