"""A conversation: streaming, blocks, history, other devices, stopping, the queue, search, quick replies."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.loop import LoopThread
from tests.client.wire import Wire
from tests.harness import Server, wait_until

DEADLINE = 15.0


def articles(app: App) -> Locator:
    return app.log.get_by_role("article")


def last(app: App) -> Locator:
    return articles(app).last


def test_an_answer_replaces_itself_as_it_grows(new_app: NewApp, server: Server, calm_desk: Desk) -> None:
    app = new_app(server.url, calm_desk)
    app.enter("supervisor")
    app.say("hello")
    app.reads("demo agent")
    expect(app.button("Stop")).to_be_visible()
    app.reads("for a bit of everything.")
    expect(app.log.get_by_text("demo agent", exact=True)).to_have_count(1)
    expect(app.button("Stop")).to_have_count(0)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("code", "def fibonacci"),
        ("table", "TCP keep-alive"),
        ("think", "with a bounded queue"),
        ("error", "the model did not answer in time"),
        ("unknown", "A block type from the future"),
        ("status", "The index holds"),
    ],
)
def test_every_kind_of_block_has_a_face(app: App, words: str, shown: str) -> None:
    app.enter("supervisor")
    app.say(words)
    app.reads(shown)


def test_tables_are_tables_and_links_are_safe(app: App) -> None:
    app.enter("supervisor")
    app.say("table")
    expect(app.log.get_by_role("table")).to_be_visible()
    link = app.log.get_by_role("link", name="example.com").first
    expect(link).to_have_attribute("target", "_blank")
    expect(link).to_have_attribute("rel", re.compile("noopener"))


def test_tool_calls_are_folded_and_open(app: App) -> None:
    app.enter("supervisor")
    app.say("tool")
    app.reads("12 tests")
    expect(app.log.get_by_text("12 passed")).to_have_count(0)
    app.log.get_by_role("button", name=re.compile("Bash")).last.click()
    expect(app.log.get_by_text("12 passed")).to_be_visible()


def test_code_is_copied_as_it_is(app: App) -> None:
    app.enter("supervisor")
    app.say("code")
    app.reads("make test && git commit")
    app.button(re.compile("^Copy code")).first.click()
    copied = app.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("def fibonacci(count: int)")
    assert copied.endswith("5, …")


def test_stop_ends_the_work(new_app: NewApp, server: Server, calm_desk: Desk) -> None:
    app = new_app(server.url, calm_desk, phone=True)
    app.enter("supervisor")
    app.say("slow")
    app.reads("Stop me at any time")
    app.button("Stop").click()
    app.reads("Cancelled by user")
    expect(app.button("Stop")).to_have_count(0)


def test_another_devices_message_and_its_answer_appear(new_app: NewApp, server: Server, desk: Desk) -> None:
    one, other = new_app(server.url, desk), new_app(server.url, desk, phone=True)
    for app in (one, other):
        app.enter("supervisor")
    other.say("table please")
    one.reads("table please")
    one.reads("From another device")
    one.reads("TCP keep-alive")
    expect(one.log.get_by_text("table please")).to_have_count(1)
    expect(other.log.get_by_text("table please")).to_have_count(1)
    expect(other.log).not_to_contain_text("From another device")


def test_two_tabs_of_one_browser_show_one_conversation(app: App) -> None:
    app.enter("supervisor")
    tab = app.another_tab()
    tab.until_online()
    tab.enter("supervisor")
    app.say("table from a tab")
    tab.reads("TCP keep-alive")
    expect(tab.log.get_by_text("table from a tab")).to_have_count(1)
    expect(app.log.get_by_text("table from a tab")).to_have_count(1)


def test_older_messages_come_by_scrolling_without_a_jump(app: App, desk: Desk) -> None:
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    expect(app.log).not_to_contain_text("(message 20 of 60)")
    seen = app.log.get_by_text("(message 45 of 60)")
    shown = app.log.locator("article").count()
    app.log.evaluate("log => log.scrollTo(0, 0)")
    before = place(app, seen)
    app.page.wait_for_function("count => document.querySelectorAll('article').length > count", arg=shown)
    assert abs(place(app, seen) - before) < 4, "the text under the reader's eyes moved"
    pull_until(app, "(message 21 of 60)")
    pull_until(app, "(message 1 of 60)")
    app.reads("The beginning of this conversation")


def pull_until(app: App, words: str) -> None:
    """Scroll to the top again and again, for rows come a few per frame."""
    app.page.wait_for_function(
        """words => {
          const log = document.querySelector('[role=log]');
          log.scrollTo(0, 0);
          return log.textContent.includes(words);
        }""",
        arg=words,
    )


def place(app: App, message: Locator) -> float:
    """Where it stands in the window once the page is at rest."""
    app.drawn()
    box = message.bounding_box()
    assert box is not None
    return box["y"]


def test_streaming_never_steals_the_scroll(new_app: NewApp, server: Server, calm_desk: Desk) -> None:
    app = new_app(server.url, calm_desk)
    app.enter(calm_desk.session("claude"))
    app.reads("(message 60 of 60)")
    app.say("long")
    app.reads("On tunnels")
    app.page.mouse.move(800, 300)
    app.page.mouse.wheel(0, -600)
    expect(app.button("Jump to latest").or_(app.button("New messages"))).to_be_visible()
    old = app.log.get_by_text("(message 5", exact=False).first
    before = place(app, old)
    app.reads("put the phone away after five")
    assert abs(place(app, old) - before) < 2
    app.button(re.compile("Jump to latest|New messages")).click()
    expect(last(app)).to_be_in_viewport()


def test_who_says_something_sees_it(app: App, desk: Desk) -> None:
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    app.page.mouse.move(800, 300)
    app.page.mouse.wheel(0, -1500)
    expect(app.button("Jump to latest")).to_be_visible()
    app.say("table, from far up")
    expect(app.log.get_by_text("Inline:")).to_be_in_viewport()


def test_messages_missed_while_away_stand_in_their_place(
    new_app: NewApp, server: Server, loop: LoopThread
) -> None:
    # Each answer is in the history, as those are that come more than ten seconds after the one before.
    with Desk(loop, server, grace=0) as desk:
        app, other = new_app(server.url), new_app(server.url, desk)
        wire = Wire(app.page)
        app.pair_by_address(desk)
        for each in (app, other):
            each.enter("supervisor")
        app.say("table first")
        app.reads("TCP keep-alive")
        app.visitor.context.set_offline(True)
        wire.cut()
        other.say("status second")
        other.reads("The index holds")
        app.visitor.context.set_offline(False)
        app.reads("status second")
        app.reads("The index holds")
        app.say("think third")
        app.reads("bounded queue on each side")
        order = [
            text for text in ("table first", "status second", "think third") if text in app.log.inner_text()
        ]
        places = [app.log.inner_text().index(text) for text in order]
        assert len(order) == 3
        assert places == sorted(places)


def test_what_is_written_while_the_agent_works_waits_its_turn(
    new_app: NewApp, server: Server, calm_desk: Desk
) -> None:
    app = new_app(server.url, calm_desk)
    app.say_while_it_works("status one", "table two")
    queued = app.page.get_by_test_id("queued")
    expect(queued).to_have_count(2)
    queued.filter(has_text="table two").get_by_role("button", name="Delete").click()
    queued.get_by_role("button", name="Edit").click()
    expect(app.composer).to_have_value("status one")
    app.composer.fill("status three")
    app.button("Send").click()
    expect(queued).to_have_count(1)
    app.reads("The index holds")
    sent = [one["payload"]["command"] for one in calm_desk.got("supervisor.command")]
    assert sent == ["long", "status three"]


def test_quick_replies_do_what_they_say(app: App, desk: Desk) -> None:
    app.visitor.context.route("https://example.com/**", lambda route: route.fulfill(body="there"))
    app.enter("supervisor")
    app.say("buttons")
    with app.page.expect_popup() as opened:
        app.button("Open the page").click()
    assert opened.value.url == "https://example.com/"
    opened.value.close()
    app.button("Run the tests").click()
    desk.until_got("supervisor.command", lambda one: one["payload"]["command"] == "tool: run the tests")
    app.button("New terminal").click()
    expect(app.screen).to_contain_text("$")


def test_search_finds_and_shows(app: App, desk: Desk) -> None:
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    app.button("Search in this conversation").click()
    field = app.page.get_by_role("searchbox", name="Search in this conversation")
    field.fill("message 47 of")
    expect(app.page.get_by_role("search")).to_contain_text("1 of 1")
    expect(app.log.get_by_text("(message 47 of 60)")).to_be_in_viewport()
    field.fill("no such words")
    expect(app.page.get_by_role("search")).to_contain_text("Nothing found")


def test_search_goes_beyond_what_is_loaded(app: App, desk: Desk) -> None:
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    app.button("Search in this conversation").click()
    app.page.get_by_role("searchbox", name="Search in this conversation").fill("message 5 of 60")
    expect(app.page.get_by_role("search")).to_contain_text("1 of 1")
    expect(app.log.get_by_text("(message 5 of 60)")).to_be_in_viewport()


def test_search_says_how_far_it_looked_and_goes_on_when_asked(app: App, desk: Desk) -> None:
    session = desk.session("cursor")
    desk.has_said(session, [f"entry {number} of a long past" for number in range(1200)])
    app.enter(session)
    app.reads("entry 1199 ")
    app.button("Search in this conversation").click()
    app.page.get_by_role("searchbox", name="Search in this conversation").fill("entry 3 of")
    bar = app.page.get_by_role("search")
    expect(bar).to_contain_text(re.compile(r"Searched the last 5\d\d messages"))
    bar.get_by_role("button", name="Search older").click()
    expect(bar).to_contain_text(re.compile(r"Searched the last 1,0\d\d messages"))
    bar.get_by_role("button", name="Search older").click()
    expect(app.log.get_by_text("entry 3 of")).to_be_in_viewport()


def test_clearing_the_context_clears_all_devices(new_app: NewApp, server: Server, desk: Desk) -> None:
    one, other = new_app(server.url, desk), new_app(server.url, desk)
    for app in (one, other):
        app.enter("supervisor")
    one.say("table")
    other.reads("TCP keep-alive")
    one.button("More").click()
    one.page.get_by_role("menuitem", name="Clear context").click()
    one.page.get_by_role("dialog").get_by_role("button", name="Clear context").click()
    for app in (one, other):
        expect(app.log).not_to_contain_text("TCP keep-alive")


def test_an_agents_conversation_joined_half_way(new_app: NewApp, server: Server, calm_desk: Desk) -> None:
    one, other = new_app(server.url, calm_desk), new_app(server.url, calm_desk, phone=True)
    one.enter(calm_desk.session("cursor"))
    one.say("long")
    one.reads("On tunnels")
    other.enter(calm_desk.session("cursor"))
    other.reads("On tunnels")
    expect(other.button("Stop")).to_be_visible()
    wait_until(lambda: "after five" in one.log.inner_text(), DEADLINE, "the answer is done")
    other.reads("put the phone away after five")
    expect(other.log.get_by_role("heading", name="On tunnels")).to_have_count(1)
