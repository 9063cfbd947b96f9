"""The site of docs/: links and anchors lead somewhere, other hosts are not asked, and search finds pages."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.client.browser import CHROMIUM, FLAGS, visit
from tests.harness import ROOT

SOURCES = (
    "docs",
    "scripts/site.py",
    "mkdocs.yml",
    "public/static/screens",
    *(p.name for p in ROOT.glob("*.md")),
)


def build(folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(site)],
        cwd=folder,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Read(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors = {""}
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given.get("id", ""), given.get("name", "")}
        target = given.get("href") or given.get("src")
        if target and given.get("rel") != "canonical":
            (self.links if tag == "a" else self.loaded).add(target)


def test_every_link_and_anchor_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {path: Read(path) for path in site.rglob("*.html") if path.name != "404.html"}
    for path, page in pages.items():
        assert not [target for target in page.loaded if "//" in target], path
        for target in page.links | page.loaded:
            parts = urlsplit(target)
            if parts.scheme:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = there / "index.html" if there.is_dir() else there
            assert there.is_file(), f"{path}: {target}"
            assert there not in pages or unquote(parts.fragment) in pages[there].anchors, f"{path}: {target}"


def test_a_dead_link_a_dead_anchor_and_a_forgotten_page_fail_the_build(tmp_path: Path) -> None:
    for name in SOURCES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / "docs" / "forgotten.md").write_text("# Forgotten\n")
    with (tmp_path / "README.md").open("a") as readme:
        readme.write("\n[a](docs/none.md) [b](docs/faq.md#none)\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode == 1
    for word in ("forgotten.md", "'none.md'", "'#none'"):
        assert word in done.stderr


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_reader_searches_and_arrives_and_no_other_host_is_asked(address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        with visit(browser, address, permissions=[]) as visitor:
            visitor.open()
            visitor.page.get_by_role("textbox", name="Search").fill("stream_close_delay")
            found = visitor.page.locator(".md-search-result__link").first
            expect(found).to_contain_text("Proxies")
            found.click()
            visitor.page.wait_for_url(re.compile("/proxies/"))
        browser.close()
