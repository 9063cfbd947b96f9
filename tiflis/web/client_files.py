"""The web client at ``/`` and below: our build, another one, or a page that says there is none."""

from importlib import resources
from pathlib import Path
from typing import Literal

from sanic import Blueprint, Request
from sanic.exceptions import NotFound
from sanic.response import HTTPResponse

from tiflis.config import ConfigError
from tiflis.web.placeholder import PLACEHOLDER
from tiflis.web.static_files import BuildTooLarge, File, SinglePage, make_file, read_folder

READ = ["GET", "HEAD"]
PAGE_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
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


def client_routes(choice: Path | Literal["off"] | None, ws_path: str = "") -> Blueprint:
    """Return the routes of the client that ``WEB_CLIENT_PATH`` names.

    Raise ConfigError when that folder is no client's build, or when a file of it lies at ``ws_path``.
    """
    routes = Blueprint("client")
    if choice == "off":
        return routes
    site = _site(choice or built_client())
    if site.has(ws_path):
        raise ConfigError([f"WS_PATH {ws_path} is a file of the web client: choose another path"])

    async def show(request: Request, path: str = "") -> HTTPResponse:
        file = None if _is_elsewhere(request, path) else site.find(request.path)
        if file is None:
            raise NotFound
        return answer(
            file, request.headers.get("accept-encoding", ""), request.headers.get("if-none-match", "")
        )

    routes.add_route(show, "/", methods=READ, name="page")
    routes.add_route(show, "/<path:path>", methods=READ, name="file")
    return routes


def built_client() -> Path | None:
    """Our client's build: within the installed package or, when it runs from its source, in the tree."""
    package = Path(str(resources.files("tiflis")))
    places = (package / "public", package.parent / "public" / "dist")
    return next((place for place in places if (place / "index.html").is_file()), None)


def answer(file: File, accept_encoding: str, if_none_match: str) -> HTTPResponse:
    """The file as a response: whole, encoded, or the word that the browser's copy is still good."""
    coding, body = file.choose(accept_encoding)
    tag = f'"{file.tag}-{coding}"' if coding else f'"{file.tag}"'
    headers = {**PAGE_HEADERS, "Cache-Control": file.cache, "ETag": tag}
    if file.encoded:
        headers["Vary"] = "Accept-Encoding"
    if _matches(tag, if_none_match):
        return HTTPResponse(status=304, headers=headers)
    if coding:
        headers["Content-Encoding"] = coding
    return HTTPResponse(body, headers=headers, content_type=file.content_type)


def _site(folder: Path | None) -> SinglePage:
    if folder is None:
        return SinglePage({"index.html": make_file(PLACEHOLDER.encode(), "index.html")})
    try:
        return SinglePage(read_folder(folder))
    except BuildTooLarge:
        raise ConfigError(
            [f"WEB_CLIENT_PATH {folder} must be a web client's build: this folder is too large"]
        ) from None
    except OSError as problem:
        place = problem.filename or folder
        raise ConfigError([f"WEB_CLIENT_PATH {place} cannot be read: {problem.strerror}"]) from None
    except KeyError:
        raise ConfigError([f"WEB_CLIENT_PATH {folder} must hold its index.html itself, not a link"]) from None


def _is_elsewhere(request: Request, path: str) -> bool:
    """Whether the request asks for something that no page may stand in for."""
    wants_socket = request.headers.get("upgrade", "").lower() == "websocket"
    return wants_socket or path == "api" or path.startswith("api/")


def _matches(tag: str, if_none_match: str) -> bool:
    """Weak comparison with a list of tags (RFC 9110, 13.1.2)."""
    tags = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
    return tag in tags or tags == ["*"]
