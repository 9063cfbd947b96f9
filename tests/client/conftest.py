"""A server, a demo workstation and a browser for the tests of the web client.

The browser lasts as long as a file's tests and no longer: Playwright keeps an event loop running in the main
thread, where tests elsewhere run loops of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.client.app import App
from tests.client.browser import DESKTOP, HEADLESS_SHELL, PHONE, launch, visit
from tests.client.desk import Desk
from tests.client.loop import LoopThread
from tests.harness import ROOT, Server

# Another build than the tree's own, and a folder that keeps the pictures of every screen.
BUILD = Path(os.environ.get("TIFLIS_TEST_CLIENT_BUILD") or ROOT / "public" / "dist")
PICTURES = os.environ.get("TIFLIS_TEST_PICTURES")
AXE = ROOT / "public" / "node_modules" / "axe-core" / "axe.min.js"

NewApp = Callable[..., App]


@pytest.fixture(scope="package")
def build() -> Path:
    if not (BUILD / "index.html").is_file():
        pytest.fail(f"the web client is not built: {BUILD} (npm ci && npm run build in public/)")
    return BUILD


@pytest.fixture(scope="package")
def loop() -> Iterator[LoopThread]:
    with LoopThread() as running:
        yield running


@pytest.fixture(scope="package")
def server(build: Path) -> Iterator[Server]:
    """Run the server that all tests share which do not disturb it; nginx may be in front of it."""
    with Server(workers=2, env={"WEB_CLIENT_PATH": str(build), "TRUST_PROXY": "127.0.0.1"}) as running:
        yield running


@pytest.fixture
def own_server(build: Path) -> Iterator[Server]:
    """One for a test that breaks it."""
    with Server(workers=2, env={"WEB_CLIENT_PATH": str(build)}) as running:
        yield running


@pytest.fixture
def desk(loop: LoopThread, server: Server) -> Iterator[Desk]:
    """Agents without waiting times."""
    with Desk(loop, server) as running:
        yield running


@pytest.fixture
def calm_desk(loop: LoopThread, server: Server) -> Iterator[Desk]:
    """Agents that take their time, as real ones do."""
    with Desk(loop, server, speed=1.0) as running:
        yield running


@pytest.fixture(scope="package")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's fake camera sees; a test writes it before it opens the camera."""
    return tmp_path_factory.mktemp("camera") / "film.y4m"


@pytest.fixture(scope="module")
def browser(film: Path, request: pytest.FixtureRequest) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = launch(playwright, film, getattr(request.module, "BROWSER", HEADLESS_SHELL))
        yield running
        running.close()


@pytest.fixture
def new_app(browser: Browser) -> Iterator[NewApp]:
    """Opens the client in a profile of its own; with `desk`, paired. Each is checked when the test ends."""
    with ExitStack() as stack:

        def new(url: str, desk: Desk | None = None, *, phone: bool = False, **options: Any) -> App:
            form = PHONE if phone else DESKTOP
            app = App(stack.enter_context(visit(browser, url, **{**form, **options})))
            if desk is None:
                app.open()
            else:
                app.begin_paired(desk)
            return app

        yield new


@pytest.fixture
def app(new_app: NewApp, server: Server, desk: Desk) -> App:
    """At a desk, paired."""
    return new_app(server.url, desk)


@pytest.fixture
def phone(new_app: NewApp, server: Server, desk: Desk) -> App:
    """In a hand, paired."""
    return new_app(server.url, desk, phone=True)


@pytest.fixture(scope="package")
def axe_source() -> str:
    if not AXE.is_file():
        pytest.fail(f"{AXE} is missing: npm ci in public/")
    return AXE.read_text()


@pytest.fixture(scope="package")
def pictures() -> Path | None:
    """Where pictures of the screens are wanted; they take as long as a check."""
    if not PICTURES:
        return None
    folder = Path(PICTURES)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
