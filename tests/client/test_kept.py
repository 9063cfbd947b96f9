"""What is still there without a connection, in a session that has ended, and in a second tab."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.test_app import DEADLINE, until_at_work
from tests.harness import Server, wait_until

# All that the browser's database holds of conversations, as it lies there.
KEPT = """() => new Promise((done) => {
  const opened = indexedDB.open('tiflis');
  opened.onsuccess = () => {
    const found = opened.result.transaction('pieces').objectStore('pieces').getAll();
    found.onsuccess = () => {
      opened.result.close();
      done(found.result.map((one) => new TextDecoder('latin1').decode(one.data)));
    };
  };
})"""


def kept(app: App) -> list[str]:
    found: list[str] = app.page.evaluate(KEPT)
    return found


def test_the_last_conversation_is_read_without_a_network(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url, desk, service_workers="allow")
    until_at_work(app.page)
    app.enter("supervisor")
    app.reads("message 24 of 24")
    wait_until(lambda: len(kept(app)) >= 2, DEADLINE, "the conversation is kept")
    assert not any("message 24" in one for one in kept(app)), "kept in the clear"
    app.visitor.context.set_offline(True)
    app.page.reload()
    app.until_phase("disconnected")
    app.reads("message 24 of 24")
    expect(app.log).to_contain_text(re.compile(r"As of \d+ (s|min) ago"))
    app.visitor.context.set_offline(False)
    app.until_online()
    expect(app.log).not_to_contain_text("As of")


def test_an_unpaired_workstation_leaves_no_conversation_behind(app: App) -> None:
    app.enter("supervisor")
    app.reads("message 24 of 24")
    wait_until(lambda: len(kept(app)) >= 2, DEADLINE, "the conversation is kept")
    app.go("#/settings")
    app.page.get_by_role("main").locator("[aria-haspopup=menu]").click()
    app.page.get_by_role("menuitem", name="Forget").click()
    app.page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    wait_until(lambda: kept(app) == [], DEADLINE, "nothing is kept")


def test_a_session_that_ends_elsewhere_stays_readable_and_gives_the_draft_back(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app, other = new_app(server.url, desk), new_app(server.url, desk, phone=True)
    session = desk.session("cursor")
    app.enter(session)
    app.reads("message 2 of 2")
    app.composer.fill("half a thought")
    other.enter(session)
    other.button("More").click()
    other.page.get_by_role("menuitem", name="End session").click()
    other.page.get_by_role("dialog").get_by_role("button", name="End session").click()
    ended = app.page.get_by_role("region", name="This session has ended")
    expect(ended).to_contain_text("half a thought")
    app.reads("message 2 of 2")
    ended.get_by_role("button", name="Tell the supervisor instead").click()
    expect(app.composer).to_have_value("half a thought")


def test_a_draft_outlives_its_session_on_every_screen_and_visit(phone: App, desk: Desk) -> None:
    phone.enter(desk.session("cursor"))
    phone.composer.fill("half a thought")
    phone.home()
    desk.end("cursor")
    unsent = phone.page.get_by_role("region", name="What you had not sent")
    expect(unsent).to_contain_text("half a thought")
    phone.reload()
    unsent.get_by_role("link").click()
    ended = phone.page.get_by_role("region", name="This session has ended")
    expect(ended.get_by_role("blockquote")).to_have_text("half a thought")
    ended.get_by_role("button", name="Delete").click()
    phone.home()
    expect(phone.page.get_by_role("heading", name="Sessions")).to_be_visible()
    expect(unsent).to_have_count(0)


def test_a_terminals_line_is_still_there_after_a_look_elsewhere(phone: App, desk: Desk) -> None:
    phone.enter_terminal(desk)
    line = phone.page.get_by_role("textbox", name="Type here")
    line.fill("git commit -m half")
    phone.enter("supervisor")
    phone.reads("message 24 of 24")
    phone.enter_terminal(desk)
    expect(line).to_have_value("git commit -m half")


def test_two_tabs_have_one_draft_and_lose_no_word(app: App) -> None:
    app.enter("supervisor")
    other = app.another_tab()
    other.enter("supervisor")
    app.composer.fill("from the first")
    expect(other.composer).to_have_value("from the first")
    other.composer.press("End")
    other.composer.press_sequentially(", and the second")
    expect(app.composer).to_have_value("from the first, and the second")
    app.button("Send").click()
    app.reads("from the first, and the second")
    expect(other.composer).to_have_value("")


def test_a_copied_message_keeps_the_fences_and_languages_of_its_code(app: App) -> None:
    app.enter("supervisor")
    app.say("code")
    app.reads("And the same on the command line")
    expect(app.button("Stop")).to_have_count(0)
    app.log.get_by_role("button", name=re.compile("^Copy message")).last.click()
    copied = app.page.evaluate("navigator.clipboard.readText()")
    assert "```python\ndef fibonacci" in copied
    assert copied.rstrip().endswith("```")
    assert "```bash\npython app.py" in copied


def test_what_fails_asks_and_prints_is_copied_too(app: App) -> None:
    def copied() -> str:
        return str(app.page.evaluate("navigator.clipboard.readText()"))

    app.enter("supervisor")
    for words, shown in (("error", "did not answer in time"), ("buttons", "Forget it"), ("tool", "12 tests")):
        app.say(words)
        app.reads(shown)
        expect(app.button("Stop")).to_have_count(0)
        app.log.get_by_role("article", name="Supervisor").last.get_by_role(
            "button", name=re.compile("^Copy message")
        ).click()
        assert copied().strip()
        if words == "buttons":
            assert "?" in copied()
    app.unfold()
    app.log.get_by_role("button", name=re.compile("^Copy Output")).last.click()
    assert "passed" in copied()
