"""`--env-file FILE` works with every command, and the file takes the place of `.env`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.tool import bare
from tiflis.cli import leaves, parser

KEY = "k" * 40


def test_every_command_takes_a_file_of_settings() -> None:
    assert all("--env-file" in one.format_help() for one in leaves(parser()))


def test_the_file_takes_the_place_of_those_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=many\n")
    (tmp_path / "tiflis.env").write_text(f"TUNNEL_REGISTRATION_API_KEY={KEY}\nPORT=0\nHOST=127.0.0.1\n")
    code, shown = bare(tmp_path, "check", "--env-file", "tiflis.env")
    assert (code, "configuration is valid" in shown) == (0, True), shown
    assert "PORT must be a whole number" in bare(tmp_path, "check")[1]


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    (tmp_path / "tiflis.env").write_text(f"TUNNEL_REGISTRATION_API_KEY={KEY}\n")
    code, shown = bare(tmp_path, "check", "--env-file", "tiflis.env", PORT="many")
    assert (code, shown) == (2, "fail  PORT must be a whole number (set in the environment)\n")


@pytest.mark.parametrize("command", [("check",), ("status",), ("doctor", "http://127.0.0.1:1"), ("demo",)])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, command: tuple[str, ...]) -> None:
    code, shown = bare(tmp_path, *command, "--env-file", "nowhere.env")
    assert (code, "nowhere.env cannot be read: No such file or directory" in shown) == (2, True)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("TRUST_PROXIES", "TRUST_PROXY"), ("PUBLIC_URL", "PUBLIC_BASE_URL"), ("loglevel", "LOG_LEVEL")],
)
def test_a_misspelled_name_in_the_file_is_told(tmp_path: Path, written: str, meant: str) -> None:
    (tmp_path / ".env").write_text(f"TUNNEL_REGISTRATION_API_KEY={KEY}\nPORT=0\n{written}=x\n")
    code, shown = bare(tmp_path, "check")
    assert (code, f"note  {written} in .env is not a setting: did you mean {meant}?" in shown) == (0, True)


def test_names_of_compose_and_of_other_programs_in_the_file_are_no_mistakes(tmp_path: Path) -> None:
    compose = "".join(
        path.read_text() for path in (ROOT / "docker-compose.yml", *ROOT.glob("deploy/**/*.yml"))
    )
    names = {*re.findall(r"\$\{(\w+)", compose), "PUBLIC_BASE_URL_FILE", "TZ", "HTTP_PROXY"}
    text = "".join(f"{name}=\n" for name in names - {"TUNNEL_REGISTRATION_API_KEY"})
    (tmp_path / ".env").write_text(f"TUNNEL_REGISTRATION_API_KEY={KEY}\n{text}")
    shown = bare(tmp_path, "check", PORT="0")[1]
    assert ("configuration is valid" in shown, "is not a setting" in shown) == (True, False), shown


def test_a_file_that_shows_the_key_to_every_user_is_told(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"TUNNEL_REGISTRATION_API_KEY={KEY}\n")
    file.chmod(0o644)
    assert "chmod 600 .env" in bare(tmp_path, "check", PORT="0")[1]
    file.chmod(0o640)
    assert "chmod" not in bare(tmp_path, "check", PORT="0")[1]


def test_the_demo_takes_the_key_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "tiflis.env").write_text(f"TUNNEL_REGISTRATION_API_KEY={KEY}\n")
    assert "TUNNEL_REGISTRATION_API_KEY" in bare(tmp_path, "demo", "--url", "ws://127.0.0.1:1/ws")[1]
    shown = bare(tmp_path, "demo", "--env-file", "tiflis.env", "--url", "http://x")[1]
    assert "--url must begin with ws" in shown


def test_the_doctor_needs_of_the_settings_only_what_it_uses(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STATUS_TOKEN=status-token-0123456789\nPORT=many\n")
    code, shown = bare(tmp_path, "doctor", "http://127.0.0.1:1")
    assert (code, "PORT" in shown) == (1, False)
