"""Servers, as on two hosts, that share only a NATS server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bus.nats import TOKEN, NatsServer
from tests.harness import Server

LIMITS = "max_payload: 1048576"


class Hosts:
    """Two servers on one bus. ``env``: settings of both."""

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 1,
        authorization: str = f'token: "{TOKEN}"',
        credentials: str = TOKEN,
        env: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.nats = NatsServer(
            folder / "nats", authorization=authorization, credentials=credentials, extra=LIMITS
        )
        settings = {**(env or {}), "NATS_URL": self.nats.url}
        self.servers = [
            Server(workers=workers, env=dict(settings), folder=folder / name, **options)
            for name in ("one", "two")
        ]

    def start(self) -> None:
        self.nats.start()
        for server in self.servers:
            server.folder.mkdir()
        for server in self.servers:
            server.start(wait=False)
        for server in self.servers:
            server.wait_ready()

    def end(self) -> None:
        for server in self.servers:
            server.kill_everything()
        self.nats.stop()
