"""The list beside the conversation, at a desk: its width, and folding it away."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.browser import axe
from tests.client.desk import Desk
from tests.patience import wait_until


def list_of(app: App) -> Locator:
    return app.page.get_by_role("navigation", name="Sessions")


def width_is(app: App, wanted: float) -> None:
    def close() -> bool:
        box = list_of(app).bounding_box()
        return box is not None and abs(box["width"] - wanted) < 2

    wait_until(close, 10, f"the list is {wanted} px wide")


def test_the_list_is_resized_by_keys_and_by_dragging_and_stays_so(app: App) -> None:
    line = app.page.get_by_role("separator", name="Width of the list")
    width_is(app, 304)
    line.press("ArrowRight")
    width_is(app, 320)
    expect(line).to_have_attribute("aria-valuenow", "320")
    app.page.mouse.move(319.5, 300)
    app.page.mouse.down()
    app.page.mouse.move(400, 300, steps=4)
    width_is(app, 400)
    app.page.mouse.up()
    app.page.reload()
    width_is(app, 400)
    line.press("Home")
    width_is(app, 224)


def test_the_list_folds_away_and_comes_back(app: App, desk: Desk, axe_source: str) -> None:
    expect(app.composer).to_be_focused()  # as soon as it is there
    app.button("Hide the list").press("Enter")
    expect(list_of(app)).to_have_count(0)
    expect(app.page.locator("#main")).to_be_focused()
    app.page.reload()
    expect(app.composer).to_be_visible()
    expect(list_of(app)).to_have_count(0)
    assert axe(app.page, axe_source) == []
    app.button("Show the list").press("Enter")
    expect(app.page.get_by_role("separator", name="Width of the list")).to_be_focused()
    assert axe(app.page, axe_source) == []
    app.page.keyboard.press("Alt+b")
    expect(list_of(app)).to_have_count(0)
