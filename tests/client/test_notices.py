"""A notice covers nothing that is open, and an error stands where one looks."""

from __future__ import annotations

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server, wait_until
from tests.patience import PATIENCE

SMALL = {"width": 360, "height": 640}
LARGE = {"width": 1440, "height": 900}


def box(one: Locator) -> FloatRect:
    found = one.bounding_box()
    assert found is not None
    return found


def apart(one: Locator, other: Locator) -> bool:
    a, b = box(one), box(other)
    beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
    return beside or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]


def noticed(app: App) -> Locator:
    """A notice that stays for some seconds."""
    app.button("More").click()
    app.page.get_by_role("menuitem", name="Copy path").click()
    notice = app.page.locator("[data-notice]")
    expect(notice).to_be_visible()
    return notice


@pytest.mark.parametrize("viewport", [SMALL, LARGE])
def test_a_notice_stands_beside_the_sheet_that_is_open(
    new_app: NewApp, server: Server, desk: Desk, viewport: dict[str, int]
) -> None:
    app = new_app(server.url, desk, phone=True, viewport=viewport)
    app.enter(desk.session("claude"))
    notice = noticed(app)
    app.page.keyboard.press("Control+k")
    palette = app.page.get_by_role("dialog")
    expect(palette.get_by_role("option").first).to_be_visible()
    wait_until(lambda: apart(notice, palette), PATIENCE, "the notice is beside the palette")


def test_a_notice_leaves_the_offer_to_quote_in_reach(phone: App, desk: Desk) -> None:
    phone.enter(desk.session("claude"))
    phone.reads("(message 60 of 60)")
    notice = noticed(phone)
    phone.log.get_by_role("article").last.evaluate("words => getSelection().selectAllChildren(words)")
    quote = phone.button("Quote")
    expect(quote).to_be_visible()
    wait_until(lambda: apart(notice, quote), PATIENCE, "the notice is beside the button")


def test_what_is_wrong_with_a_field_is_scrolled_to(new_app: NewApp, server: Server) -> None:
    app = new_app(server.url, phone=True, viewport={"width": 640, "height": 280})
    app.button("Enter the details by hand").click()
    app.page.get_by_label("Server address").fill("")
    app.page.get_by_label("Tunnel id").fill("t")
    pair = app.button("Pair")
    pair.scroll_into_view_if_needed()
    pair.click()
    expect(app.page.get_by_role("alert")).to_be_in_viewport(ratio=1)


def test_a_conversation_opened_by_its_address_says_why_it_cannot_come(phone: App, desk: Desk) -> None:
    desk.leave()
    phone.until_phase("workstation_offline")
    phone.page.evaluate("localStorage.removeItem('tiflis.sessions.ws-1')")
    phone.go("#/s/somewhere")
    phone.reload()
    expect(phone.page.get_by_role("status").filter(has_text="Workstation offline").last).to_be_visible()
    desk.arrive()
    expect(phone.page.get_by_text("This session has ended")).to_be_visible()


def test_what_could_not_be_loaded_again_is_said_where_one_is(app: App, desk: Desk) -> None:
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    desk.leave()
    app.until_phase("workstation_offline")
    app.button("More").click()
    app.page.get_by_role("menuitem", name="Load again").click()
    expect(app.page.locator("[data-notice=error]")).to_contain_text("There is no connection")


def test_the_details_of_many_workstations_can_be_scrolled(phone: App) -> None:
    phone.page.set_viewport_size({"width": 360, "height": 400})
    phone.phase.click()
    details = phone.page.get_by_role("group", name="Connection details")
    expect(details).to_be_visible()
    bottom = box(details)["y"] + box(details)["height"]
    assert bottom <= 400, "what is below the edge cannot be reached"
    expect(details).to_have_css("overflow-y", "auto")
