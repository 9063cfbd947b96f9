"""nginx as our documents set it up, on a free port and without its certificates."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.harness import ROOT, Server, free_port, wait_until

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
    """A proxy in front of a server; peers can use it in the server's place."""

    def __init__(self, server: Server) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tiflis-nginx-"))
        self.port = free_port()
        self.ws_url = f"ws://127.0.0.1:{self.port}/ws"
        self.url = f"http://127.0.0.1:{self.port}"
        (self._folder / "tiflis.conf").write_text(self._site(server))
        (self._folder / "nginx.conf").write_text(AROUND.format(folder=self._folder))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Returns when it listens."""
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self._process = subprocess.Popen(
            [nginx, "-c", str(self._folder / "nginx.conf"), "-p", str(self._folder)]
        )
        wait_until((self._folder / "nginx.pid").exists, 5, "nginx started")

    def reload(self) -> None:
        """New nginx workers take over; the old ones go on with what is open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """Ends it at once, with all its connections."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
        (self._folder / "nginx.pid").unlink(missing_ok=True)

    def log(self) -> str:
        """What it has written so far, requests and errors."""
        return "".join(path.read_text() for path in self._folder.glob("*.log"))

    def _site(self, server: Server) -> str:
        text = (ROOT / "deploy" / "nginx" / "tiflis.conf").read_text()
        text = text.replace("server 127.0.0.1:3001;", f"server 127.0.0.1:{server.port};")
        text = re.sub(r"listen 443 ssl[^\n]*", f"listen 127.0.0.1:{self.port};", text)
        text = re.sub(r"server \{\s*listen 80;.*?\n\}\n", "", text, flags=re.DOTALL)
        text = re.sub(r"\n\s*ssl_[^\n]*", "", text)
        return text.replace("/var/log/nginx/", f"{self._folder}/")
