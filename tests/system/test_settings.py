"""A wrong setting gives one line that names it, and code 2; `tiflis check` prints the same."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import Server, free_port, wait_until
from tests.patience import PATIENCE
from tiflis.arbiter import ground
from tiflis.ipc.run_folder import RunFolder

START_SECONDS = 20.0
Wrong = Callable[[Path], dict[str, str]]


def a_file(folder: Path) -> dict[str, str]:
    (folder / "file").touch()
    return {"DATA_DIR": str(folder / "file")}


def below_a_file(folder: Path) -> dict[str, str]:
    return {"DATA_DIR": a_file(folder)["DATA_DIR"] + "/data"}


def a_link_to_nowhere(folder: Path) -> dict[str, str]:
    (folder / "link").symlink_to("/nowhere/at/all")
    return {"DATA_DIR": str(folder / "link")}


def a_strange_run_folder(folder: Path) -> dict[str, str]:
    port = free_port()
    (folder / "data").mkdir()
    (folder / "elsewhere").mkdir()
    (folder / "data" / f"run-{port}").symlink_to(folder / "elsewhere")
    return {"PORT": str(port)}


def a_link_as_its_page(folder: Path) -> dict[str, str]:
    (folder / "page.html").touch()
    (folder / "client").mkdir()
    (folder / "client" / "index.html").symlink_to(folder / "page.html")
    return {"WEB_CLIENT_PATH": str(folder / "client")}


def a_file_of_the_client(folder: Path) -> dict[str, str]:
    (folder / "client").mkdir()
    (folder / "client" / "index.html").write_text("hello")
    return {"WEB_CLIENT_PATH": str(folder / "client"), "WS_PATH": "/index.html"}


def no_setting(folder: Path) -> dict[str, str]:
    (folder / ".env").write_text("# mine\nLOG_LEVEL: debug\n")
    return {}


def fixed(**env: str) -> Wrong:
    return lambda folder: env


WRONG: dict[str, tuple[str, Wrong]] = {
    "a file": ("DATA_DIR", a_file),
    "below a file": ("DATA_DIR", below_a_file),
    "no place to write": ("DATA_DIR", fixed(DATA_DIR="/proc/nowhere")),
    "a link to nowhere": ("DATA_DIR", a_link_to_nowhere),
    "a strange run folder": ("DATA_DIR", a_strange_run_folder),
    "a route of ours": ("WS_PATH", fixed(WS_PATH="/readyz")),
    "a file of the client": ("WS_PATH", a_file_of_the_client),
    "no client": ("WEB_CLIENT_PATH", fixed(WEB_CLIENT_PATH="/nowhere")),
    "a link as the page": ("WEB_CLIENT_PATH", a_link_as_its_page),
    "a strange address": ("HOST", fixed(HOST="192.0.2.1")),
    "an unknown name": ("HOST", fixed(HOST="nowhere.invalid")),
    "no name at all": ("HOST", fixed(HOST="a..b")),
    "a home folder of no user": ("DATA_DIR", fixed(DATA_DIR="~nobody-here/data")),
    "less than a message": ("MESSAGE_LIMIT", fixed(MESSAGE_LIMIT="1")),
    "the port of the server": ("METRICS_PORT", fixed(PORT="23901", METRICS_PORT="23901")),
    "a strange address of the metrics": ("METRICS_HOST", fixed(METRICS_PORT="9", METRICS_HOST="192.0.2.1")),
    "an option of no server": ("NATS_URL", fixed(NATS_URL="nats://127.0.0.1:4222?canary=1")),
    "a line without a name": (".env", no_setting),
    "a size": ("MESSAGE_LIMIT", fixed(MESSAGE_LIMIT="canary")),
    "more than a file holds": ("ATTEMPTS_AN_ADDRESS", fixed(ATTEMPTS_AN_ADDRESS="2147483648")),
}


def refusal(server: Server) -> tuple[int, list[str]]:
    """Return the code and our lines of a start that is refused."""
    process = server.start(wait=False).process
    assert process is not None
    code = process.wait(START_SECONDS)
    assert "Traceback" not in server.logs()
    wait_until(lambda: not server.processes(), PATIENCE, "nothing is left behind")
    lines = server.logs().splitlines()
    return code, [line.removeprefix("tiflis: ") for line in lines if line.startswith("tiflis: ")]


def of_the_environment(lines: list[str]) -> list[str]:
    """Return the lines as `check` has them, which reads the port from PORT."""
    return [line.replace("set by --port", "set in the environment") for line in lines]


def check(server: Server) -> tuple[int, list[str]]:
    """Return the code and the failures of `tiflis check` with the settings of this server."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("tiflis")), "check"],
        env=server._environment(),
        cwd=server.folder,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    return done.returncode, [line.removeprefix("fail  ") for line in lines if line.startswith("fail")]


@pytest.mark.parametrize("name", WRONG)
def test_start_and_check_refuse_alike(new_server: Callable[..., Server], tmp_path: Path, name: str) -> None:
    variable, wrong = WRONG[name]
    env = wrong(tmp_path)
    one = new_server(env=env, **({"port": int(env["PORT"])} if "PORT" in env else {}))
    code, lines = refusal(one)
    assert (code, len(lines)) == (2, 1), lines
    assert lines[0].startswith(f"{variable} ")
    assert "canary" not in lines[0]
    assert lines[0].endswith(")") or ".env line 2 " in lines[0], "it says where the value comes from"
    assert check(one) == (2, of_the_environment(lines))


def test_a_port_in_use_is_refused_by_both(new_server: Callable[..., Server]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for one in (
            new_server(port=port),
            new_server(env={"METRICS_PORT": str(port)}),
            new_server(port=port, single=True),
        ):
            code, lines = refusal(one)
            assert (code, len(lines)) == (2, 1)
            assert f"PORT {port} cannot be listened on at 127.0.0.1: Address already in use" in lines[0]
            assert "; end the program that uses it, or use another port (set " in lines[0]
            assert check(one) == (2, of_the_environment(lines))


@pytest.mark.parametrize(("port", "bound"), [(70000, "at most 65535"), (-1, "at least 0")])
def test_a_port_that_does_not_exist_is_refused(
    new_server: Callable[..., Server], port: int, bound: str
) -> None:
    assert refusal(new_server(arguments=(f"--port={port}",))) == (
        2,
        [f"PORT must be {bound} (set by --port)"],
    )


def test_a_working_directory_of_any_bytes_is_served_from(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"m\xe4chine")
    folder.mkdir()
    server = Server(workers=1, folder=folder, env={"DATA_DIR": ".tiflis"})
    server.data_dir = folder / ".tiflis"
    try:
        server.start()
        server.stop()
    finally:
        server.kill_everything()


def test_what_is_no_folder_is_said_in_a_sentence(tmp_path: Path) -> None:
    env = a_file(tmp_path) | a_link_to_nowhere(tmp_path)
    place = Path(env["DATA_DIR"])
    assert f"is not writable: {place} is a symbolic link" in str(ground.folder_mistake(place, 1))
    file = tmp_path / "file"
    assert f"is not writable: {file} is not a folder" in str(ground.folder_mistake(file, 1))


def test_port_0_is_any_free_port_which_the_log_names(new_server: Callable[..., Server]) -> None:
    server = new_server(workers=1, arguments=("--port", "0")).start(wait=False)
    wait_until(lambda: "port chosen" in server.logs(), START_SECONDS, "the port is named")
    line = next(line for line in server.logs().splitlines() if "port chosen" in line)
    server.port = json.loads(line)["port"]
    server.wait_ready()
    server.stop()


@pytest.mark.parametrize(
    "arguments",
    [("--cert", "c.pem", "--key", "k.pem"), ("--tls", "folder"), ("--auto-tls",)],
)
def test_tls_is_refused_in_one_line(new_server: Callable[..., Server], arguments: tuple[str, ...]) -> None:
    code, lines = refusal(new_server(arguments=arguments))
    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith("TLS is not served")


def test_tls_by_the_configuration_of_the_app_is_refused_too(new_server: Callable[..., Server]) -> None:
    code, lines = refusal(new_server(env={"SANIC_LOCAL_TLS_CERT": "c.pem", "SANIC_LOCAL_TLS_KEY": "k.pem"}))
    assert (code, [line[:17] for line in lines]) == (2, ["TLS is not served"])


def test_a_setting_in_quotes_works_and_is_mentioned(new_server: Callable[..., Server]) -> None:
    running = new_server(env={"LOG_LEVEL": '"info"'}).start()
    assert "LOG_LEVEL is given in quotes" in running.logs()
    code, failures = check(running)
    assert (code, failures) == (0, []), "a server that runs already is no failure"


def test_a_full_folder_and_one_of_another_user_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunFolder(tmp_path, 3001).path.mkdir()
    assert ground.folder_mistake(tmp_path, 3001) is None
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert "belongs to user" in str(ground.folder_mistake(tmp_path, 3001))
    monkeypatch.undo()
    tmp_path.chmod(0o777)
    assert "can be written by other users" in str(ground.folder_mistake(tmp_path, 3001))
    tmp_path.chmod(0o700)

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    wrong = str(ground.folder_mistake(tmp_path, 1))
    assert wrong.startswith(f"DATA_DIR {tmp_path} is not writable: No space left on device; ")
