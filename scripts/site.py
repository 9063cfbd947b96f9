"""The hook of mkdocs.yml: adds the pages and pictures outside docs/ and makes links to and from them work."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md")
# A relative link or picture in Markdown or HTML: what precedes its path, the path, its anchor.
LINK = re.compile(r"""(\]\(|(?:src|href)=")(?!\w+:|[#/])([^)"#\s]+)(#[^)"\s]*)?""")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages beside README, and every file outside docs/ to which one of them or of docs/ links."""
    for name in PAGES:
        files.append(_outside(name, config))
    for file in list(files.documentation_pages()):
        for _, path, _ in LINK.findall(file.content_string):
            wanted = _in_repository(file.src_uri, path)
            if (ROOT / wanted).is_file() and files.get_file_from_path(_in_site(wanted)) is None:
                files.append(_outside(wanted, config))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the text with each link to a file as the site places it."""
    folder = PurePosixPath(page.file.src_uri).parent

    def placed(link: re.Match[str]) -> str:
        target = _in_site(_in_repository(page.file.src_uri, link[2]))
        return f"{link[1]}{os.path.relpath(target, folder)}{link[3] or ''}"

    return LINK.sub(placed, markdown)


def _outside(path: str, config: MkDocsConfig) -> File:
    return File.generated(config, path, abs_src_path=str(ROOT / path))


def _in_repository(page: str, link: str) -> str:
    """Return the path in the repository to which a page of the site links."""
    folder = "" if page in PAGES else f"docs/{PurePosixPath(page).parent}"
    return os.path.normpath(f"{folder}/{link}".lstrip("/"))


def _in_site(path: str) -> str:
    return path.removeprefix("docs/")
