"""The settings as an operator meets them: what is read, and what a mistake looks like."""

import ipaddress
from pathlib import Path

import pytest

from tiflis import config, environment
from tiflis.relay.auth.keys import Keyring
from tiflis.values import origin

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
    assert exit_.value.code == environment.EXIT_MISCONFIGURED
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
        ("10.0.0.0/8, Unix", (ipaddress.ip_network("10.0.0.0/8"), "unix")),
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


def test_notifiers_and_push_are_checked_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOTIFY", "webhook+https://example.org/x")
    monkeypatch.setenv("VAPID_KEY", "short")
    monkeypatch.setenv("VAPID_SUBJECT", "somebody")
    monkeypatch.setenv("PUSH_SERVICES", "push.example.org")
    named = [line.split(" ")[1] for line in mistakes(capsys)]
    assert set(named) == {"NOTIFY", "VAPID_KEY", "VAPID_SUBJECT", "PUSH_SERVICES"}


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


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("50MB", 50_000_000),
        ("50 MiB", 50 << 20),
        ("1gib", 1 << 30),
        ("64kb", 64_000),
        ("7B", 7),
        ("9", 9),
        ("64M", 64 << 20),
        ("512k", 512 << 10),
        ("1.5GiB", 3 << 29),
        ("0.5MB", 500_000),
    ],
)
def test_a_size_has_any_of_the_usual_units(monkeypatch: pytest.MonkeyPatch, text: str, bytes_: int) -> None:
    monkeypatch.setenv("STALL_BYTES", text)
    assert config.load().stall_bytes == bytes_


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15s", 15),
        ("5m", 300),
        ("1h", 3600),
        ("500ms", 0.5),
        (" 2 ", 2),
        ("1.5 s", 1.5),
        ("2min", 120),
        ("30 sec", 30),
    ],
)
def test_a_duration_has_any_of_the_usual_units(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float
) -> None:
    monkeypatch.setenv("WATCH_IDLE", text)
    assert config.load().watch_idle == seconds


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("MESSAGE_LIMIT", "50 MBit", "MESSAGE_LIMIT must be a size such as 50MiB"),
        ("WATCH_IDLE", "soon", "WATCH_IDLE must be a duration such as 15s, 5m or 1h"),
        ("WATCH_IDLE", "0", "WATCH_IDLE must be more than 0"),
        ("BUS_STORE_LIMIT", "1MiB", "BUS_STORE_LIMIT must be at least 16MiB"),
        ("LOG_QUEUE", "1k", "LOG_QUEUE must be at least 4KiB"),
        ("DIRECTORY_BYTES", "2000GiB", "DIRECTORY_BYTES must be at most 1048576MiB"),
        (
            "WS_PATH",
            "/healthz",
            "WS_PATH must be a path of its own: /healthz is another route",
        ),
    ],
)
def test_a_mistake_says_what_is_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str, line: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert mistakes(capsys) == [f"tiflis: {line} (set in the environment)"]


@pytest.mark.parametrize("spelling", ["{}\n", "\r\n {}\r\n", '"{}"', "'{}'", '"{}\n"'])
def test_what_surrounds_a_key_by_mistake_is_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.setenv("TUNNEL_REGISTRATION_API_KEY", spelling.format(KEY))
    (key,) = config.load().registration_keys
    assert key.get_secret_value() == KEY
    spelt, other = (Keyring([KEY]).registration(given) for given in (spelling.format(KEY), f"{KEY}x"))
    assert list(spelt.given) == list(spelt.wanted) != list(other.given)


def test_a_wrong_value_is_named_with_the_file_that_it_stands_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=many\nMESSAGE_LIMIT=canary\n")
    (tmp_path / ".env.local").write_text("PORT=1\n\nport=more\n")
    assert set(mistakes(capsys)) == {
        "tiflis: PORT must be a whole number (set in .env.local line 3)",
        "tiflis: MESSAGE_LIMIT must be a size such as 50MiB (set in .env line 2)",
    }
    monkeypatch.setenv("PORT", "most")
    assert "tiflis: PORT must be a whole number (set in the environment)" in mistakes(capsys)


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("nats://tiflis:canary@nats:4222\n")
    monkeypatch.setenv("NATS_URL_FILE", str(tmp_path / "url"))
    url = config.load().nats_url
    assert url is not None
    assert url.get_secret_value() == "nats://tiflis:canary@nats:4222"
    monkeypatch.setenv("NATS_URL", "nats://other:4222")
    assert config.load().nats_url != url


def test_a_file_with_a_secret_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NATS_URL_FILE", "/nowhere/url")
    (line,) = mistakes(capsys)
    assert line.startswith(
        "tiflis: NATS_URL_FILE /nowhere/url cannot be read: No such file or directory (set"
    )


def test_quotes_of_an_env_file_for_docker_are_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", '"3002"')
    monkeypatch.setenv("ALLOWED_ORIGINS", '"https://a.example","https://b.example"')
    settings = config.load()
    assert (settings.port, settings.allowed_origins) == (3002, ("https://a.example", "https://b.example"))
    assert config.notes() == ["PORT is given in quotes: they are left out"]


@pytest.mark.parametrize("name", ["TIFLIS_WORKERS", "INSTANCE", "RUN_DIR", "REGISTRATION_KEYS"])
def test_only_its_own_name_sets_a_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "canary")
    assert "canary" not in repr(config.load())


@pytest.mark.parametrize(
    ("spelling", "sent"),
    [
        ("https://app.example.org:443", "https://app.example.org"),
        ("https://app.example.org", "https://app.example.org:443"),
        ("HTTP://App.Example.org:80/", "http://app.example.org"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://[2001:DB8:0:0::1]:8443", "https://[2001:db8::1]:8443"),
        ("null", "null"),
    ],
)
def test_an_origin_is_the_same_in_every_spelling(
    monkeypatch: pytest.MonkeyPatch, spelling: str, sent: str
) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", spelling)
    assert config.load().allowed_origins == (origin(sent),)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"PORT=1\nHOST=\xff\n", ".env line 2 is not UTF-8"),
        (b"PORT=1\n\nthis is no setting\n", ".env line 3 must be NAME=value"),
        (b"PORT=1\n\n\n  PORT 3\n", ".env line 4 must be NAME=value"),
    ],
)
def test_a_wrong_line_of_a_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, line: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert mistakes(capsys) == [f"tiflis: {line}"]


def test_a_file_of_another_user_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / ".env.local").symlink_to(".env.local")  # as unreadable to root as one of mode 0
    assert mistakes(capsys) == ["tiflis: .env.local cannot be read: Too many levels of symbolic links"]


def test_a_byte_order_mark_of_an_editor_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfPORT=3003\r\n")
    assert config.load().port == 3003


def test_a_home_folder_is_found_where_no_shell_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "index.html").touch()
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf" + KEY.encode() + b"\r\n")
    monkeypatch.delenv("TUNNEL_REGISTRATION_API_KEY")
    (tmp_path / ".env").write_text(
        "DATA_DIR=~/x\nWEB_CLIENT_PATH=~/client\nTUNNEL_REGISTRATION_API_KEY_FILE=~/key\n"
    )
    settings = config.load()
    assert (settings.data_dir, settings.web_client_path) == (tmp_path / "x", tmp_path / "client")
    assert settings.registration_keys[0].get_secret_value() == KEY, "without the byte order mark of an editor"


def test_a_value_with_a_nul_character_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("DATA_DIR=a\0canary\n")
    assert mistakes(capsys) == ["tiflis: DATA_DIR contains a NUL character (set in .env line 1)"]


def test_a_working_directory_that_is_gone_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert mistakes(capsys) == ["tiflis: the working directory has been deleted: change to another one"]


def test_a_public_url_has_a_host_that_every_client_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://bücher.example:8443/a/")
    assert config.load().public_base_url == "https://xn--bcher-kva.example:8443/a"


def test_a_value_that_is_not_utf8_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", "data-\udcff")
    assert mistakes(capsys) == ["tiflis: DATA_DIR is not UTF-8 (set in the environment)"]


def test_another_client_needs_an_index_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEB_CLIENT_PATH", str(tmp_path))
    (line,) = mistakes(capsys)
    assert line.startswith("tiflis: WEB_CLIENT_PATH must be off or a folder with an index.html (set in")
    (tmp_path / "index.html").write_text("hello")
    assert config.load().web_client_path == tmp_path
    monkeypatch.setenv("WEB_CLIENT_PATH", "OFF")
    assert config.load().web_client_path == "off"


WRONG = {
    "TUNNEL_REGISTRATION_API_KEY": ["canary", f"{KEY},canary", f"{KEY}\n{KEY}canary"],
    "STATUS_TOKEN": ["canary", f"{KEY}\ncanary"],
    "DATA_DIR": ["~nobody-canary/x"],
    "PORT": ["canary", "99999", "65536", "-1", "9" * 5000],
    "HOST": ["can ary"],
    "LOG_LEVEL": ["canary"],
    "LOG_FORMAT": ["canary"],
    "ACCESS_LOG": ["canary"],
    "STEERING": ["canary"],
    "TRUST_PROXY": ["canary", "10.0.0.0/99"],
    "PUBLIC_BASE_URL": [
        "canary",
        "https://can ary.example.org",
        "ftp://canary",
        "https://user:canary@x",
        "https://x/?q=canary",
        "https://[x",
        "https://canary?",
        "https://canary#",
        "https://256.1.1.1/canary",
        "https://canary|x",
        "https://canary%zz",
    ],
    "WS_PATH": [
        "canary",
        "/",
        "/a?canary",
        "/a/../canary",
        "/a/./canary",
        "/api/canary",
        "/api",
        "/canary" * 99,
    ],
    "WEB_CLIENT_PATH": ["/canary"],
    "ALLOWED_ORIGINS": ["canary", "https://x/path-canary", "https://canary:99999", ","],
    "PUSH_SERVICES": ["null", "nats://canary"],
    "NOTIFY": ["ntfy+https://[canary/t", "ntfy+https://:80/canary", "ntfy+https://canary:99999/t"],
    "VAPID_SUBJECT": ["https://user:canary@x", "https://x:99999/canary", "canary"],
    "ATTEMPTS_A_TUNNEL": ["10001"],
    "AUDIT_DAYS": ["36526"],
    "BUS_STORE_LIMIT": ["1"],
    "DIRECTORY_BYTES": ["1KiB"],
    "LOG_QUEUE": ["1"],
    "NATS_URL": ["canary", "http://canary:4222", "nats://ok:4222,canary", "nats://h:canary", ","],
    "MESSAGE_LIMIT": ["canary", "0", "1.5", "2 canary", "1", "1000"],
    "ROLELESS_MESSAGE_LIMIT": ["1"],
    "ROLE_DEADLINE": ["canary", "0", "-1", "nan", "inf", "1ms"],
    "LIVENESS_TIMEOUT": ["10ms"],
    "LIVENESS_INTERVAL": ["1ms"],
    "HEADER_TIMEOUT": ["0.001"],
    "READY_TIMEOUT": ["0.1s"],
    "TUNNEL_MEMORY": ["1"],
    "WORKER_MEMORY": ["64KiB"],
    "WATCH_BODY_LIMIT": ["1"],
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


def test_a_missing_key_is_reported_with_the_places_that_were_searched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("TUNNEL_REGISTRATION_API_KEY")
    (line,) = mistakes(capsys)
    assert line.endswith(f"it is not set in the environment, .env and .env.local of {tmp_path}")


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
