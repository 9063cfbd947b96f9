"""The settings as an operator meets them: what is read, and what a mistake looks like."""

import ipaddress
from pathlib import Path

import pytest

from tiflis import config

KEY = "k" * 32


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field, info in config.Settings.model_fields.items():
        monkeypatch.delenv(str(info.validation_alias or field).upper(), raising=False)
    monkeypatch.setenv("TUNNEL_REGISTRATION_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)


def mistakes(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as exit_:
        config.load()
    assert exit_.value.code == config.EXIT_MISCONFIGURED
    assert exit_.value.__suppress_context__
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err.splitlines()


def test_the_key_alone_is_enough_and_the_rest_has_the_documented_defaults() -> None:
    settings = config.load()
    assert (settings.host, settings.port, settings.ws_path, settings.log_level) == (
        "0.0.0.0",
        3001,
        "/ws",
        "info",
    )
    assert settings.trust_proxy is False
    assert settings.nats_url is None
    assert settings.public_base_url is None
    assert settings.allowed_origins is None
    assert settings.message_limit == 50 * 1024 * 1024


def test_keys_are_separated_by_commas_for_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNNEL_REGISTRATION_API_KEY", f" {'a' * 40} ,{'b' * 40},")
    keys = config.load().registration_keys
    assert [key.get_secret_value() for key in keys] == ["a" * 40, "b" * 40]


def test_the_environment_wins_over_env_local_which_wins_over_env(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=1\nWS_PATH=/from-env\nHOST=10.0.0.1\nUNKNOWN=fine\n")
    (tmp_path / ".env.local").write_text("PORT=2\nWS_PATH=/from-local\n")
    monkeypatch.setenv("PORT", "3")
    settings = config.load()
    assert (settings.port, settings.ws_path, settings.host) == (3, "/from-local", "10.0.0.1")


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "")
    monkeypatch.setenv("PORT", "")
    assert (config.load().public_base_url, config.load().port) == (None, 3001)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("true", True),
        ("1", True),
        ("FALSE", False),
        ("0", False),
        ("10.0.0.0/8, ::1", (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))),
        ("10.1.2.3/8", (ipaddress.ip_network("10.0.0.0/8"),)),
    ],
)
def test_trust_proxy_is_a_word_or_networks(monkeypatch: pytest.MonkeyPatch, text: str, meant: object) -> None:
    monkeypatch.setenv("TRUST_PROXY", text)
    assert config.load().trust_proxy == meant


def test_origins_are_compared_in_lower_case_and_a_star_allows_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://App.example.org/, capacitor://localhost,http://[::1]:3000")
    expected = ("https://app.example.org", "capacitor://localhost", "http://[::1]:3000")
    assert config.load().allowed_origins == expected
    monkeypatch.setenv("ALLOWED_ORIGINS", "*")
    assert config.load().allowed_origins is None


def test_the_public_address_loses_its_trailing_slashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "wss://tunnel.example.org/base//")
    assert config.load().public_base_url == "wss://tunnel.example.org/base"


def test_limits_take_plain_bytes_or_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESSAGE_LIMIT", "2MiB")
    monkeypatch.setenv("ROLELESS_MESSAGE_LIMIT", "1000")
    monkeypatch.setenv("OFFLINE_GRACE", "0.25")
    settings = config.load()
    assert (settings.message_limit, settings.roleless_message_limit) == (2 * 1024 * 1024, 1000)
    assert settings.offline_grace == 0.25


def test_another_client_needs_an_index_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEB_CLIENT_PATH", str(tmp_path))
    assert mistakes(capsys) == ["tiflis: WEB_CLIENT_PATH must be off or a folder with an index.html"]
    (tmp_path / "index.html").write_text("hello")
    assert config.load().web_client_path == tmp_path
    monkeypatch.setenv("WEB_CLIENT_PATH", "OFF")
    assert config.load().web_client_path == "off"


WRONG = {
    "TUNNEL_REGISTRATION_API_KEY": ["canary", f"{KEY},canary"],
    "PORT": ["canary", "99999", "-1"],
    "HOST": ["can ary"],
    "LOG_LEVEL": ["canary"],
    "LOG_FORMAT": ["canary"],
    "ACCESS_LOG": ["canary"],
    "STEERING": ["canary"],
    "TRUST_PROXY": ["canary", "10.0.0.0/99"],
    "PUBLIC_BASE_URL": [
        "canary",
        "ftp://canary",
        "https://user:canary@x",
        "https://x/?q=canary",
        "https://[x",
    ],
    "WS_PATH": ["canary", "/", "/a?canary", "/a/../canary", "/api/canary"],
    "WEB_CLIENT_PATH": ["/canary"],
    "ALLOWED_ORIGINS": ["canary", "https://x/path-canary"],
    "NATS_URL": ["canary", "http://canary:4222", "nats://ok:4222,canary", "nats://h:canary", ","],
    "MESSAGE_LIMIT": ["canary", "0", "1.5", "2 canary"],
    "ROLE_DEADLINE": ["canary", "0", "-1", "nan", "inf"],
    "PENDING_LIMIT": ["canary", "0"],
}


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_mistake_is_one_line_with_its_variable_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    (line,) = mistakes(capsys)
    assert line.startswith(f"tiflis: {variable} ")
    assert "canary" not in line
    assert "not valid" not in line


def test_every_mistake_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TUNNEL_REGISTRATION_API_KEY")
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("TRUST_PROXY", "1.2.3.4,x,y")
    lines = mistakes(capsys)
    assert sorted(line.split()[1] for line in lines) == ["PORT", "TRUST_PROXY", "TUNNEL_REGISTRATION_API_KEY"]


def test_an_unreadable_file_is_one_line_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfecanary\n")
    (line,) = mistakes(capsys)
    assert ".env" in line
    assert "canary" not in line


def test_secrets_are_hidden_in_the_representation_and_listed_for_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NATS_URL", "nats://canary-token@a:4222, tls://user:canary%2Bword@b")
    settings = config.load()
    assert KEY not in repr(settings)
    assert "canary" not in repr(settings)
    assert list(settings.secrets()) == [KEY, "canary-token", "canary+word"]


def test_every_setting_says_what_it_is() -> None:
    assert all(info.description for info in config.Settings.model_fields.values())


@pytest.mark.parametrize("field", config.Settings.model_fields)
def test_every_setting_does_something(field: str) -> None:
    package = Path(config.__file__).parent
    assert any(f".{field}" in path.read_text() for path in package.rglob("*.py") if path.name != "config.py")
