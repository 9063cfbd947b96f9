"""The wire between a page and the server as a test may spoil it: loses, repeats or holds messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, WebSocketRoute

Message = dict[str, Any]
Choice = Callable[[Message], bool]


class Wire:
    """Stands between `page` and the server from the next socket on. Takes no part until it is told to."""

    def __init__(self, page: Page) -> None:
        self.lost: list[Message] = []
        self.sent: list[Message] = []
        self.joined = 0
        self._lose: Choice | None = None
        self._lose_at_most = 0
        self._repeat: Choice | None = None
        self._swallow: Choice | None = None
        self._pages: list[WebSocketRoute] = []
        page.route_web_socket(re.compile(r"/ws$"), self._join)

    def lose(self, choice: Choice, at_most: int = 1) -> None:
        """Let the next messages from the server that fit be lost."""
        self.lost.clear()
        self._lose, self._lose_at_most = choice, at_most

    def repeat(self, choice: Choice) -> None:
        """Deliver every message from the server that fits twice."""
        self._repeat = choice

    def swallow(self, choice: Choice | None) -> None:
        """Let the page's messages that fit never reach the server; `None` ends it."""
        self._swallow = choice

    def cut(self) -> None:
        """Close the page's socket as a server that went away."""
        for side in self._pages:
            side.close(code=1001, reason="gone")
        self._pages.clear()

    def of(self, type: str) -> list[Message]:
        """The messages of this type that the page has sent."""
        return [one for one in self.sent if one["type"] == type]

    def _join(self, page_side: WebSocketRoute) -> None:
        self.joined += 1
        server_side = page_side.connect_to_server()
        self._pages.append(page_side)
        page_side.on_message(lambda text: self._to_server(server_side, text))
        server_side.on_message(lambda text: self._to_page(page_side, text))

    def _to_server(self, side: WebSocketRoute, text: str | bytes) -> None:
        message = json.loads(text)
        self.sent.append(message)
        if self._swallow is None or not self._swallow(message):
            side.send(text)

    def _to_page(self, side: WebSocketRoute, text: str | bytes) -> None:
        message = json.loads(text)
        if self._lose is not None and len(self.lost) < self._lose_at_most and self._lose(message):
            self.lost.append(message)
            return
        side.send(text)
        if self._repeat is not None and self._repeat(message):
            side.send(text)
