"""Health as a load balancer and a person see it."""

import re
from collections.abc import Collection

import pytest

from tests.web.served import served
from tiflis.release import build
from tiflis.web.health import State, health_routes


class Worker:
    """The facts of a worker that is well, unless a test says otherwise."""

    def __init__(self, state: State = "ready", reasons: Collection[str] = ()) -> None:
        self._state = state
        self._reasons = reasons

    async def counts(self) -> tuple[int, int]:
        return 2, 5

    def state(self) -> State:
        return self._state

    def degraded(self) -> Collection[str]:
        return self._reasons

    def uptime(self) -> float:
        return 12.9


async def test_health_has_the_documented_shape() -> None:
    async with served(health_routes(Worker())) as client:
        response = await client.get("/health")
    body = response.json()
    assert response.status_code == 200
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body.pop("timestamp"))
    assert body == {
        "status": "healthy",
        "version": build(),
        "uptime": 12,
        "connections": {"workstations": 2, "clients": 5},
    }


@pytest.mark.parametrize(
    ("worker", "status", "why", "code", "ready"),
    [
        (Worker("ready"), "healthy", None, 200, 200),
        (Worker("ready", ["a worker is away"]), "degraded", "a worker is away", 200, 200),
        (Worker("no bus"), "degraded", "no bus", 200, 503),
        (Worker("draining", ["one", "two"]), "degraded", "draining, one, two", 200, 503),
        (Worker("starting"), "unhealthy", "starting", 503, 503),
    ],
)
async def test_health_and_readiness_follow_the_state(
    worker: Worker, status: str, why: str | None, code: int, ready: int
) -> None:
    async with served(health_routes(worker)) as client:
        health, readiness = await client.get("/health"), await client.get("/readyz")
    told = health.json()
    assert (told["status"], told.get("why"), health.status_code) == (status, why, code)
    assert readiness.status_code == ready
    assert readiness.json() == {"status": worker.state()}


async def test_a_living_worker_is_alive_whatever_its_state() -> None:
    async with served(health_routes(Worker("starting"))) as client:
        response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz"])
async def test_head_is_get_without_the_body(path: str) -> None:
    async with served(health_routes(Worker())) as client:
        got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.headers["cache-control"] == "no-store"
