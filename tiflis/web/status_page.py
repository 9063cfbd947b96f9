"""``/status`` for operators with a token: workers, tunnels and handovers, as a page or as JSON."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import Any

from pydantic import SecretStr
from sanic import Blueprint, Request
from sanic.response import HTTPResponse, html

from tiflis.protocol.errors import InvalidToken, RateLimited, TunnelError
from tiflis.web.health import READ
from tiflis.web.replies import error, reply, retry_after

PATH = "/status"
SOON = {"Retry-After": "1"}
_ASK = {"WWW-Authenticate": 'Basic realm="tiflis status", charset="UTF-8"'}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_STYLE = (
    ":root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{margin:2rem auto;max-width:72rem;"
    "padding:0 1rem}table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}"
    "th,td{text-align:left;padding:.3rem .8rem .3rem 0;white-space:nowrap;border-bottom:1px solid #8884}"
    "h2{margin-top:2rem;font-size:1.1rem}"
)
_WORDS = {True: "yes", False: "no", None: "-"}

Facts = dict[str, Any]
Admit = Callable[[str, str, str, str], None]
"""Given the page's name, the token presented, the right one and the client's address. Raises InvalidToken,
RateLimited, or Starting."""


def status_routes(
    facts: Callable[[], Awaitable[Facts]],
    token: SecretStr | None,
    address: Callable[[Request], str],
    admit: Admit,
) -> Blueprint:
    """Return the route of the page, which is JSON for programs, and 404 without a token.

    ``address`` returns a client's address, behind trusted proxies; the page shows the caller's. ``admit``
    compares the token.
    """
    routes = Blueprint("status")

    async def status(request: Request) -> HTTPResponse:
        if token is None:
            return error(404)
        try:
            admit("status", presented(request), token.get_secret_value(), address(request))
            known = {"your_address": address(request), **await facts()}
        except TunnelError as problem:
            return refusal(problem, _ASK)
        if "html" in request.headers.get("accept", "") and "json" not in request.args:
            return html(page(known), headers=_HEADERS)
        return reply(known)

    routes.add_route(status, PATH, methods=READ)
    return routes


def presented(request: Request) -> str:
    """Return the token of a request: a bearer token, or the password from a browser's dialog. Raise
    InvalidToken if there is none, which does not count as an attempt."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    given = given.strip()
    if kind.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            raise InvalidToken from None
    elif kind.lower() != "bearer":
        raise InvalidToken
    return given


def refusal(problem: TunnelError, ask: Mapping[str, str]) -> HTTPResponse:
    """Return the answer to a refused request. ``ask``: headers with which a browser asks for the token."""
    if isinstance(problem, InvalidToken):
        return error(problem.http_status, ask)
    return error(problem.http_status, retry_after(problem) if isinstance(problem, RateLimited) else SOON)


def page(known: Facts) -> str:
    """Return the page as HTML, without scripts; it reloads itself every 5 s."""
    lists = {name: rows for name, rows in known.items() if isinstance(rows, list)}
    single = {name: value for name, value in known.items() if name not in lists}
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>tiflis: {_cell(known.get('status'))}</title><style>{_STYLE}</style>",
        f"<h1>tiflis {_cell(known.get('version'))}: {_cell(known.get('status'))}</h1>",
        _table([{"": name.replace("_", " "), "value": value} for name, value in single.items()]),
    ]
    for name, rows in lists.items():
        parts.append(f"<h2>{_cell(name)}</h2>{_table(rows)}")
    return "".join(parts)


def _table(rows: list[Facts]) -> str:
    """Return the rows as an HTML table, with the columns of all rows in order of appearance."""
    if not rows:
        return "<p>none</p>"
    columns = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{_cell(name.replace('_', ' '))}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{_cell(row.get(name))}</td>" for name in columns) for row in rows)
    return f"<table><tr>{head}{body}</table>"


def _cell(value: object) -> str:
    """Return the value as escaped text: names come from workstations."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, list):
        value = ", ".join(map(str, value)) or "-"
    return escape(str(value))
