"""The worker's interface for the routes, which exists before the worker has started and after its end."""

import asyncio
import gc
import logging
import os
import time
from collections.abc import Collection
from typing import Any

from sanic import Request, Sanic
from sanic.response import BaseHTTPResponse

from tiflis import metrics, release
from tiflis.bus.devices.records import DeviceKey
from tiflis.config import Settings, read_run
from tiflis.exposition import expose
from tiflis.ipc.main_link import MainLink
from tiflis.ipc.processes import leave_at_once, parent_lives
from tiflis.protocol.errors import Starting
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.devices.audit import Author
from tiflis.relay.pinned import Pinned, Shares
from tiflis.relay.push.sender import PushSender
from tiflis.relay.watch.calls import Call, operation_of
from tiflis.web.devices import Manager, Present
from tiflis.web.health import State, judge, reasons
from tiflis.web.metrics_page import MetricsPort
from tiflis.web.upgrade import Endpoint
from tiflis.worker.worker import Worker

log = logging.getLogger(__name__)

BUS_URL_FILE = "bus.url"  # in the run folder: the URL of the embedded bus


class Service:
    """Starts and ends the worker, and answers the routes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._worker: Worker | None = None
        self._main: MainLink | None = None
        self._coming: asyncio.Task[None] | None = None
        self._up, self._listening = asyncio.Event(), asyncio.Event()
        self._started_at = time.monotonic()
        self.pinned = Pinned(Shares(settings.tunnel_memory, settings.worker_memory))
        self._metrics = MetricsPort(settings.metrics_host, settings.metrics_port, self.metrics)

    def attach(self, app: Sanic[Any, Any]) -> None:
        """Register the listeners that start and end the worker."""
        app.before_server_start(self._start)
        app.after_server_start(self._serve)
        app.before_server_stop(self._leave)
        app.after_server_stop(self._stop)
        app.register_middleware(_count_response, "response")

    async def _start(self, app: Sanic[Any, Any]) -> None:
        """Wait for the worker to start, but for an unreachable bus no longer than BUS_START_TIMEOUT.

        Until then the kernel keeps connections waiting; afterwards they are answered 503.
        """
        self._coming = asyncio.create_task(self._come_up(), name="start")
        up = asyncio.create_task(self._up.wait())
        await asyncio.wait(
            {self._coming, up},
            timeout=self._settings.bus_start_timeout,
            return_when=asyncio.FIRST_COMPLETED,
        )
        up.cancel()
        if self._coming.done():
            self._coming.result()
        self._coming.add_done_callback(_end_if_failed)

    async def _come_up(self) -> None:
        # From the environment, in which the main process has put this since the settings were read.
        run = read_run()
        nats_url, slot = self._settings.nats_url, _slot()
        urls = nats_url.get_secret_value() if nats_url else (run.run_dir / BUS_URL_FILE).read_text()
        worker = Worker(self._settings, run, urls.strip(), slot, self.pinned)
        await worker.start()
        self._worker = worker
        lives = parent_lives if os.environ.get("SANIC_WORKER_NAME") else _is_main_itself
        self._main = main = MainLink(
            run.run_dir, slot, worker.id, worker.worker_gone, worker.status, main_lives=lives
        )
        main.on_end, main.on_devices = worker.end, worker.devices.operate
        await main.start()
        self._up.set()
        await self._listening.wait()
        worker.ready = True
        main.ready()
        log.info("worker ready", extra={"pid": os.getpid()})
        # Keep lasting objects such as code out of full collections: while thousands of sockets connect at
        # once, a collection then takes a third of the time.
        gc.collect()
        gc.freeze()

    async def _serve(self, app: Sanic[Any, Any]) -> None:
        if self._settings.metrics_port:
            await self._metrics.start()
        self._listening.set()

    async def _leave(self, app: Sanic[Any, Any]) -> None:
        """Hand all sockets to a successor, or else close them, before HTTP drains."""
        worker, main = self._worker, self._main
        if worker is None or main is None:
            return
        successor = await main.successor()
        if successor is not None:
            report = await worker.hand_over(successor)
            main.tell_handed(report.summary())
            await asyncio.sleep(self._settings.drain_window if report.fell_back else 0)
        await worker.drain()

    async def _stop(self, app: Sanic[Any, Any]) -> None:
        await self._metrics.close()
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.gather(self._coming, return_exceptions=True)
        if self._worker is not None:
            await self._worker.stop()
        if self._main is not None:
            await self._main.close()

    @property
    def _ready(self) -> Worker:
        if self._worker is None or not self._worker.ready:
            raise Starting
        return self._worker

    # For the WebSocket endpoint

    def endpoint(self) -> Endpoint:
        if self._worker is None:
            raise Starting
        return self._worker.endpoint

    # For the watch API

    async def authorise(
        self, tunnel_id: str, auth_keys: list[str], address: str, device_id: str, kind: str = "watch"
    ) -> str:
        return await self._ready.hub.authorise(tunnel_id, auth_keys, address, device_id, kind)

    async def call(self, tunnel_id: str, call: Call) -> dict[str, Any]:
        metrics.count("watch_calls_total", operation_of(call))
        return await self._ready.hub.call(tunnel_id, call)

    # For the push API

    @property
    def push(self) -> PushSender | None:
        return self._ready.queues.push

    # For the device API

    @property
    def keys(self) -> DeviceKeys:
        return self._ready.devices.keys

    def admit_code(self, code: str, address: str) -> DeviceKey:
        return self._ready.hub.gate.admit_code(code, address)

    async def present(self, tunnel_id: str) -> Present:
        """Return the tunnel's devices that are connected now, on all hosts."""
        answers = await self._ready.presence.ask("present", about={"tunnel": tunnel_id})
        keys = frozenset(str(key) for answer in answers for key in answer.get("keys", ()))
        return Present(keys, tuple({str(one) for answer in answers for one in answer.get("owners", ())}))

    async def audit(self, tunnel_id: str, since: int) -> dict[str, Any]:
        return await self._ready.devices.read_audit(tunnel_id, since)

    def record(self, caller: Manager, kind: str, about: str = "") -> None:
        """Enter a change in the audit."""
        audit = self._ready.devices.audit
        if audit is not None:
            tunnel_id, device_id, key_id, scope, by = caller
            audit.change(Author(tunnel_id, device_id, key_id, scope), kind, about, by)

    # For the operator

    @property
    def _present(self) -> Worker:
        """Return the worker, even while it drains. Raise Starting."""
        if self._worker is None or not (self._worker.ready or self._worker.draining):
            raise Starting
        return self._worker

    def admit(self, page: str, given: str, token: str, address: str) -> None:
        self._present.hub.gate.admit_operator(page, given, token, address)

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        return expose(await self._present.metrics(), accept)

    async def status(self) -> dict[str, Any]:
        """Return the state of the server for the operator, as single values and lists of rows."""
        worker = self._present
        status = await worker.status()
        workers = [dict(row) for row in status["workers"]]
        tunnels = [tunnel for row in workers for tunnel in row.pop("tunnels", [])]
        workstations, clients = worker.counts()
        return {
            "status": judge(self),
            "why": reasons(self),
            "version": release.build(),
            "instance": worker.instance,
            "workstations": workstations,
            "clients": clients,
            **{f"handoffs_{name}": value for name, value in status["handoffs"].items()},
            "workers": workers,
            "tunnels": tunnels,
        }

    # For health

    async def counts(self) -> tuple[int, int]:
        return self._worker.counts() if self._worker else (0, 0)

    def state(self) -> State:
        worker = self._worker
        if worker is None or not (worker.ready or worker.draining):
            return "starting"
        if worker.draining:
            return "draining"
        return "ready" if worker.link.up and worker.directory.ready else "no bus"

    def degraded(self) -> Collection[str]:
        return self._worker.troubles() if self._worker else ()

    def uptime(self) -> float:
        return time.monotonic() - self._started_at


def _end_if_failed(coming: asyncio.Task[None]) -> None:
    """End the process if the worker cannot start; the main process starts another one."""
    if not coming.cancelled() and (problem := coming.exception()) is not None:
        log.critical("worker cannot start", exc_info=problem)
        leave_at_once()


async def _count_response(_: Request, response: BaseHTTPResponse) -> None:
    metrics.count("http_responses_total", "503" if response.status == 503 else f"{response.status // 100}xx")


def _is_main_itself() -> bool:
    """Return True: with --single-process the worker is its own main process."""
    return True


def _slot() -> str:
    """Return this worker's slot, from Sanic's name for it: Sanic-Server-<slot>-<n>."""
    name = os.environ.get("SANIC_WORKER_NAME", "")
    parts = name.split("-")
    return parts[2] if len(parts) > 2 and parts[2].isdigit() else "0"
