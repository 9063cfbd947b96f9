"""Draws the PNG icons from `static/icons/icon.svg`; run it after the drawing has changed.

Needs Playwright and Debian's Chromium, which the tests of the web client use too.
"""

from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ICONS = Path(__file__).parent.parent / "static" / "icons"
CHROMIUM = "/usr/bin/chromium"
# Systems cut a maskable icon to a circle of 80 % of its width: the drawing shrinks into it.
SAFE = 0.82


def main() -> None:
    svg = (ICONS / "icon.svg").read_text()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        draw(page, svg, 192, "icon-192.png")
        draw(page, svg, 512, "icon-512.png")
        draw(page, maskable(svg), 512, "maskable-512.png")
        draw(page, svg.replace('rx="116"', ""), 180, "apple-touch-icon.png")
        draw(page, svg, 32, "favicon-32.png")
        browser.close()


def maskable(svg: str) -> str:
    """The ground fills the whole square, the drawing stays within the safe zone."""
    ground, drawing = svg.replace('rx="116"', "").split("<path", 1)
    inner = f"<path{drawing}".removesuffix("</svg>\n")
    shift = 256 * (1 - SAFE)
    return f'{ground}<g transform="translate({shift} {shift - 8}) scale({SAFE})">{inner}</g></svg>'


def draw(page: Page, svg: str, size: int, name: str) -> None:
    page.set_viewport_size({"width": size, "height": size})
    page.set_content(f"<style>*{{margin:0}}svg{{display:block;width:{size}px;height:{size}px}}</style>{svg}")
    page.screenshot(path=ICONS / name, omit_background=True)


if __name__ == "__main__":
    main()
