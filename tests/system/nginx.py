"""nginx configured as in our documents, on a free port and without the documents' certificates."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.harness import ROOT, Server, free_port, wait_until
from tests.patience import PATIENCE, WALL_PATIENCE

AROUND = """
daemon off;
master_process on;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/tiflis.conf;
}}
"""


class Nginx:
    """A proxy in front of a server, with the server's interface for peers."""

    def __init__(
        self,
        server: Server,
        *,
        tls: bool = False,
        change: Callable[[str], str] = lambda site: site,
        prefix: str = "",
    ) -> None:
        """``tls``: use a self-signed certificate, ``ca``. ``change``: replacements in the site's file.
        ``prefix``: the path below which these replacements serve the server.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="tiflis-nginx-"))
        self.port = free_port()
        secure = "s" if tls else ""
        self.ws_url = f"ws{secure}://127.0.0.1:{self.port}{prefix}/ws"
        self.prefix = prefix
        self.url = f"http{secure}://127.0.0.1:{self.port}"
        self.ca = self._folder / "own.pem"
        if tls:
            self._make_certificate()
        (self._folder / "tiflis.conf").write_text(change(self._site(server, tls)))
        (self._folder / "nginx.conf").write_text(AROUND.format(folder=self._folder))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start nginx, and return when it listens."""
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self._process = subprocess.Popen(
            [nginx, "-c", str(self._folder / "nginx.conf"), "-p", str(self._folder)]
        )
        wait_until((self._folder / "nginx.pid").exists, PATIENCE, "nginx started")

    def reload(self) -> None:
        """Start new nginx workers; the old ones continue with open connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def change(self, before: str, after: str) -> None:
        """Replace a text in the file that a reload reads."""
        path = self._folder / "tiflis.conf"
        path.write_text(path.read_text().replace(before, after))

    def kill(self) -> None:
        """Kill nginx, with all its connections."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(WALL_PATIENCE)
            self._process = None
        (self._folder / "nginx.pid").unlink(missing_ok=True)

    def log(self) -> str:
        """Return its log so far, requests and errors."""
        return "".join(path.read_text() for path in self._folder.glob("*.log"))

    def _make_certificate(self) -> None:
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=127.0.0.1 -addext"
        files = ["-keyout", str(self._folder / "own.key"), "-out", str(self.ca)]
        subprocess.run(
            [*command.split(), "subjectAltName=IP:127.0.0.1", *files], check=True, capture_output=True
        )

    def _site(self, server: Server, tls: bool) -> str:
        text = (ROOT / "deploy" / "nginx" / "tiflis.conf").read_text()
        place = f"unix:{server.unix}" if server.unix else f"127.0.0.1:{server.port}"
        text = text.replace("server 127.0.0.1:3001;", f"server {place};")
        if tls:
            text = text.replace("listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;")
            text = re.sub(r"(ssl_certificate +)[^;]*;", rf"\1{self.ca};", text)
            text = re.sub(r"(ssl_certificate_key +)[^;]*;", rf"\1{self._folder / 'own.key'};", text)
        else:
            text = re.sub(r"listen 443 ssl[^\n]*", f"listen 127.0.0.1:{self.port};", text)
            text = re.sub(r"\n\s*ssl_[^\n]*", "", text)
        text = re.sub(r"server \{\s*listen 80;.*?\n\}\n", "", text, flags=re.DOTALL)
        return text.replace("/var/log/nginx/", f"{self._folder}/")
