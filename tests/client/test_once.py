"""What is asked for twice in a hurry is done once, and what takes its time does not pull the reader back."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.desk import Desk, Message
from tests.client.test_hostile import output
from tests.client.wire import Wire


def offer(action: str) -> Message:
    button = {"id": "one", "title": "Start it", "style": "primary", "action": action}
    block = {
        "id": "b",
        "block_type": "action_buttons",
        "content": "Shall I?",
        "metadata": {"buttons": [button]},
    }
    return output([block], "Shall I?", "offer")


def test_a_terminal_is_started_once_and_opens_only_where_it_was_asked_for(app: App, desk: Desk) -> None:
    wire = Wire(app.page)
    app.reload()
    app.until_online()
    app.enter("supervisor")
    app.reads("message 24 of 24")
    desk.tell_all(offer("session:terminal"))
    app.button("Start it").dblclick()
    expect(app.screen).to_contain_text("$")
    assert len(desk.got("supervisor.create_session")) == 1
    # The answer is waited for while the reader goes elsewhere.
    app.enter("supervisor")
    wire.swallow(lambda one: one["type"] == "supervisor.create_session")
    app.button("Start it").click()
    expect(app.button("Start it")).to_be_disabled()
    app.go("#/settings")
    created = wire.of("supervisor.create_session")[-1]
    desk.tell_all(
        {"type": "response", "id": created["id"], "payload": {"session_id": desk.session("terminal")}}
    )
    app.drawn()
    assert app.page.evaluate("location.hash") == "#/settings"


def test_escape_twice_stops_once(app: App, desk: Desk) -> None:
    desk.work_at(1.0)
    wire = Wire(app.page)
    app.reload()
    app.until_online()
    app.enter("supervisor")
    app.say("slow")
    app.reads("Stop me at any time")
    wire.swallow(lambda one: one["type"] == "supervisor.cancel")
    app.page.keyboard.press("Escape")
    expect(app.button("Stopping")).to_be_disabled()
    app.page.keyboard.press("Escape")
    app.drawn()
    assert len(wire.of("supervisor.cancel")) == 1
