"""Names written from right to left: each stands by itself, and moves no word or punctuation around it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server

ALIAS = "مراجع (2)"
PROJECT = "مشروع!"
FOLDERS = "/home/u/عمل/مشروع"
NAME = "שולחן!"
# Where the first place of each of these texts is drawn within the element; pixels.
PLACES = """(element, texts) => texts.map((text) => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const at = node.nodeValue.indexOf(text);
    if (at < 0) continue;
    const range = new Range();
    range.setStart(node, at);
    range.setEnd(node, at + text.length);
    return range.getBoundingClientRect().left;
  }
  return null;
})"""


def in_order(element: Locator, *texts: str) -> None:
    """The texts are drawn from left to right."""
    places = element.evaluate(PLACES, list(texts))
    assert places == sorted(places), dict(zip(texts, places, strict=True))


def test_a_name_in_a_title_a_list_and_a_sheet_keeps_its_own_direction(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    session = desk.open_agent(PROJECT, FOLDERS, ALIAS)
    app = new_app(server.url, desk)
    row = app.session_link(re.compile(PROJECT))
    in_order(row, "مراجع", "·", "~/", "عمل", "مشروع\u2069")
    app.enter(session)
    expect(app.page).to_have_title(re.compile(f"^\u2068{PROJECT}\u2069 · Tiflis$"))
    expect(app.composer).to_have_attribute("placeholder", f"Message \u2068{PROJECT}\u2069")
    app.go("#/settings")
    menu = app.button(re.compile(": Workstations$"))
    menu.click()
    app.page.get_by_role("menuitem", name="Rename").click()
    field = app.page.get_by_role("dialog").get_by_role("textbox")
    field.fill(NAME)
    assert field.evaluate("one => getComputedStyle(one).direction") == "rtl"
    field.press("Enter")
    menu.click()
    app.page.get_by_role("menuitem", name="Forget").click()
    title = app.page.get_by_role("dialog").get_by_role("heading")
    # The name's own mark stands at its end, which is to the left.
    in_order(title, "!", "שולחן")


def test_a_name_cannot_turn_the_sentence_around_it(app: App, desk: Desk) -> None:
    hostile = "\u202egnp.\u2069\u202eexe"
    app.enter("supervisor")
    app.composer.evaluate(
        """(field, name) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array([0])], name));
          field.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, clipboardData: data }));
        }""",
        hostile,
    )
    notice = app.page.locator("[data-notice] span").first
    expect(notice).to_contain_text("\u2068gnp.exe\u2069 is not a text file")
    in_order(notice, "gnp.exe", "is not a text file")
