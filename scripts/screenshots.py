"""Takes the pictures of documents and manifest: the web client with a demo workstation, and page /status."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

from tests.client.app import App
from tests.client.browser import DESKTOP, PHONE, launch, visit
from tests.client.desk import Desk
from tests.client.loop import LoopThread
from tests.harness import ROOT, Server

# Shown by browsers that offer to install the client, too; the manifest names them with their sizes.
SCREENS = ROOT / "public" / "static" / "screens"
STATUS = ROOT / "docs" / "status.png"
STATUS_TOKEN = "status-token-0123456789"
WIDE: dict[str, Any] = {**DESKTOP, "viewport": {"width": 1100, "height": 680}, "color_scheme": "light"}
HAND: dict[str, Any] = {
    **PHONE,
    "viewport": {"width": 390, "height": 680},
    "device_scale_factor": 1.5,
    "color_scheme": "dark",
}


def main() -> None:
    """Each picture as a small PNG."""
    with ExitStack() as stack:
        film = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "film.y4m"
        loop = stack.enter_context(LoopThread())
        env = {"WEB_CLIENT_PATH": str(ROOT / "public" / "dist"), "STATUS_TOKEN": STATUS_TOKEN}
        server = stack.enter_context(Server(workers=2, env=env))
        desk = stack.enter_context(Desk(loop, server, name="workshop"))
        browser = launch(stack.enter_context(sync_playwright()), film)
        stack.callback(browser.close)
        with paired(browser, server, desk, WIDE) as app:
            chat(app)
        with paired(browser, server, desk, HAND) as app:
            hand(app, desk)
            status(browser, server)
    for path in (STATUS, *sorted(SCREENS.glob("*.png"))):
        sys.stdout.write(f"{path.name} {path.stat().st_size // 1024} KiB\n")


@contextmanager
def paired(browser: Browser, server: Server, desk: Desk, form: dict[str, Any]) -> Iterator[App]:
    with visit(browser, server.url, **form) as visitor:
        app = App(visitor)
        app.pair_by_address(desk)
        yield app


def chat(app: App) -> None:
    """A conversation at a desk, with the sessions beside it."""
    app.enter("supervisor")
    app.say("code")
    app.reads("def fibonacci")
    app.say("tool")
    app.reads("12 tests")
    expect(app.button("Stop")).to_have_count(0)
    take(app, "chat")


def hand(app: App, desk: Desk) -> None:
    """The list of sessions and a terminal in a hand."""
    app.home()
    app.settled()
    take(app, "sessions")
    app.enter_terminal(desk)
    for command, shown in (("ls", "poem.txt"), ("cat poem.txt", "ping")):
        line = app.page.get_by_role("textbox", name="Type here")
        line.fill(command)
        line.press("Enter")
        expect(app.screen).to_contain_text(shown)
    take(app, "terminal")


def status(browser: Browser, server: Server) -> None:
    """The operator's page."""
    login: Any = {"username": "operator", "password": STATUS_TOKEN}
    page = browser.new_page(
        viewport={"width": 1150, "height": 640}, http_credentials=login, color_scheme="light"
    )
    page.goto(f"{server.url}/status")
    expect(page.get_by_text("workshop")).to_be_visible()
    page.screenshot(path=str(STATUS), full_page=True)
    page.close()


def take(app: App, name: str) -> None:
    app.settled()
    app.drawn()
    app.page.screenshot(path=str(SCREENS / f"{name}.png"), animations="disabled", caret="hide")


if __name__ == "__main__":
    main()
