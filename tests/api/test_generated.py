"""Requests generated from docs/openapi.yaml, and malformed ones: all answers are as described, none is a 5xx.

The only exceptions are the 503s in the description.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pytest
import requests
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi import checks

from tests.harness import AUTH_KEY, ROOT, Server, register
from tests.patience import WALL_PATIENCE
from tools.fuzz.background import Background
from tools.fuzz.effort import effort

SCHEMA = schemathesis.openapi.from_path(str(ROOT / "docs" / "openapi.yaml"))
TOKEN = "operator-token-0123456789"
WATCH = "/api/v1/watch"
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
INPUTS = [
    ("POST", f"{WATCH}/connect"),
    ("POST", f"{WATCH}/command"),
    ("POST", f"{WATCH}/disconnect"),
    ("GET", f"{WATCH}/messages"),
    ("GET", f"{WATCH}/state"),
    ("GET", "/metrics"),
    ("GET", "/status"),
]
PATHS = [path for path in SCHEMA if path != "/ws"]
ALIVE_SECONDS = 5.0


class Watches:
    """A workstation that pings, and answers nothing."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __aenter__(self) -> Self:
        self._peer, self.tunnel_id = await register(self._server)
        self._pings = asyncio.create_task(self._ping())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pings.cancel()
        await self._peer.close()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_SECONDS)
            await self._peer.send({"type": "ping", "timestamp": 1})

    @property
    def who(self) -> dict[str, str]:
        return {"tunnel_id": self.tunnel_id, "auth_key": AUTH_KEY, "device_id": "watch"}


@pytest.fixture(scope="module")
def server(client_folder: Path) -> Iterator[Server]:
    env = {
        "METRICS_TOKEN": TOKEN,
        "STATUS_TOKEN": TOKEN,
        "WEB_CLIENT_PATH": str(client_folder),
        "WATCH_WAIT_LIMIT": "0.05",
        "DIRECTORY_WARMUP": "0.1",  # unknown tunnels get 404 soon after the start
        # Hundreds of wrong keys are generated; right ones between them must not be refused.
        "ATTEMPTS_AN_ADDRESS": "2000",
        "ATTEMPTS_A_TUNNEL": "2000",
    }
    with Server(workers=2, env=env) as running:
        yield running
        assert '"level":"error"' not in running.logs().replace(" ", "")


@pytest.fixture(scope="module")
def desk(server: Server) -> Iterator[Watches]:
    with Background() as background:
        desk = Watches(server)
        background.run(desk.__aenter__())
        yield desk
        background.run(desk.__aexit__())


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def as_itself(case: Case[Any], desk: Watches) -> bool:
    """Add valid credentials to the request where they fit."""
    if case.path in ("/metrics", "/status"):
        case.headers["Authorization"] = f"Bearer {TOKEN}"
        return True
    if case.method == "GET":
        case.query = {**(case.query or {}), **desk.who}
        return True
    if isinstance(case.body, dict):
        case.body = {**case.body, **desk.who}
        return True
    return False


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
@pytest.mark.parametrize(("method", "path"), INPUTS)
@effort(8)
@given(data=st.data())
def test_generated_requests_are_answered_as_described(
    server: Server,
    desk: Watches,
    session: requests.Session,
    method: str,
    path: str,
    mode: GenerationMode,
    data: st.DataObject,
) -> None:
    case: Case[Any] = data.draw(SCHEMA[path][method].as_strategy(generation_mode=mode))
    known = data.draw(st.booleans()) and as_itself(case, desk)
    answer = case.call(base_url=server.url, session=session, timeout=WALL_PATIENCE)
    case.validate_response(answer, checks=CHECKS)
    if known and mode is GenerationMode.POSITIVE and not path.endswith("/command"):
        # A wait above the limit set for these tests, or a parameter that is in the query twice.
        assert answer.status_code in ((200, 400) if path.endswith("/messages") else (200,))


def ask(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    """Send one request on its own connection; return status 0 if the server closes it without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WALL_PATIENCE)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


@effort(25)
@given(
    method=st.sampled_from(
        ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "POST", "GET", "HEAD", "PROPFIND", "X"]
    ),
    path=st.sampled_from(PATHS)
    | st.text("abz09/._~-%é*", max_size=30).map(lambda text: "/" + quote(text, "/%*~")),
    body=st.binary(max_size=200),
)
def test_unknown_methods_and_paths_are_refused_in_json(
    server: Server, desk: Watches, method: str, path: str, body: bytes
) -> None:
    status, text = ask(server, method, path, body)
    assert status < 500 or status in (501, 503), (status, text)
    if status >= 400 and method != "HEAD":
        problem = json.loads(text)
        assert set(problem) in ({"error", "code"}, {"error", "message"})


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith("/api/")])
def test_every_api_refuses_a_wrong_method_in_the_watch_apis_shape(server: Server, path: str) -> None:
    status, text = ask(server, "PUT", path)
    assert (status, set(json.loads(text))) == (405, {"error", "message"})


@effort(25)
@given(
    path=st.sampled_from([path for method, path in INPUTS if method == "GET"]),
    name=st.sampled_from(["tunnel_id", "auth_key", "device_id", "since", "ack", "wait", "x" * 5000]),
    value=st.text(max_size=20),
    times=st.sampled_from([1, 2, 50, 700, 3000, 20_000]),
)
def test_queries_of_any_length_are_answered_or_refused(
    server: Server, desk: Watches, path: str, name: str, value: str, times: int
) -> None:
    pairs = requests.models.RequestEncodingMixin._encode_params({**desk.who, name: value * times})
    status, text = ask(server, "GET", f"{path}?{pairs}", Authorization=f"Bearer {TOKEN}")
    assert 200 <= status < 500, (status, text[:200])
    if status >= 400:
        json.loads(text)


@effort(25)
@given(
    call=st.sampled_from(["connect", "command", "disconnect"]),
    kind=st.sampled_from(
        ["application/json", "text/plain", "multipart/form-data; boundary=x", "", "é", "a/b;" * 50]
    ),
    body=st.binary(max_size=300)
    | st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b'{"tunnel_id":"\xff"}']),
)
def test_bodies_of_any_kind_are_refused_with_400(
    server: Server, desk: Watches, call: str, kind: str, body: bytes
) -> None:
    status, text = ask(
        server, "POST", f"{WATCH}/{call}", body, **{"Content-Type": kind.encode().decode("latin-1")}
    )
    assert status == 400, (status, text)
    assert json.loads(text)["error"] in ("missing_parameters", "invalid_parameters")
