"""Formulas in answers, and what only looks like one."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.client.app import App
from tests.client.browser import axe
from tests.client.desk import Desk
from tests.client.test_reading import block, shows

MATH = r"""It costs $5 and `\(code\)`, $HOME is $x$. Inline \(a + \frac{1}{2}\) and

\[
\int_0^\infty e^{-x^2}\,dx
\]

$$
\begin{pmatrix} a \\[2pt] c \end{pmatrix}
$$

Not $$\frac{$$, nor \(\href{javascript:alert(1)}{x}\).
"""


def test_formulas_are_drawn_and_money_is_none(phone: App, desk: Desk, axe_source: str) -> None:
    with phone.page.expect_request(re.compile("assets/math-")):
        shows(phone, desk, block("text", MATH))
    formulas = phone.log.locator("math")
    expect(formulas).to_have_count(4)
    expect(phone.log.get_by_role("group", name="Formula").locator("math[display=block]")).to_have_count(2)
    expect(formulas.first).to_contain_text("a")
    phone.reads("It costs $5 and \\(code\\), $HOME is $x$. Inline")
    expect(phone.log.get_by_text("\\frac{", exact=True)).to_be_visible()
    expect(phone.log.locator("a[href], [href]")).to_have_count(0)
    assert axe(phone.page, axe_source) == []


def test_without_a_formula_nothing_is_loaded_for_them(app: App, desk: Desk) -> None:
    asked: list[str] = []
    app.page.on("request", lambda request: asked.append(request.url))
    shows(app, desk, block("text", "$5, $6 and **$HOME**, an array\\[0\\]"))
    assert not [url for url in asked if "assets/math-" in url]
