"""`tiflis serve` is the server, with the number of workers that the settings or the machine give."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import Server
from tests.tool import TIFLIS, bare
from tiflis.cli import main
from tiflis.environment import ENV_FILE
from tiflis.processors import processors


def serving(monkeypatch: pytest.MonkeyPatch, server: Server, *arguments: str) -> Server:
    """Have this server started by `tiflis serve`."""
    monkeypatch.setattr(server, "_command", lambda: [TIFLIS, "serve", *arguments])
    return server


def test_it_starts_one_worker_for_each_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, Server(workers=processors())) as server:
        assert len(server.ready_workers()) == processors()


class Started(Exception):
    """A command would have been started in place of this process."""


@pytest.mark.parametrize("given", ["option", "variable", "file"])
def test_the_number_is_set_by_option_variable_or_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str
) -> None:
    def start(program: str, command: list[str]) -> None:
        raise Started(*command[1:])

    monkeypatch.setattr(os, "execv", start)
    monkeypatch.setenv(ENV_FILE, "")  # put back afterwards
    monkeypatch.setenv("WORKERS", {"option": "1", "variable": "3", "file": ""}[given])
    (tmp_path / "some.env").write_text("WORKERS=3\n")
    more = {"option": ["--workers", "3"], "variable": [], "file": ["--env-file", str(tmp_path / "some.env")]}
    with pytest.raises(Started) as started:
        main(["serve", "--port", "4000", *more[given]])
    assert started.value.args == ("tiflis.server:app", "--workers", "3", "--port", "4000")


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_wrong_number_is_refused_by_start_and_check(tmp_path: Path, command: str) -> None:
    env = {"PATH": os.environ["PATH"], "WORKERS": "abc", "TUNNEL_REGISTRATION_API_KEY": "k" * 40}
    code, shown = bare(tmp_path, command, **env)
    assert code == 2
    assert "WORKERS must be auto, or a number of processes from 1 to 512" in shown
