"""Answers with more than plain Markdown in them."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.browser import axe
from tests.client.desk import Desk
from tests.client.test_reading import block, shows

FOLD = """<details><summary>The log</summary>

first line

<details><summary>More of it</summary>

- second <sub>line</sub><img src=x onerror=alert(1)>

</details>

</details>

After it.
"""


def test_what_an_answer_folds_opens_on_a_press(phone: App, desk: Desk, axe_source: str) -> None:
    shows(phone, desk, block("text", FOLD))
    summary = phone.log.get_by_text("The log", exact=True)
    expect(phone.log.get_by_text("After it.")).to_be_visible()
    expect(phone.log.get_by_text("first line")).to_be_hidden()
    assert summary.bounding_box()["height"] >= 44  # type: ignore[index]
    summary.tap()
    expect(phone.log.get_by_text("first line")).to_be_visible()
    # By key: it may have come to where the first one was, and a quick tap there is a double press.
    phone.log.locator("summary").nth(1).press("Enter")
    expect(phone.log.locator("details details sub")).to_be_visible()
    expect(phone.log).not_to_contain_text(re.compile("<.?(details|summary)"))
    expect(phone.log.locator("img")).to_have_count(0)
    assert axe(phone.page, axe_source) == []


def test_a_picture_of_many_megabytes_is_not_unpacked(app: App, desk: Desk) -> None:
    shows(app, desk, block("text", f"![huge](data:image/png;base64,{'A' * 4_000_000})"))
    expect(app.log.get_by_text("huge")).to_be_visible()
    expect(app.log.get_by_role("img")).to_have_count(0)
