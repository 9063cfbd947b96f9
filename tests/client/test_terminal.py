"""The terminal: typing, size, followers, gaps, keys, the native line, copy and paste, links and bell."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk, Message
from tests.client.wire import Wire
from tests.harness import Server, wait_until

DEADLINE = 10.0


def run(app: App, command: str) -> None:
    app.page.keyboard.type(f"{command}\n")


def line_of(app: App) -> Locator:
    return app.page.get_by_role("textbox", name="Type here")


def enter_line(app: App, text: str) -> None:
    line_of(app).fill(text)
    line_of(app).press("Enter")


def once(text: str) -> re.Pattern[str]:
    """Matches what holds this text exactly once."""
    words = re.escape(text)
    return re.compile(rf"^(?:(?!{words})[\s\S])*{words}(?:(?!{words})[\s\S])*$")


def is_output(message: Message) -> bool:
    return bool(message["type"] == "session.output")


def rows_on_screen(app: App) -> int:
    return app.page.locator(".xterm-rows > div").count()


def agree_on_size(app: App, desk: Desk) -> tuple[int, int]:
    """Wait until screen and workstation have one size, which is returned."""
    wait_until(lambda: rows_on_screen(app) == desk.terminal_size()[1], DEADLINE, "one size")
    return desk.terminal_size()


def test_what_is_typed_runs_and_is_shown_once(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    run(app, "cat poem.txt")
    expect(app.screen).to_have_text(once("first comes ping"))


def test_a_reload_draws_the_screen_again_without_doubles(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    run(app, "cat poem.txt")
    expect(app.screen).to_contain_text("first comes ping")
    app.page.reload()
    expect(app.screen).to_have_text(once("first comes ping"))


def test_the_masters_window_decides_the_size(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    desk.until_got("session.resize")
    columns = agree_on_size(app, desk)[0]
    app.page.set_viewport_size({"width": 900, "height": 600})
    desk.until_got("session.resize", lambda one: one["payload"]["cols"] < columns)
    now = agree_on_size(app, desk)
    run(app, "size")
    expect(app.screen).to_contain_text(f"{now[0]} columns, {now[1]} rows")


def test_a_phone_never_asks_for_less_than_the_workstation_takes(phone: App, desk: Desk) -> None:
    phone.page.set_viewport_size({"width": 320, "height": 480})
    phone.enter_terminal(desk)
    asked = desk.until_got("session.resize")["payload"]
    assert_even(phone)
    assert asked["cols"] >= 40
    assert asked["rows"] >= 24


def test_a_follower_shows_the_masters_size_and_may_take_over(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    master = new_app(server.url, desk)
    master.enter_terminal(desk)
    desk.until_got("session.resize")
    size = agree_on_size(master, desk)
    follower = new_app(server.url, desk, phone=True)
    follower.enter_terminal(desk)
    strip = follower.page.get_by_text(re.compile(f"sets the size: {size[0]} . {size[1]}"))
    expect(strip).to_be_visible()
    assert rows_on_screen(follower) == size[1]
    master.page.set_viewport_size({"width": 1000, "height": 700})
    desk.until_got("session.resize", lambda one: one["payload"]["cols"] < size[0])
    size = agree_on_size(follower, desk)
    expect(follower.page.get_by_text(re.compile(f"{size[0]} . {size[1]}"))).to_be_visible()
    master.enter("supervisor")
    desk.until_got("session.unsubscribe")
    follower.button("Fit to this screen").click()
    expect(follower.page.get_by_text("Another device sets the size")).to_have_count(0)
    assert agree_on_size(follower, desk)[0] < size[0]


def test_a_gap_is_filled_and_repetitions_are_not_shown(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url)
    wire = Wire(app.page)
    app.pair_by_address(desk)
    app.enter_terminal(desk)
    wire.repeat(is_output)
    wire.lose(lambda one: is_output(one) and "comes" in one["payload"]["content"])
    run(app, "cat poem.txt")
    run(app, "echo after the gap")
    expect(app.screen).to_contain_text("after the gap")
    expect(app.screen).to_have_text(once("first comes ping"))
    assert len(wire.lost) == 1
    lost = wire.lost[0]["payload"]["sequence"]
    asked = [one["payload"] for one in wire.sent if one["type"] == "session.replay"]
    assert {"since_sequence": lost - 1} in [
        {key: value for key, value in one.items() if key == "since_sequence"} for one in asked
    ]


def test_what_came_while_the_line_was_cut_is_there_afterwards(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url)
    wire = Wire(app.page)
    app.pair_by_address(desk)
    app.enter_terminal(desk)
    run(app, "echo before")
    expect(app.screen).to_have_text(re.compile("before.*before"))
    wire.cut()
    desk.until_got("client.disconnected")
    desk.print("written while away\r\n")
    expect(app.screen).to_have_text(once("written while away"))


def test_old_output_is_never_answered(app: App, desk: Desk) -> None:
    """A replayed question (who are you, where is the cursor) would type its answer into the shell."""
    app.enter_terminal(desk)
    desk.print("\x1b[c\x1b[6nasked\r\n")
    desk.until_got("session.input", lambda one: "R" in one["payload"]["data"])
    desk.forget_what_it_got()
    app.page.reload()
    expect(app.screen).to_contain_text("asked")
    run(app, "echo done")
    expect(app.screen).to_have_text(re.compile("echo done.*done"))
    typed = "".join(one["payload"]["data"] for one in desk.got("session.input"))
    assert typed == "echo done\r"


def test_ten_thousand_lines_are_kept(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    run(app, "big")
    expect(app.screen).to_contain_text(" 10000 ")
    for _ in range(10_000 // (rows_on_screen(app) - 1)):
        app.page.keyboard.press("Shift+PageUp")
    expect(app.screen).to_contain_text(re.compile(r" {5}[1-9]\d? ="))


def test_a_phone_types_in_a_native_line(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    expect(phone.page.locator(".xterm-cursor")).to_be_visible()
    enter_line(phone, "echo from the line")
    expect(phone.screen).to_have_text(re.compile("echo from the line.*from the line"))
    expect(line_of(phone)).to_have_value("")
    sent = [one["payload"]["data"] for one in desk.got("session.input")]
    assert sent == ["echo from the line\r"]


def test_composed_text_arrives_whole(phone: App, desk: Desk) -> None:
    """As keyboards for Chinese, and all of Android's, write: letters that change until they are chosen."""
    phone.enter_terminal(desk)
    line_of(phone).focus()
    keyboard = phone.visitor.context.new_cdp_session(phone.page)
    for letters in ("n", "ni", "nih", "nihao"):
        keyboard.send(
            "Input.imeSetComposition",
            {"text": letters, "selectionStart": len(letters), "selectionEnd": len(letters)},
        )
    keyboard.send("Input.insertText", {"text": "你好"})
    line_of(phone).press("Enter")
    assert desk.until_got("session.input")["payload"]["data"] == "你好\r"


def test_the_key_row_has_what_a_phones_keyboard_lacks(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    enter_line(phone, "top")
    expect(phone.screen).to_contain_text("Ctrl-C stops it")
    phone.button("Ctrl").click()
    expect(phone.button("Ctrl")).to_have_attribute("aria-pressed", "true")
    line_of(phone).press_sequentially("c")
    desk.until_got("session.input", lambda one: one["payload"]["data"] == "\x03")
    expect(phone.button("Ctrl")).to_have_attribute("aria-pressed", "false")
    enter_line(phone, "echo again")
    expect(phone.screen).to_contain_text("again")
    desk.forget_what_it_got()
    for name, data in (("Arrow up", "\x1b[A"), ("Esc", "\x1b"), ("Tab", "\t")):
        phone.button(name).click()
        desk.until_got("session.input", lambda one, data=data: one["payload"]["data"] == data)  # type: ignore[misc]  # the default only binds


def test_a_finger_scrolls(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    desk.print("".join(f"line {number}\r\n" for number in range(1, 201)))
    expect(phone.screen).to_contain_text("line 200")
    box = phone.screen.bounding_box()
    assert box is not None
    finger = phone.visitor.context.new_cdp_session(phone.page)
    x, y = box["x"] + box["width"] / 2, box["y"] + 40
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 15):
        points = [{"x": x, "y": y + step * 20}]
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(phone.screen).not_to_contain_text("line 200")


def test_copy_and_paste(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    run(app, "echo copy me")
    expect(app.screen).to_have_text(re.compile("echo copy me.*copy me"))
    app.button("Copy").click()
    app.button("Copy all").click()
    copied = app.page.evaluate("navigator.clipboard.readText()")
    assert "copy me" in copied
    app.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    app.page.evaluate("navigator.clipboard.writeText('echo pasted')")
    app.button("Paste").click()
    desk.until_got("session.input", lambda one: one["payload"]["data"] == "echo pasted")


def test_the_font_grows_and_stays_so(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    before = font_size(app)
    app.button("A+: larger text").click()
    wait_until(lambda: font_size(app) > before, DEADLINE, "a larger font")
    app.page.reload()
    expect(app.screen).to_contain_text("$")
    assert font_size(app) > before
    assert_even(app)


def assert_even(app: App) -> None:
    """Letters stand as wide as the grid: a stale measure of the font pulls words apart."""
    spacing = app.page.evaluate(
        "parseFloat(getComputedStyle(document.querySelector('.xterm-rows')).letterSpacing)"
    )
    assert abs(spacing or 0) < 0.5


def font_size(app: App) -> float:
    size = app.page.evaluate("parseFloat(getComputedStyle(document.querySelector('.xterm-rows')).fontSize)")
    return float(size)


def test_links_open_beside_and_named_ones_only_when_asked(app: App, desk: Desk) -> None:
    app.visitor.context.route("https://example.com/**", lambda route: route.fulfill(body="there"))
    app.enter_terminal(desk)
    desk.print(
        "\x1b[2J\x1b[Hhttps://example.com/plain\r\n\x1b]8;;https://example.com/hidden\x1b\\named\x1b]8;;\x1b\\\r\n"
    )
    expect(app.screen).to_contain_text("named")
    with app.page.expect_popup() as opened:
        click_row(app, 0)
    assert opened.value.url == "https://example.com/plain"
    opened.value.close()
    with app.page.expect_event("dialog") as asked:
        app.page.once("dialog", lambda dialog: dialog.dismiss())
        click_row(app, 1)
    assert "https://example.com/hidden" in asked.value.message


def click_row(app: App, row: int) -> None:
    box = app.page.locator(".xterm-rows > div").nth(row).bounding_box()
    assert box is not None
    x, y = box["x"] + 20, box["y"] + box["height"] / 2
    app.page.mouse.move(x + 40, y)
    app.page.mouse.move(x, y)
    app.page.mouse.click(x, y)


def test_a_terminal_that_ends_says_so(app: App, desk: Desk) -> None:
    app.enter_terminal(desk)
    run(app, "exit")
    expect(app.page.get_by_text("This session has ended")).to_be_visible()
