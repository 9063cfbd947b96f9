"""Names, words and addresses of any length stay in their place on a small screen."""

from __future__ import annotations

import re
from urllib.parse import quote

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.loop import LoopThread
from tests.client.test_hostile import output
from tests.harness import Server

LONG = "x" * 220
# What can be scrolled sideways and was not made for it.
SIDEWAYS = """() => [document.documentElement, ...document.querySelectorAll('body *')]
  .filter((one) => one.checkVisibility() && !one.matches('pre, code, textarea, input, select, .diff'))
  .filter((one) => one === document.documentElement || /auto|scroll/.test(getComputedStyle(one).overflowX))
  .filter((one) => one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > innerWidth)
  .map((one) => one.outerHTML.slice(0, 160))"""


def fits(app: App, where: str) -> None:
    app.settled()
    app.drawn()
    assert app.page.evaluate(SIDEWAYS) == [], where


def test_long_names_blow_up_no_screen(new_app: NewApp, server: Server, loop: LoopThread) -> None:
    with Desk(loop, server, name=LONG) as desk:
        session = desk.open_agent(LONG, f"/{LONG}/{LONG}", LONG)
        app = new_app(server.url, desk, phone=True, viewport={"width": 360, "height": 640})
        expect(app.session_link(re.compile("xxx"))).to_be_visible()
        fits(app, "the list")
        app.phase.click()
        fits(app, "the connection")
        app.page.keyboard.press("Escape")
        app.page.keyboard.press("Control+k")
        fits(app, "the palette")
        app.page.keyboard.press("Escape")
        app.enter(session)
        fits(app, "a conversation")
        for place in ("settings", "devices", "notifications", "new"):
            app.go(f"#/{place}")
            fits(app, place)
        app.go("#/settings")
        app.page.get_by_role("main").locator("[aria-haspopup=menu]").click()
        app.page.get_by_role("menuitem", name="Forget").click()
        fits(app, "a question about it")


def test_long_words_blow_up_no_answer_and_no_question(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url, desk, phone=True, viewport={"width": 360, "height": 640})
    app.enter("supervisor")
    app.reads("message 24 of 24")
    button = {"id": "one", "title": LONG, "style": "primary", "action": f"send:{LONG}"}
    kinds = ("text", "code", "error", "status", "thinking", "cancel")
    blocks = [
        {"id": kind, "block_type": kind, "content": LONG, "metadata": {"error_code": LONG}} for kind in kinds
    ]
    desk.tell_all(
        output(
            [
                *blocks,
                {
                    "id": "b",
                    "block_type": "action_buttons",
                    "content": LONG,
                    "metadata": {"buttons": [button]},
                },
            ]
        )
    )
    expect(app.button(LONG)).to_be_visible()
    fits(app, "an answer")
    app.say("think")
    expect(app.button("Stop")).to_have_count(0)
    app.button(LONG).click()
    expect(app.page.get_by_role("dialog", name="Say this now?")).to_be_visible()
    fits(app, "a question")
    app.page.keyboard.press("Escape")
    desk.tell_all({"type": "error", "payload": {"code": "ODD", "message": LONG}})
    expect(app.page.locator("[data-notice=error]")).to_be_visible()
    fits(app, "a notice")


def test_the_question_before_a_pairing_shows_all_of_the_host(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url, phone=True, viewport={"width": 360, "height": 640})
    host = ".".join(["safe", *["x" * 40] * 4, "evil.test"])
    link = desk.pairing.json.replace("ws://127.0.0.1", f"wss://{host}")
    app.paste(link)
    title = app.page.get_by_role("dialog").get_by_role("heading")
    expect(title).to_contain_text("evil.test")
    fits(app, quote(host))
    cut = title.evaluate(
        "one => one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight + 1"
    )
    assert not cut
