"""The web client as its user sees it: by names, roles and words on screen."""

from __future__ import annotations

import re
from dataclasses import replace

from playwright.sync_api import Locator, Page, expect

from tests.client.browser import PATIENCE, Visitor
from tests.client.desk import Desk
from tests.client.profile import seed

expect.set_options(timeout=PATIENCE)


class App:
    """One device's client. `page` is for what has no verb here."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page: Page = visitor.page

    # --- getting in ---

    def open(self, path: str = "/") -> None:
        self.visitor.open(path)

    def begin_paired(self, desk: Desk) -> None:
        """Open the client in a fresh profile that is paired already."""
        self.open("/healthz")
        seed(self.page, desk.pairing)
        self.open()
        self.until_online()

    def pair_by_address(self, desk: Desk) -> None:
        """By opening the workstation's web link."""
        self.open(f"/#data={desk.pairing.data}")
        self.agree()
        self.until_online()

    def paste(self, text: str) -> None:
        """The workstation's link or JSON, into the start page."""
        self.page.get_by_role("textbox", name="Pairing link or JSON").fill(text)
        self.button("Pair").click()

    def agree(self) -> None:
        """To the question that comes before each pairing."""
        self.page.get_by_role("dialog", name=re.compile("^Pair with")).get_by_role(
            "button", name="Pair"
        ).click()

    @property
    def phase(self) -> Locator:
        """Where the state of the connection is told."""
        return self.page.get_by_test_id("connection-phase").first

    def until_online(self) -> None:
        self.until_phase("verified")

    def until_phase(self, phase: str) -> None:
        expect(self.phase).to_have_attribute("data-phase", phase)

    def another_tab(self) -> App:
        """The same profile in a second tab, at the start page."""
        page = self.visitor.another_page()
        page.goto(self.visitor.url)
        return App(replace(self.visitor, page=page))

    # --- going about ---

    def home(self) -> None:
        """The list of sessions; at a desk it is always there."""
        self.go("#/")

    def go(self, fragment: str) -> None:
        self.page.evaluate("fragment => { location.hash = fragment }", fragment)

    def reload(self) -> None:
        """Load the page anew, once a sheet that has closed has left the history."""
        self.page.wait_for_function("() => !history.state?.over")
        self.page.reload()

    def settled(self) -> None:
        """Every part of the screen is loaded."""
        expect(self.page.get_by_role("status", name="Loading")).to_have_count(0)

    def drawn(self) -> None:
        """What has changed by now is on the screen."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def session_link(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("link", name=name)

    def enter(self, key: str) -> None:
        """A conversation or terminal by its key."""
        self.go(f"#/s/{key}")

    # --- talking ---

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log", name="Conversation")

    @property
    def composer(self) -> Locator:
        return self.page.get_by_role("textbox", name=re.compile("^Message"))

    def say(self, text: str) -> None:
        self.composer.fill(text)
        self.button("Send").click()

    def say_while_it_works(self, *texts: str) -> None:
        """Ask the supervisor for a long answer, and say more while it streams."""
        self.enter("supervisor")
        self.say("long")
        self.reads("On tunnels")
        for text in texts:
            self.say(text)

    def button(self, name: str | re.Pattern[str], exact: bool = True) -> Locator:
        return self.page.get_by_role("button", name=name, exact=exact)

    def reads(self, text: str | re.Pattern[str]) -> None:
        """The words stand in the conversation."""
        expect(self.log).to_contain_text(text)

    def unfold(self) -> None:
        """Open every fold in the conversation, and the folds within.

        By key: the next fold comes to where the last one was; a quick click there is a double press.
        """
        folded = self.log.get_by_role("button", expanded=False)
        for _ in range(50):
            if not folded.count():
                # Parts that are loaded late bring folds of their own.
                self.settled()
                self.drawn()
                if not folded.count():
                    return
            folded.first.press("Enter")
        raise AssertionError("folds are left after 50 were opened")

    # --- the terminal ---

    @property
    def screen(self) -> Locator:
        return self.page.locator(".xterm-rows")

    def enter_terminal(self, desk: Desk) -> None:
        self.enter(desk.session("terminal"))
        expect(self.screen).to_contain_text("$")
