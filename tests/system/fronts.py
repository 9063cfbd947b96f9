"""Proxies configured by the files in deploy/, on a free port of loopback and without TLS."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from tests.harness import ROOT, Server, free_port
from tests.patience import WALL_PATIENCE
from tests.system.nginx import Nginx

DEPLOY = ROOT / "deploy"
# The age in Strict-Transport-Security of each file: another one shows that a reload has taken effect.
AGE = "31536000"
CADDY_GLOBALS = """
{{
	admin unix/{folder}/admin
	persist_config off
	auto_https off
	storage file_system {folder}
"""


@dataclass(frozen=True)
class Kind:
    """One kind of proxy."""

    write: Callable[[Path, int, int], None]  # its configuration: folder, own port, the server's port
    file: str  # the one of its files that a reload changes
    start: tuple[str, ...]
    reload: tuple[str, ...] | signal.Signals | None  # None: it sees that its file has changed


def _caddy(folder: Path, port: int, behind: int) -> None:
    site = (DEPLOY / "caddy" / "Caddyfile").read_text()
    site = site.replace("tunnel.example.org {", f"http://127.0.0.1:{port} {{")
    site = site.replace("127.0.0.1:3001", f"127.0.0.1:{behind}")
    (folder / "Caddyfile").write_text(site.replace("\n{\n", CADDY_GLOBALS.format(folder=folder), 1))


def _haproxy(folder: Path, port: int, behind: int) -> None:
    text = (DEPLOY / "haproxy" / "haproxy.cfg").read_text()
    text = re.sub(r"bind :443.*", f"bind 127.0.0.1:{port}", text)
    text = re.sub(r".*(bind :80|redirect scheme).*\n", "", text)
    (folder / "haproxy.cfg").write_text(text.replace("127.0.0.1:3001", f"127.0.0.1:{behind}"))


def _traefik(folder: Path, port: int, behind: int) -> None:
    static = yaml.safe_load((DEPLOY / "traefik" / "traefik.yml").read_text())
    routes = yaml.safe_load((DEPLOY / "traefik" / "tiflis.yml").read_text())
    entry = static["entryPoints"]["websecure"]
    entry["address"] = f"127.0.0.1:{port}"
    static["entryPoints"] = {"websecure": entry}
    static["providers"]["file"]["filename"] = str(folder / "tiflis.yml")
    del static["certificatesResolvers"]
    router: dict[str, Any] = routes["http"]["routers"]["tiflis"]
    router["rule"] = "Host(`127.0.0.1`)"
    del router["tls"]
    routes["http"]["services"]["tiflis"]["loadBalancer"]["servers"] = [{"url": f"http://127.0.0.1:{behind}"}]
    headers = routes["http"]["middlewares"]["tiflis-hsts"]["headers"]
    headers["forceSTSHeader"] = True  # it would leave it out without TLS
    (folder / "traefik.yml").write_text(yaml.safe_dump(static))
    (folder / "tiflis.yml").write_text(yaml.safe_dump(routes))


BESIDE = Path(sys.executable).parent  # where packages from PyPI put their programs
KINDS = {
    "caddy": Kind(
        _caddy,
        "Caddyfile",
        (f"{BESIDE}/caddy", "run", "--config", "Caddyfile"),
        (f"{BESIDE}/caddy", "reload", "--config", "Caddyfile", "--address", "unix/admin"),
    ),
    "haproxy": Kind(
        _haproxy, "haproxy.cfg", ("/usr/sbin/haproxy", "-W", "-f", "haproxy.cfg"), signal.SIGUSR2
    ),
    "traefik": Kind(_traefik, "tiflis.yml", (f"{BESIDE}/traefik", "--configFile=traefik.yml"), None),
}


class Front:
    """A running proxy in front of a server, with the server's interface for peers."""

    def __init__(self, name: str, server: Server) -> None:
        self.name, self._kind = name, KINDS[name]
        self._folder = Path(tempfile.mkdtemp(prefix=f"tiflis-{name}-"))
        self.port = free_port()
        self.prefix = ""
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}/ws"
        self._kind.write(self._folder, self.port, server.port)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._kind.start, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(WALL_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def reload(self) -> None:
        """Have it read its changed file; it may return before that is done."""
        assert self._process is not None
        if isinstance(self._kind.reload, signal.Signals):
            self._process.send_signal(self._kind.reload)
        elif self._kind.reload:
            subprocess.run(
                self._kind.reload, cwd=self._folder, check=True, capture_output=True, timeout=WALL_PATIENCE
            )

    def change(self, before: str, after: str) -> None:
        """Replace a text in the file that a reload reads."""
        path = self._folder / self._kind.file
        path.write_text(path.read_text().replace(before, after))

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")


def below_x(site: str) -> str:
    """Change nginx's site as docs/proxies.md says for a path prefix."""
    site = site.replace("location / {", "location /x/ {")
    header = "proxy_set_header X-Forwarded-Prefix /x;"
    return site.replace("proxy_pass http://tiflis;", f"proxy_pass http://tiflis/; {header}")


def front(name: str, server: Server) -> Front | Nginx:
    """Return the proxy of this name, not yet started."""
    match name:
        case "nginx":
            return Nginx(server)
        case "nginx below /x/":
            return Nginx(server, change=below_x, prefix="/x")
    return Front(name, server)


NAMES = ["nginx", "nginx below /x/", *KINDS]
