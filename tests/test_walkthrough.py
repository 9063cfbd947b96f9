"""The commands of the documents, as printed, from an empty folder with an empty environment."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.harness import ROOT, free_port, wait_until
from tests.patience import WALL_PATIENCE
from tests.test_documents import PAGES, commands

BIN = Path(sys.executable).parent
EMPTY = {"PATH": f"{BIN}:/usr/bin:/bin"}


def block(page: str, start: str) -> list[str]:
    """Return the command lines of the page's block in which a line begins so."""
    text = (ROOT / page).read_text()
    for found in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines: list[str] = found.splitlines()
        if any(line.startswith(start) for line in lines):
            return lines
    raise AssertionError(f"{page} has no block with {start}")


def run(line: str, folder: Path, **env: str) -> str:
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**EMPTY, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


def test_from_an_empty_folder_to_a_server_that_reloads(tmp_path: Path) -> None:
    install, *first, serve = block("README.md", "tiflis serve")
    assert (install, serve) == ("pip install .", "tiflis serve"), "what is installed here is this package"
    port = free_port()
    for line in first:
        run(line, tmp_path)
        with (tmp_path / ".env").open("a") as file:  # other servers run on this machine
            file.write(f"PORT={port}\nHOST=127.0.0.1\n")
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen(
        ["bash", "-c", f"exec {serve}"],
        cwd=tmp_path,
        env=EMPTY,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        wait_until(lambda: ready(port), 60, (tmp_path / "log").read_text())
        for line in commands("docs/operating.md"):
            if re.match(r"tiflis (status|reload)", line):
                shown = run(line, tmp_path)
                assert "not changed" in shown or "main process" in shown or '"ok": true' in shown
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(WALL_PATIENCE) == 0
        log.close()


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=WALL_PATIENCE).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_settings_are_made_and_checked_in_the_order_of_the_page(tmp_path: Path) -> None:
    for line in block("docs/deploying.md", "tiflis keygen"):
        shown = run(line, tmp_path, PORT=str(free_port()))
    assert "configuration is valid" in shown


COMPOSE = [line for page in PAGES for line in commands(page) if line.startswith("docker compose")]


@pytest.mark.parametrize("line", COMPOSE)
def test_compose_takes_its_files_as_the_documents_call_it(tmp_path: Path, line: str) -> None:
    """In place of what it would do with an engine, Compose shows what it has read."""
    for name in ("docker-compose.yml", "deploy"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    for one in block("docs/deploying.md", "echo TUNNEL_REGISTRATION_API_KEY")[:2]:
        run(one, tmp_path)
    options = re.split(r" (?:up|logs|exec|build|ps)\b", line.removeprefix("docker compose"))[0]
    several = {"HOST_NAME": "a", "PRIVATE_ADDRESS": "10.0.0.1", "CLUSTER_PASSWORD": "c", "NATS_TOKEN": "n"}
    more = {"TRUST_PROXY": "10.0.0.0/8", "PUBLIC_BASE_URL": "https://t.example", "HOME": str(tmp_path)}
    keys = {"TUNNEL_REGISTRATION_API_KEY": "k" * 40} if "several-hosts" in line else {}
    env = {**several, **more, **keys} if "several-hosts" in line else {"HOME": str(tmp_path)}
    assert "services:" in run(f"docker-compose{options} config", tmp_path, **env)


def test_the_container_starts_with_one_variable_and_without_a_bus() -> None:
    (line,) = (line for line in commands("docs/deploying.md") if line.startswith("docker run"))
    assert re.findall(r"-e (\w+)=", line) == ["TUNNEL_REGISTRATION_API_KEY"]
    assert "NATS" not in line
    key = run("echo " + line.split("KEY=")[1].removesuffix(" tiflis"), Path(os.getcwd())).strip()
    assert re.fullmatch(r"[0-9a-f]{64}", key), "long enough for the server"
