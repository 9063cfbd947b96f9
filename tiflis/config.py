"""The settings: every variable that the server reads, checked at start."""

import ipaddress
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from tiflis import environment
from tiflis.environment import DOTENV, ConfigError, refuse
from tiflis.limits import Limits
from tiflis.values import is_authority, origin, path, shown_size, size, trimmed, worker_count

__all__ = ["DOTENV", "Run", "Settings", "load", "notes", "read", "read_run"]

TOKEN_LENGTH = 16  # characters, the least for an operator's token
WS_PATH_LENGTH = 256  # characters; a request line has to have room for it
KEY_LENGTH = 32  # characters, the least for a registration key (protocol 1.1)
SECRET = ("registration_keys", "nats_url", "notify_secret", "vapid_key", "metrics_token", "status_token")
RESERVED = ("/health", "/healthz", "/readyz", "/metrics", "/status")  # routes that WS_PATH must leave alone

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Proxy = Network | Literal["unix"]
LogLevel = Literal["trace", "debug", "info", "warn", "error", "fatal"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_YES, _NO = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}
_WS_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_NOTIFIER = r"(ntfy\+https?://[\w.:\[\]-]+(/[\w.~%-]+)+/?|webhook\+https?://[\w.:\[\]-]+(/[!-~]*)?)"
_MODE = re.compile(r"0?[0-7]{3}")
_NATS_SCHEMES = {"nats", "tls"}
_WEB_SCHEMES = {"http", "https", "ws", "wss"}
_NOTIFIERS = {f"{kind}+{scheme}" for kind in ("ntfy", "webhook") for scheme in ("http", "https")}

# Texts for mistakes that the type check finds: its own texts may contain the value.
_EXPECTED = {
    "int": "must be a whole number",
    "float": "must be a number",
    "finite": "must be a number",
    "bool": "must be true or false",
}
_BOUNDS = {"greater_than_equal": "at least", "greater_than": "more than", "less_than": "at most"}


class Settings(Limits):
    """The operator's settings, checked."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
        populate_by_name=True,
    )

    registration_keys: tuple[SecretStr, ...] = Field(
        default=(),
        validation_alias="TUNNEL_REGISTRATION_API_KEY",
        description="keys for workstations, separated by commas; the first seals the directory",
    )
    host: str = Field(default="0.0.0.0", description="address to listen on")
    port: int = Field(default=3001, ge=0, le=65535, description="TCP port to listen on; 0: any free one")
    log_level: LogLevel = Field(default="info", description="trace, debug, info, warn, error or fatal")
    log_format: Literal["auto", "json", "text", "ecs", "otel"] = Field(
        default="auto",
        description="json, text, auto (text on a terminal, else json), or a shipper's schema: ecs, otel",
    )
    access_log: bool = Field(default=False, description="log one line per request, without its query string")
    workers: Annotated[int | Literal["auto"], BeforeValidator(worker_count)] = Field(
        default="auto",
        description="worker processes of `tiflis serve`; auto: one per processor that it may use",
    )
    unix_mode: str = Field(default="666", description="permissions of the `--unix` socket, as for chmod")
    trust_proxy: bool | tuple[Proxy, ...] = Field(
        default=False,
        description="peers whose X-Forwarded-* counts: true (all), false (none), or networks and `unix`",
    )
    public_base_url: str | None = Field(
        default=None, description="public URL for workstations; unset: taken from the request"
    )
    ws_path: str = Field(default="/ws", description="path of the WebSocket endpoint")
    web_client_path: Path | Literal["off"] | None = Field(
        default=None, description="folder with another web client's build, or off"
    )
    allowed_origins: tuple[str, ...] | None = Field(
        default=None, description="origins that may open a socket, separated by commas; unset: any"
    )
    nats_url: SecretStr | None = Field(
        default=None, description="NATS servers, separated by commas; unset: an embedded server"
    )
    data_dir: Path = Field(
        default=Path(".tiflis"), description="folder for the embedded bus and the run folder"
    )
    audit: bool = Field(
        default=True, description="record each command of a device (type, session and size, never contents)"
    )
    auth_header: str | None = Field(
        default=None,
        description="header, such as Remote-User, that a trusted proxy must add before device keys change",
    )
    steering: bool = Field(
        default=True, description="hand a client's socket to the worker of its workstation"
    )

    stay: bool = Field(
        default=True, description="keep clients that ask for it for a time after their last socket; off: none"
    )

    push_services: tuple[str, ...] = Field(
        default=(),
        description="origins of further push services, separated by commas; they may have private addresses",
    )
    vapid_key: SecretStr | None = Field(
        default=None,
        description="private key for push (base64url, 32 bytes); unset: made at first use, kept on the bus",
    )
    vapid_subject: str = Field(
        default="mailto:push@tiflis.invalid",
        description="mailto: or https: URL by which push services reach you",
    )

    notify_secret: SecretStr | None = Field(
        default=None, description="secret that signs the calls of webhooks in NOTIFY; at least 16 characters"
    )
    notify: tuple[str, ...] = Field(
        default=(),
        description="notifiers, separated by commas: ntfy+https://host/topic, webhook+https://host/path",
    )

    metrics_port: int = Field(default=0, ge=0, le=65535, description="separate port for /metrics; 0: none")
    metrics_host: str = Field(default="127.0.0.1", description="address on which METRICS_PORT listens")
    metrics_token: SecretStr | None = Field(
        default=None, description="bearer token for /metrics on the public port; unset: not served"
    )
    status_token: SecretStr | None = Field(
        default=None, description="token or password for /status; unset: not served"
    )

    takeover: bool | Literal["auto"] = Field(
        default=False,
        description="true: take port and sockets over from the running server, which ends; auto: if one runs",
    )

    def __init__(self, **given: Any) -> None:
        """Read what is not given from the environment, each variable under its own name alone."""
        read = environment.read(_fields()).values
        super().__init__(**{_fields()[name]: value for name, value in read.items()} | given)

    @field_validator("registration_keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        keys = value if isinstance(value, tuple) else tuple(map(SecretStr, _split(value)))
        if not keys:
            raise ValueError(
                f"is required: at least {KEY_LENGTH} secret characters (tiflis keygen --write .env);"
                f" it is not set in {environment.searched()}"
            )
        if any(len(key.get_secret_value()) < KEY_LENGTH for key in keys):
            raise ValueError(f"needs at least {KEY_LENGTH} characters in every key")
        if any(_CONTROL.search(key.get_secret_value()) for key in keys):
            raise ValueError("has a line break or control character within a key; separate keys by commas")
        return keys

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        lower = value.strip().lower() if isinstance(value, str) else value
        return "warn" if lower == "warning" else lower

    @field_validator("takeover", mode="before")
    @classmethod
    def _takeover(cls, value: object) -> object:
        word = str(value).strip().lower()
        if word not in _YES | _NO | {"auto"}:
            raise ValueError("must be true, false or auto")
        return word if word == "auto" else word in _YES

    @field_validator("host", "metrics_host")
    @classmethod
    def _host(cls, value: str) -> str:
        if not _HOST.fullmatch(value):
            raise ValueError("must be an address or a host name")
        return value

    @field_validator("auth_header")
    @classmethod
    def _header(cls, value: str | None) -> str | None:
        if value is not None and not _HEADER.fullmatch(value.strip()):
            raise ValueError("must be the name of a header, such as Remote-User")
        return value.strip().lower() if value else None

    @field_validator("unix_mode")
    @classmethod
    def _mode(cls, value: str) -> str:
        if not _MODE.fullmatch(value):
            raise ValueError("must be permissions such as 660")
        return value

    @field_validator("notify", mode="before")
    @classmethod
    def _notify(cls, value: object, info: ValidationInfo) -> object:
        parts = value if isinstance(value, tuple) else _split(value)
        if not all(re.fullmatch(_NOTIFIER, part) and _url(part, _NOTIFIERS) for part in parts):
            raise ValueError("must be notifiers: ntfy+https://host/topic or webhook+https://host/path")
        if info.data.get("notify_secret") is None and any(part.startswith("webhook+") for part in parts):
            raise ValueError("with a webhook needs NOTIFY_SECRET")
        return tuple(parts)

    @field_validator("metrics_token", "status_token", "notify_secret")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < TOKEN_LENGTH:
            raise ValueError(f"needs at least {TOKEN_LENGTH} characters")
        if value is not None and _CONTROL.search(value.get_secret_value()):
            raise ValueError("has a line break or control character, which no header can have")
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
            return tuple(
                "unix" if part.lower() == "unix" else ipaddress.ip_network(part, strict=False)
                for part in _split(value)
            )
        except ValueError:
            raise ValueError("must be true, false, or networks such as 10.0.0.0/8, and unix") from None

    @field_validator("public_base_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = _url(value, _WEB_SCHEMES)
        try:
            authority = url.netloc.encode("idna").decode() if url else ""
        except UnicodeError:
            authority = ""
        if url is None or not is_authority(authority) or set("?#\\") & set(value):
            raise ValueError("must be a URL such as https://tunnel.example.org, without query or credentials")
        return value.strip().rstrip("/").replace(url.netloc, authority, 1)

    @field_validator("ws_path")
    @classmethod
    def _path(cls, value: str) -> str:
        segments = value.split("/")
        right = len(value) <= WS_PATH_LENGTH and _WS_PATH.fullmatch(value)
        if not right or {".", ".."} & set(segments) or segments[1] == "api":
            raise ValueError("must be a path such as /ws, outside /api")
        if value in RESERVED:
            raise ValueError(f"must be a path of its own: {value} is another route")
        return value

    @field_validator("data_dir", mode="before")
    @classmethod
    def _data_dir(cls, value: object) -> object:
        return path(str(value))

    @field_validator("web_client_path", mode="before")
    @classmethod
    def _client(cls, value: object) -> object:
        if value is None or str(value).strip().lower() == "off":
            return None if value is None else "off"
        folder = path(str(value))
        try:
            if (folder / "index.html").is_file():
                return folder
        except OSError as problem:  # such as a folder that this user may not enter
            raise ValueError(f"cannot be read: {problem.strerror}") from None
        raise ValueError("must be off or a folder with an index.html")

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        if value is None or isinstance(value, tuple):
            return value
        parts = _split(value)
        if "*" in parts:
            return None
        origins = tuple(found for found in map(origin, parts) if found)
        if len(origins) < len(parts) or not parts:
            raise ValueError("must be origins such as https://app.example.org, separated by commas")
        return origins

    @field_validator("push_services", mode="before")
    @classmethod
    def _services(cls, value: object) -> object:
        if isinstance(value, tuple):
            return value
        parts = _split(value)
        origins = tuple(found for found in map(origin, parts) if found)
        if len(origins) < len(parts) or not all(one.startswith(("http://", "https://")) for one in origins):
            raise ValueError("must be origins such as https://push.example.org, separated by commas")
        return origins

    @field_validator("vapid_key")
    @classmethod
    def _vapid(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{43}=?", value.get_secret_value()):
            raise ValueError("must be the 32 bytes of a private key in base64url")
        return value

    @field_validator("vapid_subject")
    @classmethod
    def _subject(cls, value: str) -> str:
        address = re.fullmatch(r"mailto:[!-~]{3,256}", value)
        url = _url(value, {"https"}) if re.fullmatch(r"[!-~]{1,256}", value) else None
        if not address and (url is None or url.username or url.password):
            raise ValueError("must be a mailto: or https: URL, without credentials")
        return value

    @field_validator("nats_url")
    @classmethod
    def _nats(cls, value: SecretStr | None) -> SecretStr | None:
        servers = _split(value.get_secret_value()) if value else []
        if value and (not servers or not all(_url(server, _NATS_SCHEMES) for server in servers)):
            raise ValueError("must be servers such as nats://user:password@host:4222, separated by commas")
        return value

    def secrets(self) -> Iterator[str]:
        """Return the texts that must never appear in a log: the registration keys, tokens and the bus's
        credentials."""
        for key in self.registration_keys:
            yield key.get_secret_value()
        for token in (self.metrics_token, self.status_token, self.vapid_key, self.notify_secret):
            if token is not None:
                yield token.get_secret_value()
        for server in _split(self.nats_url.get_secret_value()) if self.nats_url else []:
            url = urlsplit(server)
            if credential := url.password or url.username:
                yield unquote(credential)


def _split(value: object) -> list[str]:
    parts = map(trimmed, str(value or "").split(","))
    return [part for part in parts if part]


def _url(value: str, schemes: set[str]) -> Any:
    """Return the URL taken apart, or None unless it is one of these schemes with a host and a possible
    port."""
    try:
        url = urlsplit(value.strip())
        if (
            url.scheme not in schemes
            or not url.hostname
            or url.port == 0
            or re.search(r"[\s<>\"]", value.strip())
        ):
            return None
        return url
    except ValueError:
        return None


def variable(field: str) -> str:
    """Return the name under which the environment holds a field (or the alias of one)."""
    info = Settings.model_fields.get(field)
    return str(info.validation_alias or field if info else field).upper()


@cache
def _fields() -> dict[str, str]:
    """Return the field of every variable."""
    return {variable(field): field for field in Settings.model_fields}


def _mistake(error: Any) -> str:
    """Return a line for one mistake, with the form that is expected and without the value."""
    kind, context = str(error["type"]), error.get("ctx", {})
    name = variable(str(error["loc"][0]))
    if kind == "value_error":
        return f"{name} {context['error']}"
    for start, text in _BOUNDS.items():
        if kind.startswith(start):
            return f"{name} must be {text} {_bound(str(error['loc'][0]), next(iter(context.values())))}"
    if kind == "literal_error":
        return f"{name} must be {context['expected']}"
    expected = next((text for start, text in _EXPECTED.items() if kind.startswith(start)), "is not valid")
    return f"{name} {expected}"


def _bound(field: str, number: float) -> str:
    """Return a bound of a field as a user would write it."""
    info = Settings.model_fields.get(field)
    is_size = info is not None and any(getattr(mark, "func", None) is size for mark in info.metadata)
    return shown_size(int(number)) if is_size else str(number).removesuffix(".0")


class Run(NamedTuple):
    """The running server, which the main process has put into the environment for its workers."""

    run_dir: Path  # its folder
    instance: str  # its name
    workers: int = 1  # how many it should have


def read_run() -> Run:
    """Return the running server of which this process is a worker."""
    handed = environment.handed
    return Run(
        Path(handed("TIFLIS_RUN_DIR")), handed("TIFLIS_INSTANCE"), int(handed("TIFLIS_WORKERS") or "1")
    )


def read() -> Settings:
    """Return the settings of this process. Raise ConfigError."""
    try:
        return Settings()
    except ValidationError as problem:
        lines: dict[str, str] = {}
        for error in problem.errors(include_url=False, include_input=False):
            lines.setdefault(variable(str(error["loc"][0])), _mistake(error))
        raise ConfigError(list(lines.values())) from None


def notes() -> list[str]:
    """Return remarks on settings that are valid but may be unintended, one line each."""
    fields = _fields()
    quoted = [f"{name} is given in quotes: they are left out" for name in environment.read(fields).quoted]
    return [*quoted, *environment.doubts(fields, [variable(field) for field in SECRET])]


def load() -> Settings:
    """Return the settings of this process; on a mistake `refuse` them."""
    try:
        return read()
    except ConfigError as problem:
        refuse(problem.lines)
