"""`tiflis doctor` at servers behind a proxy: a good one, and each of the usual mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT, Server
from tests.peers import REGISTRATION_KEY
from tests.system.nginx import Nginx

STATUS_TOKEN = "status-token-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a server that trusts no proxy, so that forging an address fails from this machine too."""
    with Server(workers=2, env={"TRUST_PROXY": "true", "STATUS_TOKEN": STATUS_TOKEN}) as running:
        yield running


def doctor(*arguments: str, folder: Path) -> tuple[int, str]:
    """Run the doctor in a folder without settings; return its exit code and output."""
    done = subprocess.run(
        [sys.executable, "-m", "tiflis.cli", "doctor", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def states(shown: str) -> dict[str, set[str]]:
    """Return the state of each check by its name."""
    found: dict[str, set[str]] = {}
    for state, check in re.findall(r"^(ok|note|fail) +(\S+(?: \S+)?)  ", shown, re.MULTILINE):
        found.setdefault(check, set()).add(state)
    return found


def test_all_is_well_behind_our_nginx_with_tls(server: Server, tmp_path: Path) -> None:
    with Nginx(server, tls=True) as nginx:
        keys = ("--api-key", REGISTRATION_KEY, "--status-token", STATUS_TOKEN)
        code, shown = doctor(nginx.url, *keys, "--ca", str(nginx.ca), "--idle", "6", folder=tmp_path)
    assert (code, "all is well" in shown) == (0, True), shown
    wanted = [*"name tls http health upgrade address sizes idle watch forgery".split(), "device keys"]
    assert {check: states(shown).get(check) for check in wanted} == {check: {"ok"} for check in wanted}, shown
    assert "50 MiB" in shown
    assert "sees you as 127.0.0.1" in shown
    assert REGISTRATION_KEY not in shown


def without_upgrade(site: str) -> str:
    return site.replace("proxy_set_header Upgrade $http_upgrade;", "")


def small_bodies(site: str) -> str:
    return site.replace("client_max_body_size 65m;", "client_max_body_size 1m;")


def impatient(site: str) -> str:
    return site.replace("proxy_read_timeout 1h;", "proxy_read_timeout 2s;")


def plain_scheme(site: str) -> str:
    return site.replace(
        "proxy_set_header X-Forwarded-Proto $scheme;", "proxy_set_header X-Forwarded-Proto http;"
    )


def without_port(site: str) -> str:
    return site.replace("$http_host", "$host")


@pytest.mark.parametrize(
    ("mistake", "check", "advice"),
    [
        (without_upgrade, "upgrade", "Upgrade"),
        (small_bodies, "watch", "client_max_body_size"),
        (impatient, "idle", "timeouts"),
        (plain_scheme, "address", "X-Forwarded-Proto"),
        (without_port, "address", "$http_host"),
    ],
)
def test_a_mistake_of_the_proxy_is_named_with_its_cure(
    server: Server, tmp_path: Path, mistake: Callable[[str], str], check: str, advice: str
) -> None:
    with Nginx(server, tls=True, change=mistake) as nginx:
        code, shown = doctor(
            nginx.url, "--api-key", REGISTRATION_KEY, "--ca", str(nginx.ca), "--idle", "3", folder=tmp_path
        )
    assert code == 1, shown
    assert "fail" in states(shown)[check], shown
    assert advice in shown


def test_a_proxy_whose_address_stands_for_everyone_is_found_out(tmp_path: Path) -> None:
    """The server is asked at a public name, but sees an internal address."""
    assert (
        "fail"
        in states(
            subprocess.run(
                [sys.executable, "-c", INSIDE], capture_output=True, text=True, check=True, cwd=ROOT
            ).stdout
        )["real address"]
    )


INSIDE = """
import asyncio
from tiflis.doctor.target import Reply, Target
from tiflis.doctor.watch_checks import seen_address

class Remote(Target):
    async def request(self, *args, **more):
        return Reply(200, {}, b'{"your_address": "172.18.0.1"}', 0.1)

async def main():
    target = Remote("tunnel.example.org", 443, True, "/ws", "tunnel.example.org")
    async for finding in seen_address(target, "token"):
        print("\\n".join(finding.lines()))

asyncio.run(main())
"""


def test_a_wrong_key_ends_the_visit_early(server: Server, tmp_path: Path) -> None:
    code, shown = doctor(server.url, "--api-key", "wrong-key" * 5, folder=tmp_path)
    assert (code, states(shown)["upgrade"]) == (1, {"fail"})
    assert "--api-key" in shown


@pytest.mark.parametrize("url", ["ftp://example.org", "http://127.0.0.1:port", "https://"])
def test_a_url_that_is_none(url: str, tmp_path: Path) -> None:
    code, _ = doctor(url, folder=tmp_path)
    assert code == 2


def test_nobody_there(tmp_path: Path) -> None:
    code, shown = doctor("http://127.0.0.1:1", folder=tmp_path)
    assert (code, states(shown)["name"]) == (1, {"ok", "fail"})


def test_an_untrusted_certificate(server: Server, tmp_path: Path) -> None:
    with Nginx(server, tls=True) as nginx:
        code, shown = doctor(nginx.url, folder=tmp_path)
    assert (code, states(shown)["tls"]) == (1, {"fail"})
    assert "fullchain" in shown
