"""What an agent did, as a developer reads it: changes, tasks, commands; and long or coloured text."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.client.app import App
from tests.client.desk import Desk
from tests.client.test_hostile import output

SEEN = "all => all.map((one) => one.checkVisibility({ opacityProperty: true }))"


def block(kind: str, content: str = "", **metadata: Any) -> dict[str, Any]:
    name = f"{kind}-{len(str(metadata))}"
    return {"id": name, "block_type": kind, "content": content, "metadata": metadata}


def tool(name: str, given: Any, result: Any = "", status: str = "completed") -> dict[str, Any]:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in (given, result)]
    return block("tool", tool_name=name, tool_input=texts[0], tool_output=texts[1], tool_status=status)


def shows(app: App, desk: Desk, *blocks: dict[str, Any]) -> None:
    """The supervisor's conversation ends with an answer of these blocks."""
    app.enter("supervisor")
    app.reads("message 24 of 24")
    desk.tell_all(output([*blocks, block("text", "That is all.")], message_id="reading"))
    app.reads("That is all.")


def test_an_edit_is_a_diff_with_counts(app: App, desk: Desk) -> None:
    edit = {"file_path": "src/app.py", "old_string": "a\nb\nc", "new_string": "a\nB\nc\nd"}
    shows(app, desk, tool("Edit", edit, "ok"))
    line = app.log.get_by_role("button", name=re.compile("Edit src.app.py.*2 lines added, 1 removed"))
    line.click()
    diff = app.log.get_by_role("group", name="Changes in src/app.py")
    expect(diff.locator("ins")).to_have_text(["B", "d"])
    expect(diff.locator("del")).to_have_text(["b"])
    app.button("Copy path src/app.py").click()
    assert app.page.evaluate("navigator.clipboard.readText()") == "src/app.py"


def test_a_patch_of_several_files_folds_each(phone: App, desk: Desk) -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n@@\n-x\n+y\n*** Add File: b.py\n+1\n+2\n*** End Patch"
    shows(phone, desk, tool("apply_patch", {"input": patch}))
    phone.log.get_by_role("button", name=re.compile("apply_patch 2 files.*3 lines added")).click()
    phone.log.get_by_role("button", name=re.compile("b.py new file")).press("Enter")
    expect(phone.log.get_by_role("group", name="Changes in b.py").locator("ins")).to_have_text(["1", "2"])


def test_todos_are_a_checklist(app: App, desk: Desk) -> None:
    todos = [
        {"content": "Read the code", "status": "completed"},
        {"content": "Mend it", "status": "in_progress"},
    ]
    shows(app, desk, tool("TodoWrite", {"todos": todos}))
    app.log.get_by_role("button", name=re.compile("TodoWrite 1 of 2 done")).click()
    rows = app.log.get_by_role("list", name="Tasks").get_by_role("listitem")
    expect(rows).to_have_text(["Done: Read the code", "In progress: Mend it"])


def test_failing_output_is_open_and_coloured(app: App, desk: Desk) -> None:
    lines = "\n".join(f"line {n}" for n in range(2_000))
    failed = {"exit_code": 1, "stdout": f"{lines}\n\x1b[31mFAILED\x1b[0m one test\x1b[K"}
    shows(app, desk, tool("Bash", {"command": "make test"}, failed), tool("Bash", {"command": "ls"}, "x"))
    shown = app.log.get_by_role("group", name="Output")
    expect(shown).to_have_count(1)
    expect(shown.get_by_text("FAILED", exact=True)).to_have_class("ansi-1")
    expect(shown).to_contain_text(re.compile("FAILED one test$"))
    expect(shown).not_to_contain_text("line 0")
    app.button("Show all 2,001 lines").click()
    expect(shown).to_contain_text("line 0")


@pytest.mark.parametrize("kind", ["error", "code", "text", "status", "cancel"])
def test_no_escape_codes_are_seen_anywhere(app: App, desk: Desk, kind: str) -> None:
    red = "\x1b[31mred\x1b[0m \x1b]0;title\x07end"
    content = f"```console\n{red}\n```" if kind == "text" else red
    shows(app, desk, block(kind, content, language="ansi"))
    app.reads("red end")
    assert not re.search(r"[\x00-\x08\x0b-\x1f]|\[31m", app.log.inner_text())
    if kind in {"error", "code", "text"}:
        expect(app.log.get_by_text("red", exact=True)).to_have_class("ansi-1")


def test_a_long_paste_is_folded(phone: App, desk: Desk) -> None:
    words = "\n".join(f"pasted {n} https://example.com/{n}." for n in range(2_000))
    phone.enter("supervisor")
    phone.reads("message 24 of 24")
    payload = {"content": words, "timestamp": "2026-01-01T00:00:00.000Z", "from_device_id": "other"}
    desk.tell_all({"type": "supervisor.user_message", "payload": payload})
    message = phone.log.get_by_role("article", name="You").last
    expect(message).to_contain_text("pasted 3 ")
    assert message.bounding_box()["height"] < 600  # type: ignore[index]
    expect(message.get_by_role("link", name="https://example.com/3", exact=True)).to_have_count(1)
    phone.button("Show all 2,000 lines").click()
    expect(message).to_contain_text("pasted 1999")


MARKUP = """| name | every |
|---|---|
| ping | every 5 s |

Press <kbd>Ctrl</kbd>, see `src/app.py:12`, not `and/or`<br>and on.

<details><summary>More</summary>

hidden

</details>

```sh
ls
```
"""


def test_markdown_is_readable_on_a_phone(phone: App, desk: Desk) -> None:
    shows(phone, desk, block("text", MARKUP))
    assert phone.log.get_by_role("cell", name="ping").bounding_box()["width"] > 64  # type: ignore[index]
    expect(phone.log.locator("kbd")).to_have_text("Ctrl")
    expect(phone.log.get_by_text("More", exact=True)).to_be_visible()
    expect(phone.log).not_to_contain_text(re.compile("<br|<kbd|details"))
    expect(phone.log.get_by_role("button", name=re.compile("^Copy path"))).to_have_count(1)
    phone.button("Copy path src/app.py:12").click()
    assert phone.page.evaluate("navigator.clipboard.readText()") == "src/app.py:12"
    figure = phone.log.locator("figure").filter(has_text="ls").last
    expect(figure.get_by_role("button")).to_have_count(1)
    assert figure.bounding_box()["height"] < 60  # type: ignore[index]


def test_a_conversation_is_copied_as_markdown(app: App, desk: Desk) -> None:
    shows(app, desk, block("code", "x = 1", language="python"))
    app.button("More").click()
    app.page.get_by_role("menuitem", name="Copy as Markdown").click()
    expect(app.page.get_by_text("Copied")).to_be_visible()
    copied = app.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("# Supervisor\n\n*The last 21 messages; older ones were not loaded.*\n\n## ")
    assert "```python\nx = 1\n```" in copied


def test_a_conversation_is_saved_as_a_file(app: App, desk: Desk) -> None:
    shows(app, desk, block("code", "x = 1", language="python"))
    app.button("More").click()
    with app.page.expect_download() as saved:
        app.page.get_by_role("menuitem", name="Save as a file").click()
    assert saved.value.suggested_filename == "Supervisor.md"
    assert "```python\nx = 1\n```" in saved.value.path().read_text()


def test_settings_that_do_nothing_on_a_phone_are_hidden(phone: App) -> None:
    phone.go("#/settings")
    expect(phone.page.get_by_role("heading", name="Settings")).to_be_visible()
    expect(phone.page.get_by_role("group", name="Send with")).to_be_hidden()


def test_hostile_tools_are_shown_and_harm_nothing(app: App, desk: Desk) -> None:
    odd = [
        '{"file_path":"__proto__","old_string":"a","new_string":"b","__proto__":{"x":1}}',
        '{"file_path":',
        '{"todos":{"constructor":1}}',
        '["\x1b[31m"]',
        json.dumps({"path": "a", "old": "x\n" * 300_000, "new": "y\n" * 300_000}),
    ]
    shows(app, desk, *(tool(f"Edit{n}", each, "\x1b[" * 100_000) for n, each in enumerate(odd)))
    for n in range(len(odd)):
        app.log.get_by_role("button", name=re.compile(f"Edit{n}")).click()
    expect(app.log.get_by_role("group", name="Changes in __proto__")).to_be_visible()
    app.button("Show all 20,000 lines").wait_for()


def test_addresses_without_a_scheme_are_links_in_answers_and_in_own_words(app: App, desk: Desk) -> None:
    shows(app, desk, block("text", "See www.example.com/docs"))
    app.say("or www.example.com/mine.")
    for path in ("docs", "mine"):
        link = app.log.get_by_role("link", name=f"www.example.com/{path}", exact=True).first
        expect(link).to_have_attribute("href", re.compile(f"^https?://www.example.com/{path}$"))


def test_a_picture_in_the_text_is_shown_and_one_from_elsewhere_is_a_link(app: App, desk: Desk) -> None:
    dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    drawing = "![b](data:image/svg+xml;base64,PHN2Zy8+)"
    shows(
        app,
        desk,
        block("text", f"![a dot](data:image/png;base64,{dot}) ![c](https://example.com/c) {drawing}"),
    )
    picture = app.log.get_by_role("img")
    expect(picture).to_have_count(1)
    assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") == 1
    expect(app.log.get_by_role("link", name="c", exact=True)).to_have_attribute(
        "href", "https://example.com/c"
    )


def test_what_was_opened_is_still_open_when_one_comes_back(app: App, desk: Desk) -> None:
    shows(app, desk, tool("Read", {"file_path": "/etc/hosts"}, "localhost"))
    fold = app.log.get_by_role("button", name=re.compile("^done Read"))
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "true")
    app.enter(desk.session("cursor"))
    app.reads("message 2 of 2")
    app.enter("supervisor")
    expect(fold).to_have_attribute("aria-expanded", "true")


def test_messages_of_one_minute_share_one_time(app: App, desk: Desk) -> None:
    desk.has_said(desk.session("claude"), ["one", "two", "three", "four"])
    app.enter(desk.session("claude"))
    app.reads("four")
    times = app.log.locator("time")
    assert times.evaluate_all(SEEN) == [False, False, False, True]
    app.log.get_by_text("one", exact=True).hover()
    assert times.evaluate_all(SEEN) == [True, False, False, True]


def test_a_touch_on_own_words_shows_what_can_be_done_with_them(phone: App, desk: Desk) -> None:
    phone.enter("supervisor")
    phone.say("status")
    phone.reads("The index holds")
    edit = phone.button(re.compile("^Edit “status"))
    assert edit.evaluate_all(SEEN) == [False]
    phone.log.get_by_text("status", exact=True).tap()
    assert edit.evaluate_all(SEEN) == [True]
    edit.tap()
    expect(phone.composer).to_have_value("status")


def test_no_escape_codes_are_seen_in_thoughts_names_buttons_and_lists(app: App, desk: Desk) -> None:
    red = "\x1b[31mred\x1b[0m\x1b]0;title\x07"
    press = [{"id": "one", "title": f"press {red}", "style": "primary", "action": "send:no"}]
    edit = {"file_path": "a.py", "old_string": red, "new_string": f"{red}der"}
    shows(
        app,
        desk,
        block("thinking", f"thought {red}"),
        tool(f"name {red}", {"command": f"echo {red}"}, red, "failed"),
        tool("Edit", edit),
        tool("TodoWrite", {"todos": [{"content": f"task {red}", "status": "done"}]}),
        block("action_buttons", f"which {red}?", buttons=press),
        block("text", f"prose {red}, **bold** `code {red}`\n\n```\n{red}\n```\n\nlast {red}"),
    )
    app.unfold()
    said = {"content": f"mine {red}", "timestamp": "2030-01-01T00:00:00Z", "from_device_id": "other"}
    desk.tell_all({"type": "supervisor.user_message", "payload": said})
    expect(app.session_link(re.compile("mine red"))).to_be_visible()
    app.reads("mine red")
    shown = app.page.locator("body").inner_text()
    assert not re.search(r"[\x00-\x08\x0b-\x1f]|\[31m|\[0m|0;title", shown), repr(shown)


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_a_picture_that_a_tool_gives_back_is_seen(app: App, desk: Desk) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    shows(app, desk, tool("Read", {"file_path": "a.png"}, [{"type": "text", "text": "1 x 1"}, picture]))
    app.log.get_by_role("button", name=re.compile("^done Read")).click()
    seen = app.log.get_by_role("img", name="Image")
    expect(seen).to_be_visible()
    assert seen.evaluate("one => one.naturalWidth") == 1
    expect(app.log.get_by_role("group", name="Output")).to_have_text("1 x 1")
