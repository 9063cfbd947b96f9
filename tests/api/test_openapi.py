"""docs/openapi.yaml is valid and complete, and describes the running server's answers."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.harness import ROOT, Crowd, Server, crowd
from tests.patience import WALL_PATIENCE
from tests.peers import AUTH_KEY, REGISTRATION_KEY
from tests.system.push_service import Browser
from tiflis import __version__
from tiflis.protocol import errors

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
TOKEN = "operator-token-0123456789"
WATCH = "/api/v1/watch"


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Return the object that a reference points to."""
    while "$ref" in node:
        found: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def check(method: str, path: str, answer: httpx.Response) -> None:
    """Check that the document describes this answer for this operation."""
    described = DOCUMENT["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in described, f"{method} {path} answers {answer.status_code}"
    response = resolved(described[str(answer.status_code)])
    for header, about in response.get("headers", {}).items():
        assert header in answer.headers or not about.get("required"), header
    kind = answer.headers.get("content-type", "").split(";")[0]
    content = response["content"]
    assert kind in content, f"{kind} is not described for {path}"
    if kind == "application/json":
        schema = {**content[kind]["schema"], "components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(answer.json())


def test_the_document_is_valid_and_of_this_version() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["info"]["version"] == __version__


ROUTES = """
import json
from tiflis.server import app
routes = app.router.routes
print(json.dumps([[method, "/" + route.path.lstrip("/")] for route in routes for method in route.methods]))
"""


def test_every_route_is_described_and_every_path_is_a_route(tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "TUNNEL_REGISTRATION_API_KEY": REGISTRATION_KEY,
    }
    done = subprocess.run(
        [sys.executable, "-c", ROUTES], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    parts = {"<key_id:str>": "{key_id}"}
    routes = {
        (method, path.replace(part, parts[part]))
        for method, path in json.loads(done.stdout)
        for part in parts
        if method not in ("HEAD", "OPTIONS")
    }
    described = {
        (method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations
    }
    pages = {(method, path) for method, path in routes if "<" in path or path == "/"}
    assert pages
    assert routes - pages == described - {("GET", "/")}


@pytest.fixture(scope="module")
def server(client_folder: Path) -> Iterator[Server]:
    env = {
        "METRICS_TOKEN": TOKEN,
        "STATUS_TOKEN": TOKEN,
        "WATCH_BODY_LIMIT": "64KiB",
        "WEB_CLIENT_PATH": str(client_folder),
    }
    with Server(workers=1, env=env) as running:
        yield running


@pytest.fixture
async def people(server: Server) -> AsyncIterator[Crowd]:
    async with crowd(server) as people:
        yield people


@pytest.fixture
async def http(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=WALL_PATIENCE) as client:
        yield client


async def watch_call(http: httpx.AsyncClient, name: str, **body: object) -> httpx.Response:
    """Make one call as described, and check its answer."""
    if name in ("messages", "state"):
        answer = await http.get(f"{WATCH}/{name}", params={key: str(value) for key, value in body.items()})
        check("get", f"{WATCH}/{name}", answer)
    else:
        answer = await http.post(f"{WATCH}/{name}", json=body)
        check("post", f"{WATCH}/{name}", answer)
    return answer


async def test_a_watchs_day(http: httpx.AsyncClient, people: Crowd) -> None:
    workstation, tunnel_id = await people.workstation()
    who = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "watch"}
    statuses = [
        (await watch_call(http, "connect", **who)).status_code,
        (await watch_call(http, "command", **who, message={"type": "x"})).status_code,
    ]
    await workstation.next("x")
    await workstation.send({"type": "answer", "n": 1})
    messages = await watch_call(http, "messages", **who, wait=5)
    assert [message["data"] for message in messages.json()["messages"]] == [{"type": "answer", "n": 1}]
    statuses.append((await watch_call(http, "state", **who)).status_code)
    statuses.append((await watch_call(http, "disconnect", **who)).status_code)
    assert set(statuses) == {200}


async def test_what_a_watch_can_do_wrong(http: httpx.AsyncClient, people: Crowd) -> None:
    workstation, tunnel_id = await people.workstation()
    who = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "watch"}
    assert (await watch_call(http, "connect")).status_code == 400
    assert (await watch_call(http, "command", **who, message={"type": "pong"})).status_code == 400
    assert (await watch_call(http, "messages", **who, since=-1)).status_code == 400
    assert (await watch_call(http, "state", **{**who, "auth_key": "w" * 20})).status_code == 401
    big = {"type": "x", "data": "x" * 100_000}
    assert (await watch_call(http, "command", **who, message=big)).status_code == 413
    unknown = {**who, "tunnel_id": "nowhere"}
    assert (await watch_call(http, "connect", **unknown)).status_code in (404, 503)
    statuses = [
        (await watch_call(http, "connect", **{**who, "auth_key": "w" * 20})).status_code for _ in range(10)
    ]
    assert statuses[-1] == 429
    await workstation.close()


async def test_an_owners_day(http: httpx.AsyncClient, people: Crowd) -> None:
    _, tunnel_id = await people.workstation()
    owner = {"Authorization": f"Bearer {AUTH_KEY}", "X-Tunnel-Id": tunnel_id, "X-Device-Id": "owner"}
    devices, one = "/api/v1/devices", "/api/v1/devices/{key_id}"

    async def call(method: str, path: str, status: int, at: str = "", **more: Any) -> Any:
        answer = await http.request(method, at or path, headers=owner, **more)
        check(method, path, answer)
        assert answer.status_code == status, answer.text
        return answer.json()

    minted = await call("post", devices, 201, json={"name": "Phone", "scope": "view", "expires_in": 60})
    await call("post", devices, 400, json={"scope": "everything"})
    await call("post", devices, 413, content=b" " * 20_000)
    await call("post", f"{devices}/redeem", 200, json={"code": minted["code"]})
    await call("post", f"{devices}/redeem", 401, json={"code": minted["code"]})
    key_id = minted["device"]["key_id"]
    await call("patch", one, 200, f"{devices}/{key_id}", json={"name": "Tablet"})
    await call("patch", one, 404, f"{devices}/12345678", json={"name": "Tablet"})
    assert [it["name"] for it in (await call("get", devices, 200))["devices"]] == ["Tablet"]
    await call("delete", one, 200, f"{devices}/{key_id}")
    await call("patch", "/api/v1/tunnel", 200, json={"owner_key": "known"})
    await call("patch", "/api/v1/tunnel", 400, json={"owner_key": "none"})
    owner["X-Device-Id"] = ""
    await call("get", devices, 400)


async def test_a_push_subscription(http: httpx.AsyncClient, people: Crowd) -> None:
    _, tunnel_id = await people.workstation()
    own = {"Authorization": f"Bearer {AUTH_KEY}", "X-Tunnel-Id": tunnel_id, "X-Device-Id": "phone"}
    path, browser = "/api/v1/push/subscription", Browser()

    async def call(method: str, at: str, status: int, **more: Any) -> Any:
        answer = await http.request(method, at, headers=own, **more)
        check(method, at, answer)
        assert answer.status_code == status, answer.text
        return answer.json()

    await call("get", "/api/v1/push/key", 200)
    given = browser.subscription("https://updates.push.services.mozilla.com/wpush/v2/x")
    await call("post", path, 200, json={"subscription": given, "kinds": ["done"]})
    await call("post", path, 400, json={"subscription": given, "kinds": ["else"]})
    await call("post", path, 413, content=b" " * 20_000)
    await call("delete", path, 200)
    assert (await call("post", "/api/v1/push/test", 200))["reason"] == "none"
    path, mine = "/api/v1/push/notifiers", ["ntfy+https://ntfy.example.org/topic"]
    await call("post", path, 200, json={"notifiers": mine})
    assert (await call("get", path, 200))["notifiers"] == mine
    await call("post", path, 400, json={"notifiers": ["webhook+https://example.org/x"]})
    await call("delete", path, 200)
    path = "/api/v1/push/subscription"
    own["Authorization"] = "Bearer a wrong key of sixteen characters"
    await call("delete", path, 401)


async def test_an_offline_workstation(http: httpx.AsyncClient, people: Crowd) -> None:
    workstation, tunnel_id = await people.workstation()
    client = await people.client(tunnel_id)
    await workstation.close()
    await client.next("connection.workstation_offline", 10)
    who = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": "watch"}
    assert (await watch_call(http, "connect", **who)).json()["workstation_online"] is False
    answer = await watch_call(http, "command", **who, message={"type": "x"})
    assert (answer.status_code, answer.json()["error"]) == (503, "workstation_offline")


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz", "/"])
async def test_what_anybody_may_read(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    check("get", path, answer)
    assert answer.status_code == 200
    assert (await http.head(path)).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/status"])
async def test_what_operators_may_read(http: httpx.AsyncClient, people: Crowd, path: str) -> None:
    await people.workstation(name="<script>alert(1)</script>")
    for headers, status in ((None, 401), ({"Authorization": f"Bearer {TOKEN}"}, 200)):
        answer = await http.get(path, headers=headers)
        check("get", path, answer)
        assert answer.status_code == status
        assert TOKEN not in answer.text


async def test_the_status_page_is_one_for_browsers(http: httpx.AsyncClient, people: Crowd) -> None:
    await people.workstation(name="<script>alert(1)</script>")
    password = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    headers = {"Accept": "text/html", "Authorization": f"Basic {password}"}
    answer = await http.get("/status", headers=headers)
    check("get", "/status", answer)
    assert "&lt;script&gt;" in answer.text
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    wrong = base64.b64encode(b"anyone:wrong").decode()
    for bad in (f"Basic {wrong}", "Basic ???", "Bearer", f"Digest {TOKEN}"):
        assert (await http.get("/status", headers={"Authorization": bad})).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{}, {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}],
    ids=["no upgrade", "no key"],
)
async def test_a_handshake_that_is_none(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    check("get", "/ws", await http.get("/ws", headers=headers))


def test_the_errors_named_are_those_there_are() -> None:
    def all_below(kind: type[errors.TunnelError]) -> Iterator[type[errors.TunnelError]]:
        yield kind
        for below in kind.__subclasses__():
            yield from all_below(below)

    named = set(DOCUMENT["components"]["schemas"]["WatchError"]["properties"]["error"]["enum"])
    assert {kind.http_error for kind in all_below(errors.TunnelError)} - {"invalid_api_key"} == named
