"""The web client at ``/`` and below: our build, another one, or a page that explains that none was built."""

import base64
import re
from hashlib import sha256
from pathlib import Path
from typing import Literal

from sanic import Blueprint, Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse

from tiflis.web.client_build import read_client
from tiflis.web.static_files import File
from tiflis.web.unread import paced

READ = ["GET", "HEAD"]
OWN_SCRIPTS = "script-src 'self'"
PAGE_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            OWN_SCRIPTS,
            "style-src 'self' 'unsafe-inline'",  # the terminal sizes its cells by inline styles
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' ws: wss:",  # tunnels may live elsewhere
            "media-src 'self' blob: data:",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(self), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


# Matches comments in a page's HTML, in which no script runs, and scripts with their attributes.
_SCRIPTS = re.compile(rb"<!--.*?-->|<script\b([^>]*)>(.*?)</script[^>]*>", re.DOTALL | re.IGNORECASE)
_SOURCE = re.compile(rb"(?:^|[\s\"'/])src\s*=", re.IGNORECASE)


def client_routes(choice: Path | Literal["off"] | None, ws_path: str = "") -> Blueprint:
    """Return the routes of the client that ``WEB_CLIENT_PATH`` names.

    Raise ConfigError if the folder contains no build of a client, or if one of its files has the path
    ``ws_path``.
    """
    routes = Blueprint("client")
    if choice == "off":
        return routes
    site = read_client(choice, ws_path)
    headers = headers_for(*site.pages, foreign=choice is not None)

    async def show(request: Request, path: str = "") -> HTTPResponse | None:
        file = None if _is_elsewhere(request, path) else site.find(request.path)
        if file is None:
            raise NotFound
        reply = answer(
            file,
            request.headers.get("accept-encoding", ""),
            request.headers.get("if-none-match", ""),
            headers,
        )
        return await paced(request, reply)

    routes.add_route(show, "/", methods=READ, name="page")
    routes.add_route(show, "/<path:path>", methods=READ, name="file")
    return routes


def headers_for(*pages: bytes, foreign: bool) -> dict[str, str]:
    """Return the headers for a client's build, given its pages.

    The pages may run their own inline scripts, each by its hash (CSP 3, 8.4). A foreign client may use
    WebAssembly too, as the highlighter of the original client does.
    """
    scripts = dict.fromkeys(text for page in pages for text in inline_scripts(page))
    hashes = [f"'sha256-{_hash(text)}'" for text in scripts]
    allowed = " ".join([OWN_SCRIPTS, *(["'wasm-unsafe-eval'"] if foreign else []), *hashes])
    policy = PAGE_HEADERS["Content-Security-Policy"].replace(OWN_SCRIPTS, allowed)
    return {**PAGE_HEADERS, "Content-Security-Policy": policy}


def inline_scripts(page: bytes) -> list[bytes]:
    """Return the text of each inline script of the page, as a browser hashes it."""
    found = (match for match in _SCRIPTS.finditer(page) if match[2] is not None)
    # A browser reads HTML with all line ends as newlines before it hashes.
    texts = (
        match[2].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        for match in found
        if not _SOURCE.search(match[1])
    )
    return [text for text in texts if text]


def _hash(text: bytes) -> str:
    return base64.b64encode(sha256(text).digest()).decode()


def answer(
    file: File, accept_encoding: str, if_none_match: str, page_headers: dict[str, str] = PAGE_HEADERS
) -> HTTPResponse:
    """Return the file as a response: whole, encoded, or 304 when the browser's copy is still good."""
    coding, body = file.choose(accept_encoding)
    tag = f'"{file.tag}-{coding}"' if coding else f'"{file.tag}"'
    headers = {**page_headers, "Cache-Control": file.cache, "ETag": tag}
    if file.encoded:
        headers["Vary"] = "Accept-Encoding"
    if _matches(tag, if_none_match):
        return HTTPResponse(status=304, headers=headers)
    if coding:
        headers["Content-Encoding"] = coding
    return HTTPResponse(body, headers=headers, content_type=file.content_type)


def _is_elsewhere(request: Request, path: str) -> bool:
    """Return whether the request is for a WebSocket or an API, which must not be answered with the page."""
    wants_socket = request.headers.get("upgrade", "").lower() == "websocket"
    return wants_socket or path == "api" or path.startswith("api/")


def _matches(tag: str, if_none_match: str) -> bool:
    """Return whether the tag is in a list of tags, by weak comparison (RFC 9110, 13.1.2)."""
    tags = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
    return tag in tags or tags == ["*"]
