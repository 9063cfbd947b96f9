"""The Dockerfile's steps, replayed in plain folders because no container engine is installed here.

The steps are read from the Dockerfile itself; its absolute paths lie below a temporary folder.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.harness import ROOT, free_port
from tests.patience import WALL_PATIENCE
from tests.peers import REGISTRATION_KEY

TEXT = (ROOT / "Dockerfile").read_text()


class Step(NamedTuple):
    stage: int
    word: str
    text: str


def steps() -> list[Step]:
    """Return the instructions, with continued lines joined and without comments."""
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    stage, found = -1, []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, text = line.partition(" ")
        stage += word == "FROM"
        found.append(Step(stage, word, text))
    return found


STEPS = steps()
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]


def sent() -> set[str]:
    """Return what the build context contains."""
    return {line.removeprefix("!") for line in IGNORED if line.startswith("!")}


def all_of(word: str, stage: int | None = None) -> list[str]:
    return [step.text for step in STEPS if step.word == word and stage in (None, step.stage)]


# Rules


def test_stages_are_named_and_bases_have_versions() -> None:
    for text in all_of("FROM"):
        image = text.split()[0]
        assert re.fullmatch(r"python:3\.\d+-slim", image), "glibc, as the wheels need it, and no compiler"
    assert len(all_of("FROM")) == 3


def test_what_is_copied_between_stages_exists_there() -> None:
    names = {text.split(" AS ")[1] for text in all_of("FROM") if " AS " in text}
    for text in all_of("COPY"):
        if match := re.match(r"--from=(\w+)", text):
            assert match[1] in names


def test_the_server_runs_without_root_and_gets_its_signals() -> None:
    last = [step for step in STEPS if step.stage == 2]
    assert [step.word for step in last].index("USER") < [step.word for step in last].index("CMD")
    assert all_of("USER") == ["10001:10001"], "in numbers, as Kubernetes' runAsNonRoot wants it"
    assert json.loads(all_of("CMD", 2)[-1]) == ["tiflis", "serve"], "no shell keeps SIGTERM to itself"


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_a_change_of_the_code_installs_no_package_again() -> None:
    stage = [step for step in STEPS if step.stage == 1]
    packages, wheel = (at for at, step in enumerate(stage) if step.word == "RUN")
    copied = [step.text for step in stage[:packages] if step.word == "COPY"]
    assert copied == ["requirements/runtime.txt requirements/runtime.txt"]
    assert "--require-hashes" in stage[packages].text
    assert "--no-deps" in stage[wheel].text


def test_no_tool_that_builds_or_installs_is_left() -> None:
    runs = " ".join(all_of("RUN", 2))
    assert "pip uninstall" in runs
    assert not re.search(r"apt-get install|npm|pip install", runs)
    assert not any("secret" in text.lower() or "KEY=" in text for text in all_of("ENV") + all_of("ARG"))


def test_what_the_image_needs_is_sent_to_the_builder() -> None:
    """The build context contains the build's inputs, but no secrets, no leftovers and no tests."""
    assert "*" in IGNORED
    wanted = {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "requirements", "tiflis", "public"}
    assert sent() == wanted
    assert all((ROOT / needed).exists() for needed in wanted)


# The replay


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that stands for the image's root."""
    root = tmp_path_factory.mktemp("image")
    source = root / "source"
    leftovers = shutil.ignore_patterns("__pycache__", "node_modules", "dist")
    source.mkdir()
    for name in sent():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=leftovers)
        else:
            shutil.copy(ROOT / name, source)
    # This neither downloads the packages nor builds the same client again; the Dockerfile does both.
    shutil.copytree(ROOT / "public" / "dist", source / "public" / "dist")
    (source / "public" / "node_modules").symlink_to(ROOT / "public" / "node_modules")
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for number, text in enumerate(all_of("RUN", 0) + all_of("RUN", 1)):
        command = (
            re.sub(r"--mount=\S+ *", "", text)
            .replace("/wheels", str(root / "wheels"))
            .replace("/opt/tiflis", str(root / "opt/tiflis"))
        )
        # pip's builder replaces the module `build`, and this Python replaces the image's.
        command = re.sub(
            r"pip install build==\S+ && python -m build --wheel --outdir (\S+)",
            rf"pip wheel -q --no-deps --no-build-isolation --wheel-dir \1 {source}",
            command,
        )
        command = command.replace("python -m venv", f"{sys.executable} -m venv")
        command = re.sub(r"(^|&& )pip ", rf"\1{sys.executable} -m pip ", command)
        done = subprocess.run(
            ["sh", "-ec", command], cwd=source, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"step {number}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    shutil.rmtree(source)
    return root


def test_the_wheel_and_the_image_hold_the_licences_of_what_is_inside(image: Path) -> None:
    (path,) = (image / "wheels").glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        texts = {name: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
    folder = next(name.partition("/")[0] for name in texts)
    for name in ("LICENSE", "public/dist/third-party.txt"):
        assert f"License-File: {name}\n" in texts[f"{folder}/METADATA"]
        assert "Copyright" in texts[f"{folder}/licenses/{name}"]
        assert list(image.glob(f"opt/tiflis/lib/*/site-packages/{folder}/licenses/{name}"))
    notices = texts[f"{folder}/licenses/public/dist/third-party.txt"]
    assert all(package in notices for package in ("react-dom ", "jsqr ", "highlight.js "))


@pytest.fixture
def running(image: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """Run the image's command in its environment, with a read-only installation."""
    env = {"TUNNEL_REGISTRATION_API_KEY": REGISTRATION_KEY, "PORT": str(free_port()), "HOST": "127.0.0.1"}
    for pair in shlex.split(" ".join(all_of("ENV", 2))):
        name, _, value = pair.partition("=")
        value = value.replace("/opt/tiflis", str(image / "opt/tiflis")).replace("$PATH", "/usr/bin:/bin")
        env[name] = value.replace("/var/lib/tiflis", str(tmp_path))
    env["WORKERS"] = "2"
    log = (tmp_path / "log").open("wb")
    command = json.loads(all_of("CMD", 2)[-1])
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log, start_new_session=True)
    yield process, env
    if process.poll() is None:
        process.terminate()
        process.wait(WALL_PATIENCE)
    log.close()


def healthy(env: dict[str, str]) -> int:
    """Return the exit code of the image's health check."""
    check = json.loads(all_of("HEALTHCHECK")[0].partition("CMD ")[2])
    return subprocess.run(check, env=env, capture_output=True, check=False).returncode


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.2", "::", ""])
def test_the_health_check_asks_where_the_server_listens(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((host or "127.0.0.1", 0))
        listener.listen()
        answer = threading.Thread(target=_answer_ready, args=(listener,), daemon=True)
        answer.start()
        env = {"PATH": os.environ["PATH"], "PORT": str(listener.getsockname()[1])}
        assert healthy(env | ({"HOST": host} if host else {})) == 0


def _answer_ready(listener: socket.socket) -> None:
    peer, _ = listener.accept()
    with peer:
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):  # the shell sends it line by line
            asked += peer.recv(1024)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_the_image_serves_reloads_and_ends(
    running: tuple[subprocess.Popen[bytes], dict[str, str]], image: Path, tmp_path: Path
) -> None:
    process, env = running

    def ask(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert healthy(env) != 0
    end = time.monotonic() + 40
    while healthy(env) != 0:
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < end, (tmp_path / "log").read_text()
    page = httpx.get(f"http://127.0.0.1:{env['PORT']}/", timeout=WALL_PATIENCE)
    assert page.status_code == 200
    assert "<script" in page.text, "the web client is inside"
    where = ask("python", "-c", "import tiflis; print(tiflis.__file__)")
    assert str(image) in where.stdout, "it runs what was installed, not the sources"
    version = ask("tiflis", "--version").stdout
    assert re.fullmatch(r"tiflis 0\.0\+\d{12}\n", version), "without git, that of the time of the build"
    done = ask("tiflis", "reload")
    assert done.returncode == 0, done.stdout + done.stderr
    process.send_signal(signal.SIGTERM)
    assert process.wait(WALL_PATIENCE) == 0
    assert not (image / "opt/tiflis/bin/pip").exists()
