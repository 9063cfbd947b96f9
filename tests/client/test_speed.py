"""A long conversation costs little more than a short one: few rows at a time, and cheap updates."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import CDPSession, Page, WebSocketRoute, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.harness import Server, wait_until

Message = dict[str, Any]

MESSAGES = 120
PAGE = 50
UPDATES = 30
ROWS_PER_FRAME = 8  # two steps, where rows are drawn a frame late
MANY = 50
MOST_TIMES = 4  # as much with many rows mounted as with few
WORDS = "It has **bold** parts, `code` and [links](https://example.com/). " * 3
PAIRING = {"tunnel_id": "t", "url": "ws://127.0.0.1:1/ws", "key": "0123456789abcdef"}
TALK = [
    {
        "message_id": f"m{number}",
        "sequence": number,
        "role": "user" if number % 2 else "assistant",
        "content": f"message {number} " + ("" if number % 2 else WORDS),
        "createdAt": "2026-01-15T12:00:00.000Z",
    }
    for number in range(1, MESSAGES + 1)
]

# Scrolls back for so many frames; returns how many rows came at once at most.
MOST_PER_FRAME = """async (log, frames) => {
  const added = [];
  const isRow = (node) => node.querySelector?.('article');
  const observer = new MutationObserver((changes) =>
    added.push(changes.flatMap((change) => [...change.addedNodes]).filter(isRow).length));
  observer.observe(log, { childList: true, subtree: true });
  for (let frame = 0; frame < frames; frame += 1) {
    log.scrollTop -= frame ? 60 : 2000;
    await new Promise(requestAnimationFrame);
  }
  return Math.max(0, ...added);
}"""

# Counts the rows that are mounted within each frame from now on; `window.__most` is the most so far.
COUNT_PER_FRAME = """() => {
  let count = 0;
  window.__most = 0;
  const rows = (node) => (node.querySelectorAll ? node.querySelectorAll('article').length : 0);
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) count += rows(node);
    window.__most = Math.max(window.__most, count);
  }).observe(document.body, { childList: true, subtree: true });
  const next = () => { count = 0; requestAnimationFrame(next); };
  next();
}"""


class Talker:
    """A server and a workstation in one, with a long conversation behind them."""

    def __init__(self, page: Page) -> None:
        self._side: WebSocketRoute | None = None
        page.route_web_socket(re.compile(r"/ws$"), self._join)

    def stream(self, text: str, complete: bool = False) -> None:
        block = {"id": "b", "block_type": "text", "content": text}
        payload = {"content_type": "supervisor", "content_blocks": [block], "is_complete": complete}
        self._say({"type": "supervisor.output", "streaming_message_id": "live", "payload": payload})

    def _join(self, side: WebSocketRoute) -> None:
        self._side = side
        side.on_message(lambda text: self._answer(json.loads(text)))

    def _answer(self, asked: Message) -> None:
        answers: dict[str, Callable[[], Message]] = {
            "connect": lambda: {"type": "connected", "payload": {"tunnel_id": "t"}},
            "auth": lambda: {"type": "auth.success", "payload": {}},
            "sync": lambda: {"type": "sync.state", "payload": {"sessions": [], "subscriptions": []}},
            "ping": lambda: {"type": "pong", "timestamp": asked["timestamp"]},
            "heartbeat": lambda: {"type": "heartbeat.ack", "id": asked["id"]},
            "history.request": lambda: self._page(asked),
        }
        if asked["type"] in answers:
            self._say(answers[asked["type"]]())

    def _page(self, asked: Message) -> Message:
        before = asked["payload"].get("before_sequence", MESSAGES + 1)
        older = TALK[: before - 1]
        payload = {"history": older[-PAGE:], "has_more": len(older) > PAGE}
        return {"type": "history.response", "id": asked["id"], "payload": payload}

    def _say(self, message: Message) -> None:
        assert self._side is not None
        self._side.send(json.dumps(message))


def paired(new_app: NewApp, server: Server) -> tuple[App, Talker]:
    """Return a phone's page that is paired with a workstation of long history."""
    app = new_app(server.url, phone=True)
    talker = Talker(app.page)
    app.open(f"/#data={json.dumps(PAIRING)}")
    app.agree()
    app.until_online()
    return app, talker


def test_a_stream_update_costs_little_more_with_many_messages_mounted(
    new_app: NewApp, server: Server
) -> None:
    app, talker = paired(new_app, server)
    app.enter("supervisor")
    app.reads(f"message {MESSAGES}")
    with_few = cost_of_updates(app.page, talker)
    mount(app, MANY)
    cost = cost_of_updates(app.page, talker)
    assert cost <= MOST_TIMES * with_few, f"{cost:.1f} ms an update, {with_few:.1f} ms with few mounted"


def test_scrolling_back_mounts_few_rows_per_frame(new_app: NewApp, server: Server) -> None:
    app, _ = paired(new_app, server)
    app.enter("supervisor")
    app.reads(f"message {MESSAGES}")
    most = app.log.evaluate(MOST_PER_FRAME, 100)
    assert 0 < most <= ROWS_PER_FRAME


def test_opening_a_conversation_mounts_few_rows_per_frame(new_app: NewApp, server: Server) -> None:
    app, _ = paired(new_app, server)
    app.page.evaluate(COUNT_PER_FRAME)
    app.enter("supervisor")
    app.reads(f"message {MESSAGES}")
    wait_until(lambda: app.log.evaluate("log => log.scrollTop") > 800, 20, "there is room to scroll back")
    assert 0 < app.page.evaluate("window.__most") <= ROWS_PER_FRAME


def test_a_found_message_far_back_mounts_few_rows_per_frame(new_app: NewApp, server: Server) -> None:
    app, _ = paired(new_app, server)
    app.enter("supervisor")
    app.reads(f"message {MESSAGES}")
    app.button("Search in this conversation").click()
    app.page.evaluate(COUNT_PER_FRAME)
    app.page.get_by_role("searchbox").fill("message 75")
    expect(app.log.get_by_text("message 75", exact=True)).to_be_in_viewport()
    app.drawn()
    assert 0 < app.page.evaluate("window.__most") <= ROWS_PER_FRAME


def mounted(app: App) -> int:
    return app.log.locator("article").count()


def mount(app: App, rows: int) -> None:
    """As a reader does who looks far back."""

    def scrolled() -> bool:
        app.log.evaluate("log => { log.scrollTop -= 500 }")
        app.drawn()
        return mounted(app) >= rows

    wait_until(scrolled, 60, f"{rows} messages are mounted")


def cost_of_updates(page: Page, talker: Talker) -> float:
    """Milliseconds of the main thread's own time for each snapshot; what else runs here is not counted."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    words = "\n\n".join(f"**{count}.** A paragraph with `code` and *stress*." for count in range(UPDATES))
    talker.stream("It begins.")
    page.wait_for_timeout(500)
    before = busy(devtools)
    for count in range(1, UPDATES + 1):
        talker.stream(words[: len(words) * count // UPDATES])
        page.wait_for_timeout(70)
    return (busy(devtools) - before) * 1000 / UPDATES


def busy(devtools: CDPSession) -> float:
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))
