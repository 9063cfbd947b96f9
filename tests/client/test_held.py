"""Messages that the server keeps: until the workstation is back, or until a moment."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.test_outbox import delivery
from tests.harness import Server


def bar(app: App) -> Locator:
    return app.page.get_by_role("region", name="Waiting at the server")


# True once the browser's database has an unsent message.
KEPT = """() => new Promise((done) => {
  indexedDB.open('tiflis').onsuccess = ({ target: { result: database } }) => {
    const unsent = database.transaction('outbox').objectStore('outbox').count();
    unsent.onsuccess = () => { database.close(); done(unsent.result > 0); };
  };
})"""
# From now on nothing is sealed, and so nothing is written.
NO_MORE_WRITING = "() => { crypto.subtle.encrypt = () => new Promise(() => {}); }"


def hand_over(app: App, desk: Desk, words: str, *, written: bool = True) -> None:
    """Say it while the workstation is away, and let the server keep it; not `written`: on a slow disk."""
    app.enter("supervisor")
    app.reads("(message 24 of 24)")
    desk.leave()
    app.until_phase("workstation_offline")
    app.say(words)
    if not written:
        app.page.wait_for_function(KEPT)
        app.page.evaluate(NO_MORE_WRITING)
    bar(app).get_by_role("button", name="Send when it is back").click()
    expect(delivery(app, words)).to_have_attribute("data-delivery", "held")
    expect(bar(app)).to_contain_text("Waits until the workstation is back")


def test_a_message_to_a_sleeping_workstation_is_delivered_though_the_page_is_closed(
    app: App, desk: Desk
) -> None:
    hand_over(app, desk, "table, when you wake", written=False)
    other = app.another_tab()
    app.page.close()
    other.page.goto("about:blank")
    desk.forget_what_it_got()
    desk.arrive()
    got = desk.until_got("supervisor.command")
    assert got["payload"]["command"] == "table, when you wake"
    assert "hold" not in got
    other.open()
    other.enter("supervisor")
    other.reads("TCP keep-alive")
    expect(other.log.get_by_role("article", name="You").filter(has_text="when you wake")).to_have_count(1)
    expect(bar(other)).to_have_count(0)
    assert len(desk.got("supervisor.command")) == 1


def test_what_waits_is_cancelled_and_its_words_come_back(app: App, desk: Desk) -> None:
    hand_over(app, desk, "table, or not")
    app.page.reload()
    app.enter("supervisor")
    bar(app).get_by_role("button", name="Cancel “table, or not”").click()
    expect(app.composer).to_have_value("table, or not")
    expect(bar(app)).to_have_count(0)
    desk.arrive()
    app.until_online()
    assert not desk.got("supervisor.command")


def test_a_message_is_sent_later_and_others_do_not_wait_for_it(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url, desk, phone=True)
    app.enter("supervisor")
    app.reads("(message 24 of 24)")
    app.composer.fill("tonight")
    app.button("More").click()
    app.page.get_by_role("menuitem", name="Send later …").click()
    dialog = app.page.get_by_role("dialog", name="Send later")
    expect(dialog).to_contain_text("tonight")
    dialog.get_by_role("button", name="Send then").click()
    expect(bar(app)).to_contain_text(re.compile("Is sent "))
    expect(app.composer).to_have_value("")
    app.say("table")
    app.reads("TCP keep-alive")
    assert [one["payload"]["command"] for one in desk.got("supervisor.command")] == ["table"]
    bar(app).get_by_role("button", name="Cancel “tonight”").click()
    expect(app.composer).to_have_value("tonight")
