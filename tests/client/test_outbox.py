"""What the user writes is never lost: outbox, drafts, retries, over cuts and reloads."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.loop import LoopThread
from tests.client.wire import Wire
from tests.harness import Server


def delivery(app: App, text: str) -> Locator:
    """The mark beside the message with these words."""
    return app.log.get_by_role("article", name="You").filter(has_text=text).locator("[data-delivery]")


def test_a_draft_survives_a_reload_and_belongs_to_its_session(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.composer.fill("half a thou")
    app.enter(desk.session("claude"))
    expect(app.composer).to_have_value("")
    app.page.reload()
    app.enter("supervisor")
    expect(app.composer).to_have_value("half a thou")


def test_a_message_written_offline_goes_out_later_and_once(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    expect(app.log).to_contain_text("(message 24 of 24)")
    desk.leave()
    app.until_phase("workstation_offline")
    app.say("table, later")
    expect(delivery(app, "table, later")).to_have_attribute("data-delivery", "waiting")
    app.page.reload()
    expect(delivery(app, "table, later")).to_have_attribute("data-delivery", "waiting")
    desk.arrive()
    app.reads("TCP keep-alive")
    expect(delivery(app, "table, later")).to_have_attribute("data-delivery", "received")
    assert [one["payload"]["command"] for one in desk.got("supervisor.command")] == ["table, later"]


def test_a_lost_acknowledgement_is_asked_for_again_with_the_same_id(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url)
    wire = Wire(app.page)
    app.pair_by_address(desk)
    app.enter("supervisor")
    wire.lose(lambda one: one["type"] in ("message.ack", "response"), at_most=2)
    app.say("table, please")
    app.reads("TCP keep-alive")
    wire.cut()
    app.until_online()
    desk.until_got("history.request", lambda one: "before_sequence" not in one["payload"])
    expect(app.log.get_by_text("table, please")).to_have_count(1)
    expect(app.button("Tap to retry")).to_have_count(0)
    assert len({one["id"] for one in desk.got("supervisor.command")}) == 1


def test_what_was_never_confirmed_can_be_sent_again_or_deleted(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url)
    app.page.clock.install()
    wire = Wire(app.page)
    app.pair_by_address(desk)
    app.enter("supervisor")
    wire.swallow(lambda one: one["type"] == "supervisor.command")
    app.say("table one")
    app.say("status two")
    app.page.clock.run_for(40_000)
    expect(delivery(app, "table one")).to_have_attribute("data-delivery", "failed")
    wire.swallow(None)
    app.log.get_by_role("article").filter(has_text="table one").get_by_role(
        "button", name="Tap to retry"
    ).click()
    app.reads("TCP keep-alive")
    assert len({one["id"] for one in desk.got("supervisor.command")}) == 1


def test_two_tabs_send_a_waiting_message_once(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    tab = app.another_tab()
    tab.until_online()
    tab.enter("supervisor")
    desk.leave()
    app.until_phase("workstation_offline")
    tab.until_phase("workstation_offline")
    app.say("table from the first")
    tab.say("status from the second")
    desk.arrive()
    for each in (app, tab):
        each.reads("TCP keep-alive")
        each.reads("The index holds")
    # A late acknowledgement makes them ask again under the same id, which the workstation takes once.
    sent = {one["id"]: one["payload"]["command"] for one in desk.got("supervisor.command")}
    assert sorted(sent.values()) == ["status from the second", "table from the first"]


def test_what_waits_at_an_old_pairing_is_seen_and_sent_from_the_new_one(
    new_app: NewApp, server: Server, loop: LoopThread
) -> None:
    app = new_app(server.url)
    with Desk(loop, server) as old:
        app.pair_by_address(old)
        app.enter("supervisor")
        app.reads("message 24 of 24")
    app.until_phase("workstation_offline")
    app.say("think about it")
    with Desk(loop, server, auth_key="another-key-of-the-same-workstation") as new:
        app.pair_by_address(new)
        left = app.page.get_by_role("region", name="Messages that wait elsewhere")
        expect(left).to_contain_text("A message waits at an earlier pairing with Demo")
        app.button(re.compile("^Demo")).click()
        details = app.page.get_by_role("group", name="Connection details")
        expect(
            details.get_by_role("button", name=re.compile(f"Demo.*{old.pairing.tunnel_id}"))
        ).to_contain_text("1 message waits")
        app.page.keyboard.press("Escape")
        left.get_by_role("button", name="Send here").dblclick()
        new.until_got("supervisor.command", lambda one: one["payload"]["command"] == "think about it")
        expect(left).to_have_count(0)
        app.reads("with a bounded queue")
        assert len(new.got("supervisor.command")) == 1
