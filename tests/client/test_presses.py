"""A press reaches only what it began on, whatever comes under it meanwhile."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.test_replies import offered, replies
from tests.harness import Server


def test_a_finger_on_a_row_opens_no_other_row(phone: App, desk: Desk) -> None:
    """The list follows what happens: rows change their places, also under a finger."""
    phone.home()
    rows = phone.page.get_by_role("region", name="Agents").get_by_role("link")
    expect(rows.nth(1)).to_be_visible()
    phone.settled()
    box = rows.first.bounding_box()
    assert box is not None
    second = (rows.nth(1).get_attribute("href") or "").removeprefix("#/s/")
    touch = phone.page.context.new_cdp_session(phone.page)
    at = {"x": box["x"] + 100, "y": box["y"] + box["height"] / 2}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    said = {"content": "news", "timestamp": "2030-01-01T00:00:00.000Z", "from_device_id": "other"}
    desk.tell_all({"type": "session.user_message", "session_id": second, "payload": said})
    expect(rows.first).to_have_attribute("href", f"#/s/{second}")
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    phone.drawn()
    expect(rows.first).to_be_visible()
    rows.first.tap()
    expect(phone.composer).to_be_visible()


def test_a_double_tap_does_not_close_the_question_it_opened(phone: App, desk: Desk) -> None:
    phone.enter("supervisor")
    offered(phone)
    phone.say("think")
    phone.reads("with a bounded queue")
    expect(phone.button("Stop")).to_have_count(0)
    forget = replies(phone).get_by_role("button", name="Forget it")
    forget.scroll_into_view_if_needed()
    phone.drawn()
    box = forget.bounding_box()
    assert box is not None
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    phone.page.touchscreen.tap(*at)
    phone.page.touchscreen.tap(*at)
    phone.drawn()
    expect(phone.page.get_by_role("dialog", name="Say this now?")).to_be_visible()


def test_enter_that_is_held_down_goes_on_nowhere_else(app: App, desk: Desk) -> None:
    """The palette closes at the first Enter, and the field below gets the rest of them."""
    app.enter("supervisor")
    app.composer.fill("not yet")
    app.page.keyboard.press("Control+k")
    app.page.get_by_role("combobox").fill("dark")
    expect(app.page.get_by_role("option", name=re.compile("Dark"))).to_be_visible()
    app.page.keyboard.down("Enter")
    expect(app.composer).to_be_focused()
    app.page.keyboard.down("Enter")
    app.page.keyboard.up("Enter")
    expect(app.composer).to_have_value("not yet")
    assert desk.got("supervisor.command") == []


def test_a_double_press_is_one_press_where_the_button_becomes_another(app: App) -> None:
    """The same element says something else after the first half, or gives way to a field."""
    app.page.evaluate(
        """() => {
          const button = document.createElement('button');
          button.style = 'position: fixed; inset: 0 auto auto 0; width: 100px; height: 100px; z-index: 99';
          button.textContent = 'New code';
          button.onclick = () => { button.textContent = 'Close'; button.dataset.presses = ++presses; };
          let presses = 0;
          button.id = 'becomes';
          document.body.append(button);
        }"""
    )
    app.page.mouse.dblclick(50, 50)
    expect(app.page.locator("#becomes")).to_have_attribute("data-presses", "1")


def test_a_double_tap_on_stop_opens_no_keyboard(new_app: NewApp, server: Server, calm_desk: Desk) -> None:
    phone = new_app(server.url, calm_desk, phone=True)
    phone.enter("supervisor")
    phone.say("long")
    phone.reads("On tunnels")
    box = phone.button("Stop").bounding_box()
    assert box is not None
    phone.page.evaluate("document.activeElement.blur()")
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    phone.page.touchscreen.tap(*at)
    expect(phone.button("Stop")).to_have_count(0)
    phone.page.touchscreen.tap(*at)
    phone.drawn()
    expect(phone.composer).not_to_be_focused()


def test_a_double_press_of_a_key_deletes_one_message(
    new_app: NewApp, server: Server, calm_desk: Desk
) -> None:
    app = new_app(server.url, calm_desk)
    app.say_while_it_works("first", "second")
    queued = app.page.get_by_test_id("queued")
    expect(queued).to_have_count(2)
    queued.first.get_by_role("button", name="Delete").focus()
    # Both in the page's own time: the second while the neighbour has just got the focus.
    app.page.evaluate(
        """async () => {
          for (let press = 0; press < 2; press += 1) {
            const key = { key: 'Enter', bubbles: true, cancelable: true };
            const button = document.activeElement;
            if (button.dispatchEvent(new KeyboardEvent('keydown', key))) button.click();
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          }
        }"""
    )
    expect(queued).to_have_count(1)
