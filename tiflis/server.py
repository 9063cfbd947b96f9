"""The server: composes the rooms; ``app`` is what ``sanic tiflis.server:app`` runs."""

import logging
import signal
from pathlib import Path
from typing import Any

from sanic import Sanic
from sanic.http.constants import HTTP

from tiflis import logs
from tiflis.arbiter.ground import free_port
from tiflis.arbiter.lifecycle import Arbiter
from tiflis.arbiter.signals import stop_early
from tiflis.config import Settings, load, notes
from tiflis.descriptors import open_standard
from tiflis.environment import ConfigError, note_argument, refuse, wants_colours
from tiflis.web import upgrade
from tiflis.web.address import Addresses
from tiflis.web.client_files import client_routes
from tiflis.web.devices import device_routes
from tiflis.web.health import health_routes
from tiflis.web.http import configure
from tiflis.web.metrics_page import metrics_routes
from tiflis.web.notifiers import notifier_routes
from tiflis.web.push import push_routes
from tiflis.web.replies import Errors
from tiflis.web.sanic_internals import PatientHttp, SoundRequest
from tiflis.web.status_page import status_routes
from tiflis.web.watch import WatchLimits, watch_routes
from tiflis.worker.service import Service

LAST_PORT = 65535
BACKLOG = 4096  # connections that may wait to be accepted: thousands come back at once after an outage


class TiflisApp(Sanic[Any, Any]):
    """Sanic with the settings' defaults in place of its own."""

    def prepare(self, host: str | None = None, port: int | None = None, **options: Any) -> None:
        settings: Settings = self.ctx.settings
        stop_early(self.ctx.arbiter.kill_bus)
        _refuse_tls(self, options)
        options["backlog"] = BACKLOG
        options["motd"] = False
        options["protocol"] = PatientHttp
        options["access_log"] = settings.access_log
        for variable, given in (("HOST", host), ("PORT", port)):
            if given is not None:
                note_argument(variable, f"--{variable.lower()}")
        host, port = host or settings.host, settings.port if port is None else port
        if not 0 <= port <= LAST_PORT:
            refuse([f"PORT must be {'at least 0' if port < 0 else f'at most {LAST_PORT}'}"])
        if port == 0 and not options.get("unix"):  # every part of the server has to know which one
            port = free_port(host)
            logging.getLogger(__name__).info("port chosen", extra={"port": port})
        self.ctx.arbiter.prepare(host, port, options)
        super().prepare(host, port, **options)


def _refuse_tls(app: Sanic[Any, Any], options: dict[str, Any]) -> None:
    """Refuse to start with TLS: a WebSocket takes over the bare transport, so frames would leave in clear
    text."""
    asked = (options.get("ssl"), options.get("auto_tls"), options.get("version") in (3, HTTP.VERSION_3))
    files = (app.config.get(name) for name in ("LOCAL_TLS_CERT", "LOCAL_TLS_KEY"))
    if any(asked) or any(isinstance(file, str | Path) and str(file) for file in files):
        refuse(["TLS is not served (--cert, --key, --tls, LOCAL_TLS_CERT): it ends in the proxy in front"])


def build(settings: Settings) -> TiflisApp:
    """Return the app with its routes and the listeners that bring a worker up and down."""
    app = TiflisApp("tiflis", configure_logging=False, request_class=SoundRequest, error_handler=Errors())
    app.ctx.settings = settings
    configure(app, settings)
    app.extend()  # sanic-ext answers HEAD wherever there is GET; `configure` has switched off all else of it
    app.ctx.arbiter = Arbiter(settings)
    app.ctx.arbiter.attach(app)
    service = Service(settings)
    service.attach(app)
    upgrade.add_route(app, settings.ws_path, service.endpoint)
    limits = WatchLimits(settings.watch_body_limit, settings.watch_wait_limit)
    addresses = Addresses(settings)
    app.ctx.client_address = addresses.client
    app.blueprint(watch_routes(service, addresses.client, limits))
    app.blueprint(device_routes(service, addresses, settings.ws_path, settings.auth_header))
    app.blueprint(push_routes(service, addresses.client))
    app.blueprint(notifier_routes(service, addresses.client))
    app.blueprint(health_routes(service))
    app.blueprint(status_routes(service.status, settings.status_token, addresses.client, service.admit))
    app.blueprint(metrics_routes(service.metrics, settings.metrics_token, addresses.client, service.admit))
    app.blueprint(client_routes(settings.web_client_path, settings.ws_path))
    return app


def compose(settings: Settings) -> TiflisApp:
    """Return the app; what the settings name and cannot be used ends the process with code 2."""
    try:
        return build(settings)
    except ConfigError as problem:
        refuse(problem.lines)


open_standard()
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a reload that is asked for before there is anything to reload
settings = load()
logs.install(
    settings.log_level,
    settings.log_format,
    settings.secrets(),
    settings.access_log,
    queue_bytes=settings.log_queue,
    lines_a_minute=settings.log_lines_a_minute,
    colours=wants_colours(),
)
for note in notes():
    logging.getLogger(__name__).warning("setting: %s", note)
app = compose(settings)
