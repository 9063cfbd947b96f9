"""The settings: the only reader of the environment, which checks all of it at start."""

import ipaddress
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from tiflis.limits import Limits

EXIT_MISCONFIGURED = 2
TOKEN_LENGTH = 16  # characters, the least for an operator's token
KEY_LENGTH = 32  # characters, the least for a registration key (protocol 1.1)
DOTENV = (".env", ".env.local")  # the later one wins; the environment wins over both

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LogLevel = Literal["trace", "debug", "info", "warn", "error", "fatal"]

_YES, _NO = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d{1,5})?")
_WS_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
_NATS_SCHEMES = {"nats", "tls"}
_WEB_SCHEMES = {"http", "https", "ws", "wss"}

# What a variable must be, for the mistakes that the type check finds (its own texts may hold the value).
_EXPECTED = {
    "int": "must be a whole number",
    "float": "must be a number",
    "finite": "must be a number",
    "bool": "must be true or false",
}
_BOUNDS = {"greater_than_equal": "at least", "greater_than": "more than", "less_than": "at most"}


class ConfigError(Exception):
    """The environment is wrong; ``lines`` says how, one line a variable."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Settings(Limits):
    """What the operator decided, checked."""

    model_config = SettingsConfigDict(
        env_file=DOTENV,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
        populate_by_name=True,
    )

    registration_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        validation_alias="TUNNEL_REGISTRATION_API_KEY",
        description="keys that let a workstation register, separated by commas; the first signs",
    )
    host: str = Field(default="0.0.0.0", description="address to listen on")
    port: int = Field(default=3001, ge=0, le=65535, description="TCP port to listen on")
    log_level: LogLevel = Field(default="info", description="trace, debug, info, warn, error or fatal")
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="json, text, or auto: text on a terminal"
    )
    access_log: bool = Field(default=False, description="one line a request, without its query string")
    trust_proxy: Annotated[bool | tuple[Network, ...], NoDecode] = Field(
        default=False,
        description="whose X-Forwarded-* counts: true (the peer's), false, or a list of networks",
    )
    public_base_url: str | None = Field(
        default=None, description="what workstations are told; absent: from the request"
    )
    ws_path: str = Field(default="/ws", description="path of the WebSocket endpoint")
    web_client_path: Path | Literal["off"] | None = Field(
        default=None, description="folder with another web client's build, or off"
    )
    allowed_origins: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None, description="origins that may open a socket, separated by commas; absent: any"
    )
    nats_url: SecretStr | None = Field(
        default=None, description="NATS servers, separated by commas; absent: an embedded server"
    )
    data_dir: Path = Field(default=Path(".tiflis"), description="folder of the embedded bus and of the run")
    steering: bool = Field(
        default=True, description="hand a client's socket to the worker of its workstation"
    )

    metrics_port: int = Field(default=0, ge=0, le=65535, description="port of its own for /metrics; 0: none")
    metrics_host: str = Field(default="127.0.0.1", description="address of that port")
    metrics_token: SecretStr | None = Field(
        default=None, description="who shows it (Authorization: Bearer) may read /metrics; absent: nobody"
    )
    status_token: SecretStr | None = Field(
        default=None, description="who shows it may read /status; absent: nobody"
    )

    takeover: bool = Field(
        default=False, description="take sockets and port over from the server that runs, then end it"
    )

    # Set by the main process for its workers.
    run_dir: Path | None = Field(
        default=None, validation_alias="TIFLIS_RUN_DIR", description="folder of the running server"
    )
    instance: str | None = Field(
        default=None, validation_alias="TIFLIS_INSTANCE", description="name of the running server"
    )
    workers: int = Field(
        default=1, ge=1, validation_alias="TIFLIS_WORKERS", description="how many the running server has"
    )

    @field_validator("registration_keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        keys = value if isinstance(value, tuple) else tuple(map(SecretStr, _split(value)))
        if not keys:
            raise ValueError(f"is required: at least {KEY_LENGTH} secret characters (tiflis keygen)")
        if any(len(key.get_secret_value()) < KEY_LENGTH for key in keys):
            raise ValueError(f"needs at least {KEY_LENGTH} characters in every key")
        return keys

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        lower = value.strip().lower() if isinstance(value, str) else value
        return "warn" if lower == "warning" else lower

    @field_validator("host", "metrics_host")
    @classmethod
    def _host(cls, value: str) -> str:
        if not _HOST.fullmatch(value):
            raise ValueError("must be an address or a host name")
        return value

    @field_validator("metrics_token", "status_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < TOKEN_LENGTH:
            raise ValueError(f"needs at least {TOKEN_LENGTH} characters")
        return value

    @field_validator("trust_proxy", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if isinstance(value, bool | tuple):
            return value
        word = str(value).strip().lower()
        if word in _YES | _NO:
            return word in _YES
        try:
            return tuple(ipaddress.ip_network(part, strict=False) for part in _split(value))
        except ValueError:
            raise ValueError("must be true, false, or networks such as 10.0.0.0/8") from None

    @field_validator("public_base_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = _url(value, _WEB_SCHEMES)
        if url is None or url.username or url.password or url.query or url.fragment:
            raise ValueError("must be a URL such as https://tunnel.example.org, without query or credentials")
        return value.strip().rstrip("/")

    @field_validator("ws_path")
    @classmethod
    def _path(cls, value: str) -> str:
        if not _WS_PATH.fullmatch(value) or "/.." in value or value.startswith("/api/"):
            raise ValueError("must be a path such as /ws, outside /api")
        return value

    @field_validator("web_client_path", mode="before")
    @classmethod
    def _client(cls, value: object) -> object:
        if value is None or str(value).strip().lower() == "off":
            return None if value is None else "off"
        folder = Path(str(value).strip())
        if not (folder / "index.html").is_file():
            raise ValueError("must be off or a folder with an index.html")
        return folder

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        if value is None or isinstance(value, tuple):
            return value
        origins = tuple(part.lower().rstrip("/") for part in _split(value))
        if "*" in origins or not origins:
            return None
        if not all(origin == "null" or _ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("must be origins such as https://app.example.org, separated by commas")
        return origins

    @field_validator("nats_url")
    @classmethod
    def _nats(cls, value: SecretStr | None) -> SecretStr | None:
        servers = _split(value.get_secret_value()) if value else []
        if value and (not servers or not all(_url(server, _NATS_SCHEMES) for server in servers)):
            raise ValueError("must be servers such as nats://user:password@host:4222, separated by commas")
        return value

    def secrets(self) -> Iterator[str]:
        """What must never appear in a log: the registration keys, tokens and the bus's credentials."""
        for key in self.registration_keys:
            yield key.get_secret_value()
        for token in (self.metrics_token, self.status_token):
            if token is not None:
                yield token.get_secret_value()
        for server in _split(self.nats_url.get_secret_value()) if self.nats_url else []:
            url = urlsplit(server)
            if credential := url.password or url.username:
                yield unquote(credential)


def _split(value: object) -> list[str]:
    return [part.strip() for part in str(value or "").split(",") if part.strip()]


def _url(value: str, schemes: set[str]) -> Any:
    """The URL taken apart, or None unless it is one of these schemes with a host and a possible port."""
    try:
        url = urlsplit(value.strip())
        return url if url.scheme in schemes and url.hostname and url.port != 0 else None
    except ValueError:
        return None


def _variable(location: tuple[int | str, ...]) -> str:
    """The environment's name of a field (a location starts with the field or its alias)."""
    field = Settings.model_fields.get(str(location[0]))
    return str(field.validation_alias or location[0] if field else location[0]).upper()


def _mistake(error: Any) -> str:
    """One mistake as a line that says what is right, without the value."""
    kind, context = str(error["type"]), error.get("ctx", {})
    name = _variable(error["loc"])
    if kind == "value_error":
        return f"{name} {context['error']}"
    for start, text in (
        ("greater_than_equal", "at least"),
        ("greater_than", "more than"),
        ("less_than", "at most"),
    ):
        if kind.startswith(start):
            return f"{name} must be {text} {next(iter(context.values()))}"
    if kind == "literal_error":
        return f"{name} must be {context['expected']}"
    expected = next((text for start, text in _EXPECTED.items() if kind.startswith(start)), "is not valid")
    return f"{name} {expected}"


def read() -> Settings:
    """The settings of this process; raises ConfigError."""
    try:
        return Settings()
    except ValidationError as problem:
        lines: dict[str, str] = {}
        for error in problem.errors(include_url=False, include_input=False):
            lines.setdefault(_variable(error["loc"]), _mistake(error))
        raise ConfigError(list(lines.values())) from None
    except (OSError, UnicodeError):
        raise ConfigError([f"{' or '.join(DOTENV)} cannot be read: must be a text file in UTF-8"]) from None


def load() -> Settings:
    """The settings of this process; on a mistake says so on stderr and ends it with code 2."""
    try:
        return read()
    except ConfigError as problem:
        sys.stderr.write("".join(f"tiflis: {line}\n" for line in problem.lines))
        raise SystemExit(EXIT_MISCONFIGURED) from None
