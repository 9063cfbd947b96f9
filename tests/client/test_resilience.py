"""Coming back by itself: workers die, the server restarts, the workstation and the network go away."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.loop import LoopThread
from tests.client.wire import Wire
from tests.harness import Server, wait_until

END_OF_LONG = "put the phone away after five"


def long_answer(app: App, desk: Desk) -> None:
    """An answer that is under way."""
    app.enter("supervisor")
    app.reads("(message 24 of 24)")
    app.say("long")
    app.reads("On tunnels")


def whole_and_once(app: App) -> None:
    app.reads(END_OF_LONG)
    expect(app.log.get_by_role("heading", name="On tunnels")).to_have_count(1)
    expect(app.log.get_by_text("long", exact=True)).to_have_count(1)


def test_every_worker_is_killed_in_mid_stream(new_app: NewApp, own_server: Server, loop: LoopThread) -> None:
    with Desk(loop, own_server, speed=1.0) as desk:
        app = new_app(own_server.url, desk)
        long_answer(app, desk)
        victims = set(own_server.worker_pids().values())
        for pid in victims:
            own_server.kill_worker(pid)
        whole_and_once(app)
        wait_until(lambda: len(set(own_server.worker_pids().values()) - victims) == 2, 20, "two new workers")
        app.say("table")
        app.reads("TCP keep-alive")


def test_the_server_restarts_in_mid_stream(new_app: NewApp, own_server: Server, loop: LoopThread) -> None:
    with Desk(loop, own_server, speed=1.0) as desk:
        app = new_app(own_server.url, desk, phone=True)
        long_answer(app, desk)
        own_server.stop()
        app.composer.fill("written while it was down")
        own_server.start()
        whole_and_once(app)
        expect(app.composer).to_have_value("written while it was down")
        app.button("Send").click()
        app.reads("written while it was down")
        desk.until_got("supervisor.command", lambda one: one["payload"]["command"].startswith("written"))


def test_the_workstation_restarts_with_nothing_in_its_memory(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.say("table")
    app.reads("TCP keep-alive")
    desk.leave()
    app.until_phase("workstation_offline")
    expect(app.phase).to_contain_text("Workstation offline")
    desk.arrive()
    app.until_online()
    app.say("status")
    app.reads("The index holds")
    terminal = desk.session("terminal")
    app.enter(terminal)
    expect(app.screen).to_contain_text("$")


def test_a_workstation_that_is_away_at_first_is_waited_for(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    """The late `connected`: the page is opened, and only then the workstation comes."""
    desk.leave()
    app = new_app(server.url)
    app.open(f"/#data={desk.pairing.data}")
    app.agree()
    expect(app.page.get_by_role("dialog")).to_contain_text("Workstation offline")
    desk.arrive()
    app.until_online()
    app.enter("supervisor")
    app.say("table")
    app.reads("TCP keep-alive")


def test_a_lost_network_is_told_and_comes_back(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url)
    wire = Wire(app.page)
    app.pair_by_address(desk)
    app.visitor.context.set_offline(True)
    wire.cut()
    app.until_phase("disconnected")
    app.phase.click()
    expect(app.page.get_by_role("group", name="Connection details")).to_contain_text("no network")
    app.visitor.context.set_offline(False)
    app.until_online()


@pytest.mark.parametrize("phone", [False, True])
def test_the_state_never_steals_the_screen(new_app: NewApp, server: Server, desk: Desk, phone: bool) -> None:
    app = new_app(server.url, desk, phone=phone)
    app.enter("supervisor")
    app.composer.fill("half a sentence")
    app.composer.focus()
    desk.leave()
    expect(app.page.get_by_text("Workstation offline").first).to_be_visible()
    app.page.keyboard.type(" and on")
    expect(app.composer).to_have_value("half a sentence and on")
    expect(app.composer).to_be_focused()
    desk.arrive()
    expect(app.page.get_by_text("Workstation offline")).to_have_count(0)
    expect(app.composer).to_be_focused()
