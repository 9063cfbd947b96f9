"""A lost socket costs nothing but the moment: the next one goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.test_resilience import long_answer, whole_and_once
from tests.client.wire import Wire
from tests.harness import Server


def cut(wire: Wire, app: App) -> None:
    """Forget what was sent, lose the socket and wait for the next one."""
    wire.sent.clear()
    joined = wire.joined
    wire.cut()
    until(app, lambda: wire.joined > joined and bool(wire.of("auth")), "a new socket")
    app.until_online()


def until(app: App, condition: Callable[[], object], what: str) -> None:
    """As `wait_until`, while the page's sockets go on: they are routed through this thread."""
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        app.page.wait_for_timeout(20)


def test_a_cut_in_mid_answer_is_made_good_without_a_full_synchronisation(
    new_app: NewApp, server: Server, calm_desk: Desk
) -> None:
    app = new_app(server.url)
    wire = Wire(app.page)
    app.pair_by_address(calm_desk)
    long_answer(app, calm_desk)
    cut(wire, app)
    assert "epoch" in wire.of("connect")[0]["payload"]["resume"]
    whole_and_once(app)
    assert not wire.of("sync")
    assert not wire.of("history.request")
    assert not wire.of("session.subscribe")


def test_a_terminal_goes_on_after_a_cut_with_what_it_missed_once(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url)
    wire = Wire(app.page)
    app.pair_by_address(desk)
    app.enter_terminal(desk)
    for number in (1, 2):
        cut(wire, app)
        desk.print(f"after cut {number}\r\n")
        expect(app.screen).to_contain_text(f"after cut {number}")
    app.page.keyboard.type("echo typed again\n")
    desk.until_got("session.input", lambda one: "t" in one["payload"]["data"])
    assert app.screen.inner_text().count("after cut 1") == 1
    assert not wire.of("session.subscribe")
