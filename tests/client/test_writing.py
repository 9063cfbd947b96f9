"""Writing a message: letters of every keyboard, input methods, double presses, the height of the field."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.test_following import FROM_THE_END, PIXELS
from tests.harness import Server

# Enter as Safari reports the one that ends a composition.
ENDS_A_COMPOSITION = {"key": "Enter", "code": "Enter", "keyCode": 229, "bubbles": True, "cancelable": True}


def press_alone(field: Locator, **init: object) -> bool:
    """Press a key that this machine's keyboard lacks; True when no handler of the page took it."""
    return bool(
        field.evaluate(
            "(field, init) => field.dispatchEvent(new KeyboardEvent('keydown', init))",
            {"bubbles": True, "cancelable": True, **init},
        )
    )


def test_writing_several_lines_does_not_stop_the_following(app: App, desk: Desk) -> None:
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    app.composer.focus()
    for key in ("a", "Shift+Enter", "x", "y", "Shift+Enter", "z"):
        app.page.keyboard.press(key)
        app.drawn()
        assert app.log.evaluate(FROM_THE_END) <= PIXELS
    app.composer.fill("")
    app.drawn()
    expect(app.button(re.compile("Jump to latest|New messages"))).to_have_count(0)
    assert app.log.evaluate(FROM_THE_END) <= PIXELS


def test_sizes_that_change_are_not_the_reader_scrolling(app: App, desk: Desk) -> None:
    """The list shrinks and grows, as above a keyboard that comes and goes."""
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    for space in ("300px", "0px", "120px"):
        app.page.evaluate("space => { document.querySelector('#main').style.paddingBottom = space }", space)
        app.drawn()
    # Gone and back before anything is drawn: the browser has moved the list all the same.
    app.page.evaluate(
        """() => {
          const main = document.querySelector('#main');
          for (const space of ['0px', '120px']) {
            main.style.paddingBottom = space;
            document.querySelector('[role=log]').scrollTop += 0;
          }
        }"""
    )
    app.drawn()
    assert app.log.evaluate(FROM_THE_END) <= PIXELS
    expect(app.button("Jump to latest")).to_have_count(0)


@pytest.mark.parametrize("by", ["wheel", "key", "finger"])
def test_the_reader_leaves_the_end_by_wheel_key_and_finger(
    new_app: NewApp, server: Server, desk: Desk, by: str
) -> None:
    app = new_app(server.url, desk, phone=by == "finger")
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    if by == "wheel":
        app.page.mouse.move(800, 300)
        app.page.mouse.wheel(0, -300)
    elif by == "key":
        app.log.focus()
        app.page.keyboard.press("PageUp")
    else:
        drag_down(app)
    expect(app.button("Jump to latest")).to_be_visible()


def drag_down(app: App) -> None:
    finger = app.visitor.context.new_cdp_session(app.page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": 200, "y": 300}]})
    for step in range(1, 12):
        points = [{"x": 200, "y": 300 + step * 20}]
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_the_field_is_as_tall_as_its_text_and_no_taller(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    height = "field => Math.round(field.getBoundingClientRect().height)"
    one = app.composer.evaluate(height)
    app.composer.fill("one\ntwo\nthree")
    assert app.composer.evaluate(height) == one + 48
    app.composer.fill("line\n" * 20)
    assert app.composer.evaluate(height) == 200


def test_a_long_name_leaves_the_empty_field_one_line_high(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    height = "field => Math.round(field.getBoundingClientRect().height)"
    one = app.composer.evaluate(height)
    app.composer.evaluate("field => { field.placeholder = 'Message ' + 'a long project name '.repeat(12) }")
    for words in ("x", ""):
        app.composer.fill(words)
        app.drawn()
    assert app.composer.evaluate(height) == one


def test_the_enter_that_ends_a_composition_sends_nothing(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.composer.fill("にほん")
    press_alone(app.composer, **ENDS_A_COMPOSITION)
    press_alone(app.composer, key="Enter", code="Enter", keyCode=13, isComposing=True)
    expect(app.composer).to_have_value("にほん")
    app.composer.press("Enter")
    desk.until_got("supervisor.command")
    assert len(desk.got("supervisor.command")) == 1


def test_a_composition_in_the_pairing_field_does_not_pair(new_app: NewApp, server: Server) -> None:
    app = new_app(server.url)
    field = app.page.get_by_role("textbox").first
    field.fill("no link")
    press_alone(field, **ENDS_A_COMPOSITION)
    press_alone(field, key="Enter", keyCode=13, isComposing=True)
    app.drawn()
    expect(app.page.get_by_role("alert")).to_have_count(0)


def test_a_composition_in_the_search_moves_and_closes_nothing(app: App, desk: Desk) -> None:
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    app.button("Search in this conversation").click()
    field = app.page.get_by_role("searchbox", name="Search in this conversation")
    field.fill("of 60)")
    bar = app.page.get_by_role("search")
    expect(bar).to_contain_text(re.compile(r"(\d+) of \1"))
    press_alone(field, **ENDS_A_COMPOSITION)
    press_alone(field, key="Escape", keyCode=229)
    app.drawn()
    expect(bar).to_contain_text(re.compile(r"(\d+) of \1"))


def test_a_composition_in_a_sheet_does_not_close_it(app: App) -> None:
    app.go("#/settings")
    app.page.get_by_role("button", name=re.compile(": Workstations$")).click()
    app.page.get_by_role("menuitem", name="Rename").click()
    field = app.page.get_by_role("dialog").get_by_role("textbox")
    assert not press_alone(field, **ENDS_A_COMPOSITION), "its default would submit the form"
    press_alone(field, key="Escape", keyCode=229)
    expect(field).to_be_visible()


@pytest.mark.parametrize(
    ("key", "code"), [("ł", "KeyL"), ("ń", "KeyN"), ("ś", "KeyS"), ("Dead", "KeyN"), ("≤", "Comma")]
)
def test_letters_made_with_option_are_letters(app: App, key: str, code: str) -> None:
    app.enter("supervisor")
    app.composer.fill("draft")
    assert press_alone(app.composer, key=key, code=code, altKey=True)
    app.drawn()
    assert app.page.url.endswith("#/s/supervisor")


def test_alt_with_a_plain_letter_is_a_shortcut_in_the_field_too(app: App) -> None:
    app.enter("supervisor")
    app.composer.focus()
    app.page.keyboard.press("Alt+n")
    expect(app.page.get_by_role("dialog")).to_be_visible()


def test_a_shortcut_that_is_held_down_runs_once(app: App) -> None:
    app.enter("supervisor")
    app.composer.focus()
    app.page.keyboard.down("Alt")
    for _ in range(4):
        app.page.keyboard.down("b")
    app.page.keyboard.up("b")
    app.page.keyboard.up("Alt")
    app.drawn()
    expect(app.button("Show the list")).to_be_visible()


def double_press(app: App, button: Locator) -> None:
    box = button.bounding_box()
    assert box is not None
    app.page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, delay=30)


def test_a_double_press_on_send_does_not_record(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.composer.fill("hello")
    double_press(app, app.button("Send"))
    desk.until_got("supervisor.command")
    app.drawn()
    expect(app.page.get_by_role("timer")).to_have_count(0)
    expect(app.button("Record a voice message")).to_be_visible()


def test_a_double_tap_on_send_does_not_record(phone: App, desk: Desk) -> None:
    phone.enter("supervisor")
    phone.composer.fill("hello")
    box = phone.button("Send").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    phone.page.touchscreen.tap(x, y)
    phone.page.touchscreen.tap(x, y)
    desk.until_got("supervisor.command")
    phone.drawn()
    expect(phone.page.get_by_role("timer")).to_have_count(0)


def test_a_double_press_on_delete_deletes_one_message(
    new_app: NewApp, server: Server, calm_desk: Desk
) -> None:
    app = new_app(server.url, calm_desk)
    app.say_while_it_works("first", "second", "third")
    queued = app.page.get_by_test_id("queued")
    expect(queued).to_have_count(3)
    # The list stands on the composer: the row above comes down under the pointer.
    double_press(app, queued.nth(1).get_by_role("button", name="Delete"))
    app.drawn()
    expect(queued).to_have_count(2)


def test_pressing_on_and_on_at_one_place_gets_through(app: App) -> None:
    """Only the presses of half a second are taken for a double press, however many there are."""
    app.page.evaluate(
        """() => {
          const shell = document.createElement('div');
          shell.style = 'position: fixed; inset: 0; z-index: 99';
          let presses = 0;
          const next = () => {
            const button = document.createElement('button');
            button.style = 'width: 100px; height: 100px';
            button.onclick = () => { shell.dataset.presses = ++presses; next(); };
            shell.replaceChildren(button);
          };
          shell.id = 'presses';
          document.body.append(shell);
          next();
        }"""
    )
    shell = app.page.locator("#presses")
    for _ in range(100):
        app.page.mouse.click(50, 50)
        if shell.get_attribute("data-presses") == "3":
            return
    raise AssertionError(f"only {shell.get_attribute('data-presses')} presses came through")
