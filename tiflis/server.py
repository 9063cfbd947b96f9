"""The server: composes the rooms; ``app`` is what ``sanic tiflis.server:app`` runs."""

from typing import Any

from sanic import Sanic
from sanic.server.protocols.http_protocol import HttpProtocol

from tiflis import logs
from tiflis.config import Settings, load
from tiflis.web import upgrade
from tiflis.web.address import Addresses
from tiflis.worker import Worker

BACKLOG = 4096  # connections that may wait to be accepted: thousands come back at once after an outage


class TiflisApp(Sanic[Any, Any]):
    """Sanic with the settings' defaults in place of its own."""

    def prepare(self, host: str | None = None, port: int | None = None, **options: Any) -> None:
        settings: Settings = self.ctx.settings
        options["backlog"] = BACKLOG
        options["motd"] = False
        options["access_log"] = settings.access_log
        super().prepare(host or settings.host, port if port is not None else settings.port, **options)


def build(settings: Settings) -> TiflisApp:
    """The app with its routes and the listeners that bring a worker up and down."""
    app = TiflisApp("tiflis", configure_logging=False)
    app.ctx.settings = settings
    app.config.REQUEST_MAX_SIZE = settings.watch_body_limit + 1024
    upgrade.add_route(app, settings.ws_path, lambda: app.ctx.worker.sockets)
    app.before_server_start(_start)
    app.before_server_stop(_stop)
    return app


async def _start(app: TiflisApp) -> None:
    settings: Settings = app.ctx.settings
    assert settings.nats_url
    app.ctx.worker = worker = Worker(settings, settings.nats_url.get_secret_value(), "dev", "0")
    await worker.start()


async def _stop(app: TiflisApp) -> None:
    await app.ctx.worker.stop()


_ = (HttpProtocol, Addresses, logs)
app = build(load())
