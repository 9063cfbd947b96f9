"""The commands as a user runs them."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.patience import WALL_PATIENCE
from tests.tool import TIFLIS, bare
from tiflis.cli import COMMANDS, PIPE_CLOSED, main
from tiflis.commands.keygen import new_key
from tiflis.commands.reload import reasons
from tiflis.commands.running import NO_SERVER
from tiflis.commands.status import tables
from tiflis.environment import EXIT_MISCONFIGURED
from tiflis.ipc.run_folder import RunFolder

KEY = "canary-registration-key-0123456789abcdef"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, a valid environment around it."""
    monkeypatch.chdir(tmp_path)
    for name in ("NATS_URL", "TRUST_PROXY", "DATA_DIR", "PUBLIC_BASE_URL", "TIFLIS_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TUNNEL_REGISTRATION_API_KEY", KEY)
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.setenv("PORT", "0")
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str]:
        code = main(arguments)
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return command


def lines(shown: str, state: str) -> list[str]:
    return [line for line in shown.splitlines() if line.startswith(state)]


@pytest.mark.parametrize("name", [command.NAME for command in COMMANDS])
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert name in capsys.readouterr().out


def test_what_a_locale_has_no_letter_for_breaks_no_command(tmp_path: Path) -> None:
    folder = tmp_path / "mäcĥine"
    folder.mkdir()
    env = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii", "DATA_DIR": str(folder)}
    code, shown = bare(tmp_path, "check", TUNNEL_REGISTRATION_API_KEY=KEY, PORT="0", HOST="127.0.0.1", **env)
    assert (code, "m\\xe4c\\u0125ine is writable" in shown) == (0, True), shown


def test_a_working_directory_that_is_gone_is_one_line(tmp_path: Path) -> None:
    _, shown = bare(tmp_path, "check", TUNNEL_REGISTRATION_API_KEY=KEY, DATA_DIR="~/x", HOME=str(tmp_path))
    assert f"DATA_DIR {tmp_path}/x is writable" in shown
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"cd {gone} && rmdir {gone} && {TIFLIS} serve"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "tiflis: the working directory has been deleted: change to another one\n",
    )


class Broken:
    """The entry point of a package that lacks something it needs."""

    name = "demo"

    def load(self) -> object:
        raise ImportError("No module named 'qrcode'")


@pytest.mark.parametrize("installed", [[], [Broken()]], ids=["missing", "broken"])
@pytest.mark.parametrize("arguments", [(), ("--url", "ws://127.0.0.1:3001/ws", "--speed", "2")])
def test_demo_without_its_package_says_how_to_install_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, installed: list[Broken], arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr("tiflis.cli.entry_points", lambda group: installed)
    code, shown = run("demo", *arguments)
    assert code == 2
    assert shown.splitlines()[-1] == "tiflis demo is a package of its own: pip install ./workstation"
    assert run("keygen")[0] == 0


def test_without_a_command_there_is_the_help(run: Run) -> None:
    code, shown = run()
    assert (code, "tiflis serve" in shown) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("statu",), "status"),
        (("status", "--jsn"), "--json"),
        (("end", "tunel", "x"), "tunnel"),
        (("completion", "bsh"), "bash"),
    ],
)
def test_of_a_misspelled_word_the_right_one_is_named(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], meant: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert f"did you mean {meant}?" in capsys.readouterr().err


def closed_pipe() -> int:
    """Return the end of a pipe that nothing reads from."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("command", ["--help", "keygen"])
@pytest.mark.parametrize(
    ("output", "code"),
    [(closed_pipe, PIPE_CLOSED), (lambda: os.open("/dev/full", os.O_WRONLY), 1)],
    ids=["a reader that has gone", "a full disk"],
)
def test_an_output_that_nothing_takes_costs_no_traceback(
    folder: Path, command: str, output: Callable[[], int], code: int
) -> None:
    taken = output()
    done = subprocess.run(
        [TIFLIS, command],
        cwd=folder,
        stdout=taken,
        stderr=subprocess.PIPE,
        # Without a buffer argparse itself passes over what the help cannot be written to.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        timeout=WALL_PATIENCE,
        check=False,
    )
    os.close(taken)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert b"ignored" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(run: Run, shell: str) -> None:
    code, shown = run("completion", shell)
    assert code == 0
    for word in ("takeover", "--env-file", "--workers"):
        assert word in shown


def test_bash_takes_the_completion_and_offers_commands(run: Run, folder: Path) -> None:
    (folder / "tiflis.bash").write_text(run("completion", "bash")[1])
    ask = 'source tiflis.bash; COMP_WORDS=(tiflis tak); COMP_CWORD=1; _shtab_tiflis; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", ask], cwd=folder, capture_output=True, text=True, timeout=WALL_PATIENCE, check=True
    )
    assert done.stdout.split() == ["takeover"]


def test_keys_are_long_plain_and_new() -> None:
    assert len({new_key() for _ in range(100)}) == 100
    assert all(key.isalnum() and len(key) >= 32 for key in (new_key() for _ in range(100)))


def test_keygen_for_an_env_file_is_one_assignment(run: Run) -> None:
    code, shown = run("keygen", "--env")
    name, _, value = shown.strip().partition("=")
    assert (code, name, len(value) >= 32) == (0, "TUNNEL_REGISTRATION_API_KEY", True)


def test_keygen_adds_a_key_to_a_file_of_its_owner_and_keeps_what_is_there(run: Run, folder: Path) -> None:
    file = folder / ".env"
    file.write_text("PORT=4000")
    assert run("keygen", "--write", str(file))[0] == 0
    first = file.read_text()
    assert re.fullmatch(r"PORT=4000\nTUNNEL_REGISTRATION_API_KEY=\w{43}\n", first)
    assert file.stat().st_mode & 0o777 == 0o600
    code, shown = run("keygen", "--write", str(file))
    assert (code, "kept" in shown, file.read_text()) == (1, True, first)
    assert run("keygen", "--write", "/nowhere/.env")[0] == 1


def test_check_passes_where_the_server_could_start(run: Run) -> None:
    code, shown = run("check")
    assert (code, lines(shown, "fail")) == (0, [])
    assert KEY not in shown


def test_check_names_every_wrong_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("TUNNEL_REGISTRATION_API_KEY", "short")
    code, shown = run("check")
    assert code == EXIT_MISCONFIGURED
    assert len(lines(shown, "fail")) == 2
    assert "short" not in shown


def test_check_sees_a_port_that_is_taken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        code, shown = run("check")
    assert (code, len(lines(shown, "fail"))) == (EXIT_MISCONFIGURED, 1)
    assert "cannot be listened on" in shown


def test_check_looks_at_a_unix_socket_instead_of_the_port(run: Run, folder: Path) -> None:
    code, shown = run("check", "--unix", str(folder / "t.sock"))
    assert code == 0
    assert f"unix:{folder / 't.sock'} is free" in shown
    assert "TRUST_PROXY does not name unix" in shown
    code, shown = run("check", "--unix", str(folder / "no" / "t.sock"))
    assert code == EXIT_MISCONFIGURED
    assert "its folder does not exist" in shown


def test_check_sees_a_folder_that_cannot_be_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", "/proc/nowhere")
    assert any("not writable" in line for line in lines(run("check")[1], "fail"))


def test_check_sees_a_bus_that_is_away_and_keeps_its_password(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATS_URL", "nats://someone:canary-password@127.0.0.1:1")
    code, shown = run("check")
    assert code == 1
    assert any("NATS_URL does not answer" in line for line in lines(shown, "fail"))
    assert "canary-password" not in shown


@pytest.mark.parametrize(
    ("trust", "word"), [("true", "every peer"), ("false", "ignored"), ("10.0.0.0/8", "10.0.0.0/8")]
)
def test_check_explains_the_proxy_setting(
    run: Run, monkeypatch: pytest.MonkeyPatch, trust: str, word: str
) -> None:
    monkeypatch.setenv("TRUST_PROXY", trust)
    assert any("TRUST_PROXY" in line and word in line for line in run("check")[1].splitlines())


@pytest.mark.parametrize("place", [(), ("--unix", "/tmp/tiflis-none.sock")], ids=["port", "unix"])
def test_check_sees_that_there_is_no_server_to_take_over(
    run: Run, monkeypatch: pytest.MonkeyPatch, place: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TAKEOVER", "true")
    code, shown = run("check", *place)
    assert (code, "TAKEOVER=true, but no server runs" in shown) == (1, True), shown
    monkeypatch.setenv("TAKEOVER", "auto")
    assert run("check", *place)[0] == 0


def test_check_sees_the_run_folder_of_a_unix_socket(run: Run, folder: Path) -> None:
    own = RunFolder(folder / ".tiflis", folder / "x.sock").path
    own.parent.mkdir(mode=0o700)
    own.symlink_to(folder)
    code, shown = run("check", "--unix", str(folder / "x.sock"))
    assert (code, "is a symbolic link" in shown) == (2, True), shown


@pytest.mark.parametrize(
    "line", ["TUNNEL_REGISTRATION_API_KEY=" + KEY, "STATUS_TOKEN=" + KEY, "NATS_URL=nats://a:b@127.0.0.1"]
)
def test_check_notes_a_file_that_shows_a_secret_to_every_user(run: Run, folder: Path, line: str) -> None:
    (folder / ".env").write_text(f"{line}\n")
    (folder / ".env").chmod(0o644)
    assert "every user of this machine can read it: chmod 600 .env" in run("check")[1]
    (folder / ".env").chmod(0o600)
    assert "chmod" not in run("check")[1]


def test_check_has_no_note_on_a_file_without_secrets(run: Run, folder: Path) -> None:
    (folder / ".env").write_text("NATS_URL=nats://127.0.0.1:4222\nSTATUS_TOKEN=\n")
    (folder / ".env").chmod(0o644)
    assert "chmod" not in run("check")[1]


def test_check_has_no_note_about_root_for_others(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "root" not in run("check")[1]


@pytest.mark.parametrize("command", ["status", "reload"])
def test_without_a_server_there_is_nobody_to_ask(run: Run, folder: Path, command: str) -> None:
    code, shown = run(command, "--port", "1", "--data-dir", str(folder))
    assert (code, "no server answers" in shown) == (NO_SERVER, True)


def test_status_is_shown_as_tables() -> None:
    tunnel = {"tunnel_id": "abc", "name": "desk\x1b[2J", "online": True, "devices": 2}
    answer = {
        "ok": True,
        "arbiter": {
            "pid": 7,
            "instance": "x",
            "bus": {"pid": 6, "restarts": 0},
            "last_reload": {
                "ended_at": 0,
                "seconds": 2.5,
                "workers": [
                    {"replaced": True, "handed": 9, "fell_back": 1},
                    {"replaced": False, "handed": 0},
                ],
            },
            "workers": [
                {"slot": "0", "worker_id": "x-0", "ready": True},
                {"slot": "1", "worker_id": "x-1", "ready": False},
            ],
        },
        "status": {
            "workers": [{"worker": "x-0", "sockets": 3, "tunnels": [tunnel]}, {"worker": "y-0"}],
            "handoffs": {"taken": 9, "refused": 1, "unknown": 0, "pause_mean_ms": 1.5},
        },
    }
    shown = list(tables(answer))
    assert "took 2.5 s: 1 of 2 workers replaced, 9 sockets handed over, 1 fell back" in shown.pop(3)
    assert shown == [
        "main process  7, instance x",
        "bus           embedded, process 6, 0 restarts",
        "handoffs      9 sockets taken, 1 refused, 0 closed, 1.5 ms pause on average",
        "devices       2",
        "held messages 0",
        "",
        "workers",
        "  slot  worker_id  ready  sockets",
        "  0     x-0        yes    3",
        "  1     x-1        no",
        "        y-0",
        "",
        "tunnels",
        "  tunnel_id  name      online  devices",
        "  abc        desk?[2J  yes     2",
    ]


def test_status_of_a_server_whose_workers_are_silent() -> None:
    shown = list(tables({"ok": True, "status": None, "arbiter": {"pid": 7, "bus": None, "workers": []}}))
    assert shown[-2:] == ["tunnels", "  none"]


def test_reload_says_why_a_worker_stays() -> None:
    answer = {
        "complete": False,
        "workers": [
            {"slot": "0", "replaced": True, "fell_back": 2},
            {"slot": "1", "replaced": False, "reasons": ["not ready"]},
        ],
    }
    assert reasons(answer) == ["worker 0: 2 sockets had to be closed", "worker 1: not ready"]
    assert reasons({"complete": False, "reason": "under way already"}) == ["under way already"]
    assert "log" in reasons({})[0]


@pytest.mark.parametrize(
    "arguments",
    [("--speed", "0"), ("--auth-key", "short"), ("--url", "http://127.0.0.1/ws")],
)
def test_demo_refuses_what_cannot_work(run: Run, arguments: tuple[str, str]) -> None:
    code, shown = run("demo", *arguments)
    assert (code, arguments[0] in shown) == (2, True)
