"""The reader at the end of a conversation stays there, whatever comes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.test_resilience import END_OF_LONG
from tests.harness import Server

FROM_THE_END = "log => Math.round(log.scrollHeight - log.clientHeight - log.scrollTop)"
FROM_THE_TOP = """answer =>
  answer.getBoundingClientRect().top - answer.closest('[role=log]').getBoundingClientRect().top"""
PIXELS = 12


@pytest.mark.parametrize("phone", [False, True])
def test_the_end_stays_in_view_through_every_kind_of_answer(
    new_app: NewApp, server: Server, desk: Desk, phone: bool
) -> None:
    app = new_app(server.url, desk, phone=phone)
    app.enter(desk.session("claude"))
    app.reads("(message 60 of 60)")
    for words in ("table", "voice", "think", "error", "buttons", "tool", "code", "status"):
        app.say(words)
        expect(app.log).to_have_attribute("aria-busy", "false")
        assert rests_at_the_end(app), f"the answer to {words!r} pushed the end out of view"


def test_a_reader_may_stay_at_the_beginning_of_a_long_answer(phone: App, desk: Desk) -> None:
    phone.go("#/settings")
    phone.page.get_by_text("Stay at its beginning").click()
    phone.enter(desk.session("claude"))
    phone.reads("(message 60 of 60)")
    assert rests_at_the_end(phone)
    phone.say("long")
    phone.reads(END_OF_LONG)
    expect(phone.log).to_have_attribute("aria-busy", "false")
    phone.drawn()
    answer = phone.log.locator("article").last
    assert answer.evaluate("answer => answer.offsetHeight > answer.closest('[role=log]').clientHeight")
    assert 0 <= answer.evaluate(FROM_THE_TOP) <= PIXELS
    phone.button("New messages").or_(phone.button("Jump to latest")).click()
    phone.drawn()
    assert rests_at_the_end(phone)


def rests_at_the_end(app: App) -> bool:
    """Once the page is at rest; lazy parts of it may come late."""
    app.page.wait_for_load_state("networkidle")
    app.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return bool(app.log.evaluate(FROM_THE_END) <= PIXELS)
