"""What the shipped workstation does that the specification does not say: nothing of it shows on screen."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server

# A question each, and words that stand in no other answer.
ASKED = {
    "think": "with a bounded queue",
    "table": "Three ways to hold",
    "status": "The index holds",
    "unknown": "a type that no client knows",
    "code": "A small function first",
}
ROLES_AND_WORDS = "all => all.map(one => [one.dataset.role, one.innerText])"


def newest(app: App, count: int) -> list[list[str]]:
    """Role and words of the last messages on screen."""
    rows: list[list[str]] = app.log.locator("article").evaluate_all(ROLES_AND_WORDS)
    return rows[-count:]


def each_answer_stands_once_below_its_question(app: App, asked: list[str]) -> None:
    rows = newest(app, 2 * len(asked))
    assert [role for role, _ in rows] == ["user", "assistant"] * len(asked)
    for question, (_, said), (_, answer) in zip(asked, rows[::2], rows[1::2], strict=True):
        assert said.startswith(question)
        assert ASKED[question] in answer
        assert [other for other, words in ASKED.items() if words in answer] == [question]


def test_five_devices_that_ask_in_turn_see_every_answer_once_below_its_question(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    apps = [new_app(server.url, desk, phone=number % 2 == 1) for number in range(5)]
    for app in apps:
        app.enter("supervisor")
        app.reads("message 24 of 24")
    for app, (question, answer) in zip(apps, ASKED.items(), strict=True):
        app.say(question)
        for each in apps:
            each.reads(answer)
            expect(each.button("Stop")).to_have_count(0)
    for app in apps:
        each_answer_stands_once_below_its_question(app, list(ASKED))


@pytest.mark.parametrize("kind", ["supervisor", "cursor"])
def test_two_devices_that_ask_at_the_same_time_see_both_answers_ended(
    new_app: NewApp, server: Server, calm_desk: Desk, kind: str
) -> None:
    one, other = new_app(server.url, calm_desk), new_app(server.url, calm_desk, phone=True)
    for app in (one, other):
        app.enter(kind if kind == "supervisor" else calm_desk.session(kind))
        app.reads(re.compile(r"message (24 of 24|2 of 2)"))
        app.composer.fill("think" if app is one else "table")
    one.button("Send").click()
    other.button("Send").click()
    for app in (one, other):
        app.reads(ASKED["think"])
        app.reads("A link that nobody uses")
        expect(app.button("Stop")).to_have_count(0)
    # Whichever came first: the answers stand below their questions.
    asked = [said.split("\n")[0] for role, said in newest(one, 4) if role == "user"]
    assert sorted(asked) == ["table", "think"]
    for app in (one, other):
        each_answer_stands_once_below_its_question(app, asked)


def test_an_agents_second_answer_ends_though_its_last_frame_never_comes(app: App, desk: Desk) -> None:
    app.enter(desk.session("cursor"))
    app.say("think")
    app.reads(ASKED["think"])
    expect(app.button("Stop")).to_have_count(0)
    app.say("table")
    app.reads("measured")
    expect(app.button("Stop")).to_have_count(0)
    expect(app.log.locator("article[aria-busy=true]")).to_have_count(0)
    each_answer_stands_once_below_its_question(app, ["think", "table"])
