"""Keys of a terminal: the row, hardware keyboards on touch, pastes and drops, pinching, the way down."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.test_terminal import DEADLINE, enter_line, font_size, line_of
from tests.client.test_writing import press_alone
from tests.harness import Server, wait_until

HOSTILE = "one\x1b[201~\x9b201~\x03\ttwo"
CLEAN = "one\ttwo"


def typed(desk: Desk) -> str:
    """All that reached the terminal."""
    return "".join(one["payload"]["data"] for one in desk.got("session.input"))


def until_typed(desk: Desk, data: str) -> None:
    wait_until(lambda: typed(desk) == data, DEADLINE, f"{data!r} is typed, not {typed(desk)!r}")


def bring(target: Locator, how: str, text: str) -> None:
    """Paste or drop, as the browser itself reports it."""
    target.evaluate(
        """(target, [how, text]) => {
          const data = new DataTransfer();
          data.setData('text/plain', text);
          const init = { bubbles: true, cancelable: true };
          target.dispatchEvent(
            how === 'paste'
              ? new ClipboardEvent('paste', { ...init, clipboardData: data })
              : new DragEvent('drop', { ...init, dataTransfer: data }));
        }""",
        [how, text],
    )


def test_ctrl_applies_to_the_letter_wherever_it_is_typed(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    line_of(phone).fill("abc")
    phone.button("Ctrl").click()
    line_of(phone).press("Home")
    line_of(phone).press_sequentially("x")
    until_typed(desk, "\x18")
    expect(line_of(phone)).to_have_value("abc")
    phone.button("Alt").click()
    line_of(phone).press_sequentially("b")
    until_typed(desk, "\x18\x1bb")


def test_ctrl_applies_once_to_a_composed_letter(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    line_of(phone).focus()
    phone.button("Ctrl").click()
    keyboard = phone.visitor.context.new_cdp_session(phone.page)
    keyboard.send("Input.imeSetComposition", {"text": "c", "selectionStart": 1, "selectionEnd": 1})
    keyboard.send("Input.insertText", {"text": "c"})
    until_typed(desk, "\x03")
    line_of(phone).press("l")
    expect(line_of(phone)).to_have_value("l")


def test_a_hardware_keyboard_works_on_a_touch_device(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    line_of(phone).focus()
    keys = ("ArrowUp", "Control+c", "Escape", "Tab", "Shift+Tab", "ArrowLeft", "Delete", "F5", "Alt+b")
    for key in keys:
        phone.page.keyboard.press(key)
    until_typed(desk, "\x1b[A\x03\x1b\t\x1b[Z\x1b[D\x1b[3~\x1b[15~\x1bb")
    expect(line_of(phone)).to_be_focused()


def test_keys_take_the_line_along_and_ctrl_c_gives_it_up(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    line_of(phone).fill("ca")
    phone.page.keyboard.press("Tab")
    line_of(phone).fill("wrong")
    phone.page.keyboard.press("Control+c")
    until_typed(desk, "ca\t\x03")
    expect(line_of(phone)).to_have_value("")


def test_a_hardware_keyboard_needs_no_tap_first(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    phone.page.evaluate("document.activeElement.blur()")
    phone.page.keyboard.press("ArrowUp")
    phone.page.keyboard.type("ls")
    phone.page.keyboard.press("Enter")
    until_typed(desk, "\x1b[Als\r")


def test_several_pasted_lines_stay_several_lines(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    line_of(phone).fill("cat ")
    bring(line_of(phone), "paste", "<<END\none\ntwo\nEND\n")
    until_typed(desk, "cat <<END\rone\rtwo\rEND\r")
    expect(line_of(phone)).to_have_value("")


def test_what_comes_in_from_outside_is_clean(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    bring(line_of(phone), "paste", HOSTILE)
    bring(line_of(phone), "drop", HOSTILE)
    expect(line_of(phone)).to_have_value(CLEAN * 2)
    line_of(phone).fill("")
    bring(phone.page.locator(".terminal-host"), "drop", f"{HOSTILE}\n")
    phone.page.evaluate("text => navigator.clipboard.writeText(text)", HOSTILE)
    phone.button("Paste").click()
    until_typed(desk, f"{CLEAN}\r{CLEAN}")


def test_what_is_pasted_at_a_desk_is_clean_and_stays_in_its_brackets(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    bring(app.page.locator(".xterm-helper-textarea"), "paste", f"{HOSTILE}\r\n")
    until_typed(desk, f"{CLEAN}\r")
    desk.forget_what_it_got()
    desk.print("\x1b[?2004hbracketed")
    expect(app.screen).to_contain_text("bracketed")
    bring(app.page.locator(".xterm-helper-textarea"), "paste", HOSTILE)
    bring(app.page.locator(".terminal-host"), "drop", HOSTILE)
    until_typed(desk, f"\x1b[200~{CLEAN}\x1b[201~" * 2)


def test_letters_made_with_option_are_letters_in_a_terminal_too(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    mac = "Object.defineProperty(navigator, 'platform', { get: () => 'MacIntel' })"
    app = new_app(server.url, desk, scripts=[mac])
    app.enter_terminal(desk)
    field = app.page.locator(".xterm-helper-textarea")
    assert press_alone(field, key="|", code="Digit7", keyCode=55, altKey=True), "it was taken for Esc 7"


def test_the_row_has_the_keys_that_agents_ask_for(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    for name in ("Shift+Tab", "Ctrl+C", "Esc twice"):
        phone.button(name).click()
    until_typed(desk, "\x1b[Z\x03\x1b\x1b")
    line_of(phone).fill("ls ")
    for name in ("Pipe", "Slash", "Tilde", "Dash", "Backtick"):
        phone.button(name).click()
    expect(line_of(phone)).to_have_value("ls |/~-`")


def test_a_modifier_holds_for_one_key_or_until_the_next_tap(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    ctrl = phone.button("Ctrl")
    ctrl.dblclick()
    line_of(phone).press_sequentially("ab")
    expect(ctrl).to_have_attribute("aria-pressed", "true")
    ctrl.click()
    expect(ctrl).to_have_attribute("aria-pressed", "false")
    ctrl.click()
    line_of(phone).press_sequentially("c")
    expect(ctrl).to_have_attribute("aria-pressed", "false")
    until_typed(desk, "\x01\x02\x03")


def test_two_keys_pressed_fast_beside_each_other_both_count(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    left, right = phone.button("Esc").bounding_box(), phone.button("Tab").bounding_box()
    assert left is not None
    assert right is not None
    y = left["y"] + left["height"] / 2
    phone.page.touchscreen.tap(left["x"] + left["width"] - 3, y)
    phone.page.touchscreen.tap(right["x"] + 3, y)
    until_typed(desk, "\x1b\t")


def test_a_held_arrow_repeats_until_it_is_let_go(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    phone.button("Arrow up").hover()
    phone.page.mouse.down()
    wait_until(lambda: typed(desk).count("\x1b[A") >= 3, DEADLINE, "the arrow repeats")
    phone.page.mouse.up()
    phone.button("Esc").click()
    wait_until(lambda: typed(desk).endswith("\x1b"), DEADLINE, "another key")
    assert typed(desk).endswith("\x1b[A\x1b"), "letting go is not one more press"


def test_the_keys_keep_the_order_they_are_given(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    phone.button("Order of the keys").click()
    sheet = phone.page.get_by_role("dialog")
    sheet.get_by_role("button", name="Tab", exact=True).click()
    sheet.get_by_role("button", name="Earlier").click()
    sheet.get_by_role("button", name="Close").last.click()
    phone.page.reload()
    expect(phone.screen).to_contain_text("$")
    keys = phone.page.get_by_role("toolbar", name="Terminal keys").get_by_role("button")
    expect(keys.nth(0)).to_have_accessible_name("Tab")
    expect(keys.nth(1)).to_have_accessible_name("Esc")


def test_paste_stands_beside_ctrl_and_in_view(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    keys = phone.page.get_by_role("toolbar", name="Terminal keys").get_by_role("button")
    names = [key.get_attribute("aria-label") for key in keys.all()]
    assert names.index("Paste") == names.index("Ctrl") + 1
    expect(phone.button("Paste")).to_be_in_viewport(ratio=1)


def test_a_desk_shows_the_row_when_asked_and_remembers_it(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    row = app.page.get_by_role("toolbar", name="Terminal keys")
    expect(row).to_have_count(0)
    app.button("Row of keys").click()
    expect(row).to_be_visible()
    app.page.reload()
    expect(row).to_be_visible()
    app.button("Shift+Tab").click()
    until_typed(desk, "\x1b[Z")


def test_two_fingers_change_the_font(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    before = font_size(phone)
    fingers = phone.visitor.context.new_cdp_session(phone.page)

    def touch(kind: str, apart: int) -> None:
        points = [{"x": 195 - apart, "y": 300, "id": 0}, {"x": 195 + apart, "y": 300, "id": 1}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points if apart else []})

    touch("touchStart", 120)
    for apart in (110, 100, 80, 60):
        touch("touchMove", apart)
    touch("touchEnd", 0)
    wait_until(lambda: font_size(phone) < before, DEADLINE, "a smaller font")


def test_a_pill_leads_back_to_the_bottom(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    desk.print("".join(f"line {number}\r\n" for number in range(1, 201)))
    expect(phone.screen).to_contain_text("line 200")
    pill = phone.button("To the bottom")
    expect(pill).to_have_count(0)
    phone.page.mouse.move(195, 300)
    phone.page.locator(".terminal-host").hover()
    phone.page.mouse.wheel(0, -800)
    expect(phone.screen).not_to_contain_text("line 200")
    pill.click()
    expect(phone.screen).to_contain_text("line 200")
    expect(pill).to_have_count(0)


def test_the_header_gives_way_to_a_keyboard(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    heading = phone.page.get_by_role("heading", level=1)
    expect(heading).to_be_visible()
    line_of(phone).focus()
    phone.page.set_viewport_size({"width": 390, "height": 420})
    expect(heading).to_be_hidden()
    phone.page.set_viewport_size({"width": 390, "height": 844})
    expect(heading).to_be_visible()
    enter_line(phone, "echo still here")
    expect(phone.screen).to_contain_text(re.compile("echo still here"))


def test_a_snippet_is_kept_and_sent_with_two_taps(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    phone.button("Snippets").click()
    sheet = phone.page.get_by_role("dialog", name="Snippets")
    sheet.get_by_role("textbox", name="New snippet").fill("git status\x9b")
    sheet.get_by_role("button", name="Add").click()
    phone.page.keyboard.press("Escape")
    phone.reload()
    expect(phone.screen).to_contain_text("$")
    desk.forget_what_it_got()
    phone.button("Snippets").click()
    sheet.get_by_role("button", name=re.compile("^git status")).click()
    until_typed(desk, "git status\r")
    phone.button("Snippets").click()
    sheet.get_by_role("button", name=re.compile("^Delete")).click()
    expect(sheet.get_by_text("No snippets yet")).to_be_visible()


def test_a_snippet_of_several_lines_stays_one_of_several_lines(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    phone.button("Snippets").click()
    sheet = phone.page.get_by_role("dialog", name="Snippets")
    field = sheet.get_by_role("textbox", name="New snippet")
    field.evaluate("field => (field.focus(), document.execCommand('insertText', false, 'cat <<E\\none\\nE'))")
    field.press("Enter")
    sheet.get_by_role("button", name=re.compile("^cat")).click()
    until_typed(desk, "cat <<E\rone\rE\r")


def test_ctrl_of_the_row_applies_to_keys_of_a_hardware_keyboard(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    app.button("Row of keys").click()
    app.button("Ctrl").click()
    app.page.keyboard.press("ArrowLeft")
    until_typed(desk, "\x1b[1;5D")
    expect(app.button("Ctrl")).to_have_attribute("aria-pressed", "false")


def test_the_search_opens_on_every_layout(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    field = app.page.locator(".xterm-helper-textarea")
    assert not press_alone(field, key="ф", code="KeyF", ctrlKey=True, shiftKey=True)
    expect(app.page.get_by_role("searchbox", name="Search in the terminal")).to_be_visible()
