"""The search finds what a reader sees, and shows where it is."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.desk import Desk


def search(app: App, words: str) -> Locator:
    app.button("Search in this conversation").click()
    bar = app.page.get_by_role("search")
    bar.get_by_role("searchbox").fill(words)
    return bar


def marked(app: App) -> str:
    """The words that are highlighted."""
    found = "[...(CSS.highlights.get('found') ?? [])].map(String).join('|')"
    app.page.wait_for_function(f"() => {found} !== ''")
    return str(app.page.evaluate(found))


@pytest.mark.parametrize(
    "said, wanted, shown",
    [
        ("Das Café in ÉVORA", "cafe in evora", "Café in ÉVORA"),
        ("Cafe\u0301 decomposed", "café", "Cafe\u0301"),
        ("the **bold** word", "bold word", "bold word"),
        ("a (b+c)? [d] $1", "(b+c)? [d] $", "(b+c)? [d] $"),
        ("İstanbul, now", "istanbul, NOW", "İstanbul, now"),
        ("thumbs 👍🏽 up", "👍🏽 up", "👍🏽 up"),
        ("one\ntwo", "one two", "one\ntwo"),
    ],
)
def test_words_are_found_as_they_are_read(app: App, desk: Desk, said: str, wanted: str, shown: str) -> None:
    claude = desk.session("claude")
    desk.has_said(claude, ["a question", said])
    app.enter(claude)
    expect(app.log.get_by_role("article")).to_have_count(2)
    expect(search(app, wanted)).to_contain_text("1 of 1")
    assert marked(app) == shown


def test_a_search_says_why_it_goes_no_further(app: App, desk: Desk) -> None:
    claude = desk.session("claude")
    app.enter(claude)
    app.reads("message 60 of 60")
    desk.end("claude")
    expect(app.page.get_by_role("region", name="This session has ended")).to_be_visible()
    bar = search(app, "message 5 of 60")
    expect(bar).to_contain_text("Nothing found")
    expect(bar).to_contain_text("Searched the last 20 messages. Older ones went with the session.")
    expect(bar.get_by_role("button", name="Search older")).to_have_count(0)


def test_a_hit_in_a_folded_text_unfolds_it(app: App, desk: Desk) -> None:
    claude = desk.session("claude")
    desk.has_said(claude, ["\n".join(f"line {at}" for at in range(60)) + "\nthe needle", "an answer"])
    app.enter(claude)
    app.reads("line 3")
    expect(app.log).not_to_contain_text("needle")
    bar = search(app, "needle")
    expect(bar).to_contain_text("1 of 1")
    app.reads("the needle")
    assert marked(app) == "needle"


def test_words_in_the_output_of_a_tool_are_found_and_shown(app: App, desk: Desk) -> None:
    block = {
        "id": "tool-1",
        "block_type": "tool",
        "content": "",
        "metadata": {
            "tool_name": "Bash",
            "tool_input": json.dumps({"command": "make"}),
            "tool_output": "all \x1b[31mred\x1b[0m walls",
            "tool_status": "completed",
        },
    }
    app.enter("supervisor")
    app.say("tell me")
    app.reads("You said: tell me")
    payload = {"content_type": "supervisor", "content": "", "content_blocks": [block], "is_complete": True}
    desk.tell_all(
        {
            "type": "supervisor.output",
            "streaming_message_id": "with-a-tool",
            "payload": {**payload, "timestamp": "2030-01-01T00:00:00.000Z"},
        }
    )
    app.reads("Bash")
    expect(search(app, "red walls")).to_contain_text("1 of 1")
    app.reads("all red walls")
    assert marked(app) == "red walls"


def test_the_match_on_screen_stays_while_new_ones_come(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.reads("message 24 of 24")
    bar = search(app, "message 24 of 24")
    expect(bar).to_contain_text("1 of 1")
    said = {"content": "message 24 of 24", "timestamp": "2030-01-01T00:00:00Z", "from_device_id": "other"}
    desk.tell_all({"type": "supervisor.user_message", "payload": said})
    expect(bar).to_contain_text("1 of 2")
