"""Health: whether the server works, for people, load balancers and orchestrators (protocol, section 5)."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Literal, Protocol

from sanic import Blueprint, Request
from sanic.response import HTTPResponse

from tiflis.release import build
from tiflis.web.replies import reply

State = Literal["starting", "ready", "draining", "no bus"]
READ = ["GET", "HEAD"]


class Facts(Protocol):
    """The state of the worker that the health routes report."""

    async def counts(self) -> tuple[int, int]:
        """Return the numbers of workstations and clients (including watches) online now, over all workers."""

    def state(self) -> State:
        """Return whether this worker takes requests, or why not."""

    def degraded(self) -> Collection[str]:
        """Return the reasons why the server is degraded, such as a missing worker."""

    def uptime(self) -> float:
        """Return the seconds since the server started."""


def health_routes(facts: Facts, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Blueprint:
    """Return the routes ``/health``, ``/healthz`` and ``/readyz``."""
    routes = Blueprint("health")

    async def health(_: Request) -> HTTPResponse:
        workstations, clients = await facts.counts()
        status, why = judge(facts), reasons(facts)
        body = {
            "status": status,
            **({"why": why} if why else {}),
            "version": build(),
            "uptime": int(facts.uptime()),
            "connections": {"workstations": workstations, "clients": clients},
            "timestamp": now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        return reply(body, 503 if status == "unhealthy" else 200)

    async def alive(_: Request) -> HTTPResponse:
        return reply({"status": "ok"})

    async def ready(_: Request) -> HTTPResponse:
        state = facts.state()
        return reply({"status": state}, 200 if state == "ready" else 503)

    routes.add_route(health, "/health", methods=READ)
    routes.add_route(alive, "/healthz", methods=READ)
    routes.add_route(ready, "/readyz", methods=READ)
    return routes


def judge(facts: Facts) -> Literal["healthy", "degraded", "unhealthy"]:
    """Return ``unhealthy`` while the server starts; ``degraded`` without the bus or a worker, or while this
    worker ends; else ``healthy``."""
    if facts.state() == "starting":
        return "unhealthy"
    return "healthy" if facts.state() == "ready" and not facts.degraded() else "degraded"


def reasons(facts: Facts) -> str:
    """Return why the server is not healthy, for people; empty if it is."""
    state = facts.state()
    return ", ".join([*([] if state == "ready" else [state]), *facts.degraded()])
