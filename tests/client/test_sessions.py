"""The list of sessions: what it tells, starting and ending sessions, the same on all devices."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk, Message
from tests.harness import Server


def start(app: App, kind: str) -> None:
    app.button("New session").click()
    app.page.get_by_role("dialog").get_by_role("radio", name=re.compile(f"^{kind}")).check(force=True)


def test_the_list_names_kind_path_and_state(app: App) -> None:
    agents = app.page.get_by_role("region", name="Agents")
    terminals = app.page.get_by_role("region", name="Terminals")
    expect(agents.get_by_role("link", name=re.compile("snake-game.*Cursor"))).to_contain_text(
        "~/work/playground/snake-game"
    )
    expect(agents.get_by_role("link", name=re.compile("feature-frames.*reviewer"))).to_be_visible()
    expect(terminals.get_by_role("link")).to_have_count(1)


def test_an_agent_is_started_in_a_project_and_a_worktree(phone: App, desk: Desk) -> None:
    start(phone, "reviewer")
    dialog = phone.page.get_by_role("dialog")
    dialog.get_by_label("Workspace").select_option("playground")
    dialog.get_by_label("Project").select_option("raytracer")
    dialog.get_by_label("Worktree").fill("feature-light")
    dialog.get_by_role("button", name="Create").click()
    expect(phone.page.get_by_role("heading", name=re.compile("raytracer . feature-light"))).to_be_visible()
    asked = desk.until_got("supervisor.create_session")["payload"]
    assert asked["workspace"] == "playground"
    assert asked["project"] == "raytracer"
    assert asked["worktree"] == "feature-light"


def test_hidden_agents_are_not_offered(app: App) -> None:
    app.button("New session").click()
    dialog = app.page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", name="Claude Code")).to_be_attached()
    expect(dialog.get_by_text("OpenCode")).to_have_count(0)


def test_a_terminal_needs_no_project(app: App) -> None:
    start(app, "Terminal")
    app.page.get_by_role("dialog").get_by_label("Workspace").select_option("")
    app.page.get_by_role("dialog").get_by_role("button", name="Create").click()
    expect(app.screen).to_contain_text("$")


def test_a_session_is_ended_after_a_question(app: App, desk: Desk) -> None:
    app.enter(desk.session("cursor"))
    app.button("More").click()
    app.page.get_by_role("menuitem", name="End session").click()
    dialog = app.page.get_by_role("dialog")
    expect(dialog).to_contain_text("End this session?")
    assert desk.got("supervisor.terminate_session") == []
    dialog.get_by_role("button", name="End session").click()
    expect(app.session_link(re.compile("snake-game"))).to_have_count(0)


def test_what_one_device_starts_and_ends_the_other_sees(new_app: NewApp, server: Server, desk: Desk) -> None:
    one, other = new_app(server.url, desk), new_app(server.url, desk, phone=True)
    start(one, "Claude")
    one.page.get_by_role("dialog").get_by_label("Project").select_option("website")
    one.page.get_by_role("dialog").get_by_role("button", name="Create").click()
    made = other.session_link(re.compile("website.*Claude"))
    expect(made).to_be_visible()
    made.click()
    expect(other.composer).to_be_visible()
    one.button("More").click()
    one.page.get_by_role("menuitem", name="End session").click()
    one.page.get_by_role("dialog").get_by_role("button", name="End session").click()
    expect(other.page.get_by_text("This session has ended")).to_be_visible()


def test_work_and_unread_answers_show_in_the_list(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    row = app.session_link(re.compile(r"^tunnel.*Claude"))
    expect(row).to_be_visible()

    def answer(complete: bool) -> Message:
        payload = {"content_type": "agent", "content": "Done.", "is_complete": complete}
        return {"type": "session.output", "session_id": desk.session("claude"), "payload": payload}

    desk.tell_all(answer(complete=False))
    expect(row).to_contain_text("working")
    desk.tell_all(answer(complete=True))
    expect(row).to_contain_text("1 unread")
    row.click()
    expect(row).not_to_contain_text("unread")


def test_a_place_that_does_not_exist_is_no_dead_end(app: App) -> None:
    app.enter("no-such-session")
    expect(app.page.get_by_text("This session has ended")).to_be_visible()
    app.page.get_by_role("main").get_by_role("button", name="Sessions").click()
    expect(app.composer).to_be_visible()
