"""What comes into the field: dictation, one's own words again, quotations, text files."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.client.app import App
from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.harness import Server

# The browser's own recognition needs its maker's servers; this one understands what the test says.
RECOGNITION = """
window.SpeechRecognition = window.webkitSpeechRecognition = class {
  start() { window.__recognition = this; }
  stop() { this.onend?.(); }
  abort() { this.onend?.(); }
};
window.__understand = (...words) =>
  window.__recognition.onresult?.({ results: words.map((transcript) => [{ transcript }]) });
"""
NO_RECOGNITION = "delete window.SpeechRecognition; delete window.webkitSpeechRecognition;"
FILES_MOST = 100_000


def understand(app: App, *words: str) -> None:
    app.page.evaluate("words => window.__understand(...words)", list(words))


def test_dictated_words_can_be_corrected_before_they_are_sent(
    new_app: NewApp, server: Server, desk: Desk
) -> None:
    app = new_app(server.url, desk, scripts=[RECOGNITION])
    app.enter("supervisor")
    app.composer.fill("Please")
    app.button("Dictate").click()
    understand(app, "run the")
    expect(app.composer).to_have_value("Please run the")
    understand(app, "run the", " tests")
    expect(app.composer).to_have_value("Please run the tests")
    assert desk.got("supervisor.command") == []
    app.composer.fill("Please run the tests twice")
    expect(app.button("Dictate")).to_be_visible()
    understand(app, "run the", "tests", "now")
    expect(app.composer).to_have_value("Please run the tests twice")


def test_nothing_offers_to_dictate_where_it_cannot_work(new_app: NewApp, server: Server, desk: Desk) -> None:
    app = new_app(server.url, desk, scripts=[NO_RECOGNITION])
    app.enter("supervisor")
    expect(app.button("Record a voice message")).to_be_visible()
    expect(app.button("Dictate")).to_have_count(0)
    refusing = new_app(server.url, desk, scripts=[RECOGNITION])
    refusing.enter("supervisor")
    refusing.button("Dictate").click()
    refusing.page.evaluate("__recognition.onerror({ error: 'network' }), __recognition.onend()")
    expect(refusing.page.get_by_text("speech recognition does not work here")).to_be_visible()
    expect(refusing.button("Dictate")).to_have_count(0)


def own(app: App, text: str) -> Locator:
    return app.log.get_by_role("article", name="You").filter(has_text=text)


def test_own_words_are_edited_and_sent_again(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.say("status one")
    app.reads("The index holds")
    own(app, "status one").get_by_role("button", name=re.compile("^Edit")).click()
    expect(app.composer).to_have_value("status one")
    expect(app.composer).to_be_focused()
    app.composer.fill("status two")
    app.button("Send").click()
    desk.until_got("supervisor.command", lambda one: one["payload"]["command"] == "status two")
    own(app, "status one").get_by_role("button", name=re.compile("^Send again")).dblclick()
    expect(own(app, "status one")).to_have_count(2)
    sent = [one["payload"]["command"] for one in desk.got("supervisor.command")]
    assert sent.count("status one") <= 2


def test_arrow_up_in_an_empty_field_brings_ones_own_words(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    for words in ("status one", "table two"):
        app.say(words)
        expect(app.log).to_have_attribute("aria-busy", "false")
        expect(own(app, words)).to_have_count(1)
    app.composer.focus()
    for key, shown in (
        ("ArrowUp", "table two"),
        ("ArrowUp", "status one"),
        ("ArrowDown", "table two"),
        ("ArrowDown", ""),
    ):
        app.page.keyboard.press(key)
        expect(app.composer).to_have_value(shown)
    app.composer.fill("of my own")
    app.page.keyboard.press("ArrowUp")
    expect(app.composer).to_have_value("of my own")


def test_a_selection_is_quoted(app: App, desk: Desk) -> None:
    app.enter("supervisor")
    app.say("status")
    app.reads("The index holds")
    app.composer.fill("About this:")
    app.log.get_by_role("article", name="You").last.evaluate("own => getSelection().selectAllChildren(own)")
    app.log.get_by_text("status", exact=True).first.evaluate(
        "words => getSelection().selectAllChildren(words)"
    )
    app.button("Quote").evaluate("one => (one.click(), one.click())")
    expect(app.composer).to_have_value("About this:\n> status\n\n")
    expect(app.composer).to_be_focused()
    expect(app.button("Quote")).to_have_count(0)


def bring(app: App, how: str, name: str, content: str | list[int]) -> None:
    """A file, as the browser reports one that is dropped or pasted; bytes as a list of numbers."""
    app.composer.evaluate(
        """(field, [how, name, content]) => {
          const part = typeof content === 'string' ? content : new Uint8Array(content);
          const data = new DataTransfer();
          data.items.add(new File([part], name));
          const init = { bubbles: true, cancelable: true };
          if (how === 'paste')
            return field.dispatchEvent(new ClipboardEvent('paste', { ...init, clipboardData: data }));
          for (const type of how === 'drop' ? ['dragover', 'drop'] : ['dragover'])
            document.body.dispatchEvent(new DragEvent(type, { ...init, dataTransfer: data }));
        }""",
        [how, name, content],
    )


def test_text_files_come_into_the_message(app: App) -> None:
    app.enter("supervisor")
    bring(app, "drop", "one.py", "print('```')\n")
    expect(app.composer).to_have_value("one.py\n```py\nprint('```')\n```\n")
    bring(app, "paste", "notes", "two")
    expect(app.composer).to_have_value("one.py\n```py\nprint('```')\n```\nnotes\n```\ntwo\n```\n")


def test_the_limit_is_shown_and_what_does_not_fit_is_refused_by_name(app: App) -> None:
    app.enter("supervisor")
    bring(app, "drag", "any.txt", "any")
    expect(app.page.get_by_text("Drop text files here, up to 100 kB")).to_be_visible()
    bring(app, "drop", "big.log", "x" * (FILES_MOST + 1))
    expect(app.page.get_by_text("big.log is too large: text files of up to 100 kB")).to_be_visible()
    bring(app, "paste", "picture.png", [0x89, 0x50, 0x4E, 0x47, 0])
    expect(app.page.get_by_text("picture.png is not a text file")).to_be_visible()
    expect(app.composer).to_have_value("")
    expect(app.page.get_by_text("Drop text files here")).to_have_count(0)
