"""Debian's Chromium under Playwright, and a visitor in it who notices what must not happen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

CHROMIUM = "/usr/bin/chromium"
# Chromium's pages without the browser around them: a visit costs half the CPU, but it has no notifications,
# microphone or camera. A test file that needs those says `BROWSER = CHROMIUM`.
HEADLESS_SHELL = "/usr/bin/chromium-headless-shell"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
)
# Leads to this machine, but the browser does not take it for this machine: what http is elsewhere.
INSECURE_HOST = "tunnel.test"
PATIENCE = 30_000  # milliseconds; two cores may be busy with other things
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}

# Runs before any script of the page: what the browser refuses and what hostile text starts is remembered.
WATCH = """
window.__refused = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.__refused.push(`${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`);
});
"""


def launch(playwright: Playwright, film: Path, executable: str = CHROMIUM) -> Browser:
    """Start a browser; its fake camera reads `film` each time it is opened."""
    return playwright.chromium.launch(
        executable_path=executable,
        args=[
            *FLAGS,
            f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1",
            f"--use-file-for-fake-video-capture={film}",
        ],
    )


@dataclass
class Visitor:
    """One browser profile with one page, and what went wrong in it."""

    context: BrowserContext
    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> None:
        self.page.goto(self.url + path)

    def another_page(self) -> Page:
        """A second tab of the same profile."""
        page = self.context.new_page()
        self.watch(page)
        return page

    def watch(self, page: Page) -> None:
        page.set_default_timeout(PATIENCE)
        page.on(
            "pageerror", lambda error: self.errors.append(f"{error.name}: {error.message}\n{error.stack}")
        )
        page.on("request", lambda request: self._look_at(request.url))

    def refused(self) -> list[str]:
        """What the content policy stopped."""
        return list(self.page.evaluate("window.__refused ?? []"))

    def check(self) -> None:
        """No error nobody caught, no violation of the content policy, no word to another host."""
        assert not self.errors, f"errors in the page: {self.errors}"
        assert not self.strangers, f"asked other hosts: {self.strangers}"
        refused = [] if self.page.is_closed() else self.refused()
        assert not refused, f"refused by the content policy: {refused}"

    def _look_at(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("data", "blob", "about"):
            return
        if parts.netloc != urlsplit(self.url).netloc:
            self.strangers.append(url)


@contextmanager
def visit(browser: Browser, url: str, **options: Any) -> Iterator[Visitor]:
    """A new profile for the length of a `with` block; it is checked at the end.

    `scripts` run in each page before its own; the other options are Playwright's.
    """
    scripts = options.pop("scripts", ())
    permissions = options.pop("permissions", ["microphone", "camera", "clipboard-read", "clipboard-write"])
    # Filling a cache that the test does not look at costs each of them half a second.
    quiet = {"reduced_motion": "reduce", "service_workers": "block"}
    context = browser.new_context(**{**DESKTOP, **quiet, **options})
    context.grant_permissions(permissions, origin=url)
    for script in (WATCH, *scripts):
        context.add_init_script(script)
    try:
        visitor = Visitor(context, context.new_page(), url)
        visitor.watch(visitor.page)
        yield visitor
        visitor.check()
    finally:
        context.close()


def axe(page: Page, source: str, rules: tuple[str, ...] = ()) -> list[str]:
    """What axe-core finds wrong with the page as it stands, a line each; all its rules unless named."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(source)
    only = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    found = page.evaluate(
        "options => axe.run(document, options).then((all) => all.violations)",
        {"resultTypes": ["violations"], "preload": False, **only},
    )
    return [
        f"{one['id']}: {one['help']}: {json.dumps([node['html'][:160] for node in one['nodes'][:5]])}"
        for one in found
    ]
