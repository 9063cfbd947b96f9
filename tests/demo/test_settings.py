"""The demo workstation finds the server of its folder by the same settings as the server itself."""

from pathlib import Path

import pytest
from tiflis_workstation import settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder to work in, with none of the settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "HOST",
        "PORT",
        "WS_PATH",
        settings.KEY,
        settings.KEY + settings.IN_A_FILE,
        settings.ENV_FILE,
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("lines", "url"),
    [
        ("", "ws://127.0.0.1:3001/ws"),
        ("PORT=3002\nWS_PATH=/x", "ws://127.0.0.1:3002/x"),
        ("HOST=0.0.0.0", "ws://127.0.0.1:3001/ws"),
        ("HOST=192.0.2.7", "ws://192.0.2.7:3001/ws"),
        ("HOST=fd00::7", "ws://[fd00::7]:3001/ws"),
        ("host=::\nport=\"'3002'\"", "ws://127.0.0.1:3002/ws"),
    ],
)
def test_the_server_is_called_where_it_listens(folder: Path, lines: str, url: str) -> None:
    (folder / ".env").write_text(lines)
    assert settings.server_url(settings.read()) == url


def test_the_key_may_lie_in_a_file_of_its_own(folder: Path) -> None:
    (folder / "key").write_text("k" * 40 + "\n")
    (folder / ".env").write_text(f"{settings.KEY}_FILE={folder / 'key'}\n")
    assert settings.registration_key(settings.read()) == "k" * 40
