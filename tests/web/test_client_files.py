"""The web client as a browser gets it."""

import base64
import gzip
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from sanic import Request
from sanic.response import HTTPResponse, text

from tests.web.served import new_app, raw, served
from tiflis.environment import ConfigError
from tiflis.web.client_files import client_routes, inline_scripts

SCRIPT = b"let x = 1; " * 1000


@pytest.fixture
def build(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<html><head></head><body>the page</body></html>")
    (tmp_path / "assets" / "app-Ab3dEf9z.js").write_bytes(SCRIPT)
    (tmp_path / "icon.svg").write_text("<svg/>")
    return tmp_path


@pytest.fixture
async def browser(build: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with served(client_routes(build)) as client:
        yield client


async def test_the_page_is_asked_for_each_time_and_its_scripts_never_again(
    browser: httpx.AsyncClient,
) -> None:
    page, script = await browser.get("/"), await browser.get("/assets/app-Ab3dEf9z.js")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-cache"
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert (script.content, script.headers["content-encoding"]) == (SCRIPT, "gzip")


async def test_paths_without_an_extension_show_the_page_and_missing_assets_do_not(
    browser: httpx.AsyncClient,
) -> None:
    for path in ("/sessions", "/sessions/7", "/chat/"):
        assert "the page" in (await browser.get(path)).text
    for path in ("/assets/gone-Ab3dEf9z.js", "/favicon.ico", "/api", "/api/v1/nothing"):
        response = await browser.get(path)
        assert (response.status_code, response.json()) == (404, {"error": "Not Found", "code": "NOT_FOUND"})


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/..%5c..%5cx.ini"]
)
async def test_no_path_leads_out_of_the_build(browser: httpx.AsyncClient, path: str) -> None:
    answer = await raw(browser, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ") or b"the page" in answer


async def test_only_reading_is_allowed(browser: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for path in ("/", "/icon.svg", "/sessions"):
            response = await browser.request(method, path)
            assert response.status_code == 405
            assert {"GET", "HEAD"} <= set(response.headers["allow"].split(", "))


async def test_head_is_get_without_the_body(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/assets/app-Ab3dEf9z.js"):
        got, head = await browser.get(path), await browser.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "etag", "content-type", "cache-control"):
            assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_a_browser_with_the_same_copy_gets_304(browser: httpx.AsyncClient, form: str) -> None:
    tag = (await browser.get("/")).headers["etag"]
    response = await browser.get("/", headers={"If-None-Match": form.format(tag)})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == tag
    assert "content-security-policy" in response.headers


async def test_a_changed_page_has_another_tag_and_encodings_have_their_own(
    browser: httpx.AsyncClient,
) -> None:
    path = "/assets/app-Ab3dEf9z.js"
    plain = await browser.get(path, headers={"Accept-Encoding": "identity"})
    packed = await browser.get(path, headers={"Accept-Encoding": "gzip"})
    assert plain.content == packed.content == SCRIPT
    assert plain.headers["etag"] != packed.headers["etag"]
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert int(packed.headers["content-length"]) == len(gzip.compress(SCRIPT, 6, mtime=0))


async def test_an_upgrade_elsewhere_is_not_answered_with_a_page(browser: httpx.AsyncClient) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert (await browser.get("/other", headers=headers)).status_code == 404


async def assert_protected(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = dict(item.strip().split(" ", 1) for item in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert "unsafe-inline" not in policy["script-src"]
    assert policy["connect-src"] == "'self' ws: wss:"
    assert policy["media-src"] == "'self' blob: data:"
    assert policy["worker-src"] == "'self' blob:"
    assert policy["frame-ancestors"] == policy["object-src"] == "'none'"
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert headers["referrer-policy"] == "no-referrer"
    assert "microphone=(self), camera=(self)" in headers["permissions-policy"]


async def test_every_page_carries_the_security_headers(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/deep/path", "/icon.svg", "/assets/app-Ab3dEf9z.js"):
        await assert_protected(browser, path)


async def test_without_a_build_a_page_explains_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiflis.web.client_build.built_client", lambda: None)
    async with served(client_routes(None)) as client:
        page = await client.get("/")
        assert (page.status_code, "<script" in page.text) == (200, False)
        assert "make web" in page.text
        await assert_protected(client, "/")


async def test_off_serves_nothing() -> None:
    app = new_app()
    app.add_route(hello, "/health")
    async with served(client_routes("off"), app=app) as client:
        assert (await client.get("/")).status_code == 404


async def hello(_: Request) -> HTTPResponse:
    return text("hello")


def test_a_folder_that_is_no_build_is_a_mistake_in_the_settings(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiflis.web.static_files.FILE_LIMIT", 1)
    with pytest.raises(ConfigError, match="WEB_CLIENT_PATH"):
        client_routes(build)


INLINE = """<html><head><script>let theme = "dark"</script>
<script type="module" src="/assets/app-Ab3dEf9z.js"></script><!-- <script>old()</script> -->
<script data-src="x">
let more = 1\r\n</script></head></html>"""


async def test_another_clients_own_inline_scripts_and_webassembly_may_run(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(INLINE, newline="")
    async with served(client_routes(tmp_path)) as client:
        policy = (await client.get("/")).headers["content-security-policy"]
    hashes = [
        base64.b64encode(sha256(text).digest()).decode()
        for text in (b'let theme = "dark"', b"\nlet more = 1\n")
    ]
    allowed = " ".join(["script-src 'self' 'wasm-unsafe-eval'", *(f"'sha256-{one}'" for one in hashes)])
    assert allowed in policy.split("; ")
    assert "'unsafe-inline'" not in allowed


async def test_the_inline_scripts_of_all_pages_of_another_client_may_run(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<script>one()</script>")
    (tmp_path / "offline").mkdir()
    (tmp_path / "offline" / "Page.HTML").write_text("<script>two()</script>")
    async with served(client_routes(tmp_path)) as client:
        policy = (await client.get("/offline/Page.HTML")).headers["content-security-policy"]
    assert base64.b64encode(sha256(b"two()").digest()).decode() in policy


async def test_our_own_client_gets_no_more_than_it_needs() -> None:
    async with served(client_routes(None)) as client:
        page = await client.get("/")
    scripts = page.headers["content-security-policy"].split("; ")[1].split(" ")
    assert scripts[:2] == ["script-src", "'self'"]
    assert len(scripts) - 2 == len(inline_scripts(page.content)) <= 1
    assert all(one.startswith("'sha256-") for one in scripts[2:])


def test_scripts_from_elsewhere_and_comments_are_not_inline() -> None:
    page = b"<script SRC=x.js></script><script async src = 'y.js'> </script><!--<script>a</script>-->"
    assert inline_scripts(page) == []
