"""The server: composes the rooms; ``app`` is what ``sanic tiflis.server:app`` runs."""

from typing import Any

from sanic import Sanic

from tiflis import logs
from tiflis.arbiter.lifecycle import Arbiter
from tiflis.arbiter.signals import stop_early
from tiflis.config import Settings, load
from tiflis.service import Service
from tiflis.web import upgrade
from tiflis.web.address import Addresses
from tiflis.web.client_files import client_routes
from tiflis.web.health import health_routes
from tiflis.web.http import PatientHttp, SoundRequest, configure
from tiflis.web.metrics_page import metrics_routes
from tiflis.web.replies import Errors
from tiflis.web.status_page import status_routes
from tiflis.web.watch import WatchLimits, watch_routes

BACKLOG = 4096  # connections that may wait to be accepted: thousands come back at once after an outage


class TiflisApp(Sanic[Any, Any]):
    """Sanic with the settings' defaults in place of its own."""

    def prepare(self, host: str | None = None, port: int | None = None, **options: Any) -> None:
        settings: Settings = self.ctx.settings
        stop_early()
        options["backlog"] = BACKLOG
        options["motd"] = False
        options["protocol"] = PatientHttp
        options["access_log"] = settings.access_log
        port = settings.port if port is None else port
        self.ctx.arbiter.prepare(port, options)
        super().prepare(host or settings.host, port, **options)


def build(settings: Settings) -> TiflisApp:
    """The app with its routes and the listeners that bring a worker up and down."""
    app = TiflisApp("tiflis", configure_logging=False, request_class=SoundRequest, error_handler=Errors())
    app.ctx.settings = settings
    configure(app, settings)
    app.ctx.arbiter = Arbiter(settings)
    app.ctx.arbiter.attach(app)
    service = Service(settings)
    service.attach(app)
    upgrade.add_route(app, settings.ws_path, service.endpoint)
    limits = WatchLimits(settings.watch_body_limit, settings.watch_wait_limit)
    addresses = Addresses(settings)
    app.blueprint(watch_routes(service, addresses.client, limits))
    app.blueprint(health_routes(service))
    app.blueprint(status_routes(service.status, settings.status_token, addresses.client))
    app.blueprint(metrics_routes(service.metrics, settings.metrics_token))
    app.blueprint(client_routes(settings.web_client_path))
    return app


settings = load()
logs.install(settings.log_level, settings.log_format, settings.secrets(), settings.access_log)
app = build(settings)
