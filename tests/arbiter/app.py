"""A small app under the real arbiter, whose workers fail when the test puts files into TEST_FOLDER.

fail-start   raise while starting          exit-start  exit with code 3 while starting
slow-start   start only once it is gone    slow-stop   drain for 60 s
no-process   main cannot start a process   no-thread   main cannot start a thread
"""

import asyncio
import os
import secrets
import time
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request, Sanic, json

from tests.lacks import make_lacking
from tiflis import config, logs
from tiflis.arbiter import pulse
from tiflis.arbiter.lifecycle import Arbiter
from tiflis.arbiter.signals import stop_early
from tiflis.arbiter.slots import slot_of
from tiflis.ipc.main_link import MainLink

ORDERS = Path(os.environ["TEST_FOLDER"])

make_lacking(ORDERS)
pulse.UNANSWERED_PULSES = 2  # a test does not wait for 20 s
settings = config.load()
logs.install(settings.log_level, "json", settings.secrets())


class App(Sanic[Any, Any]):
    """Takes host and port from the settings, as the server does."""

    def prepare(self, *args: Any, **options: Any) -> None:
        stop_early()
        super().prepare(*args, **{**options, "host": settings.host, "port": settings.port, "motd": False})


app = App("ArbiterTest", configure_logging=False)
app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 2.0
Arbiter(settings).attach(app)


def ordered(name: str) -> bool:
    return (ORDERS / name).exists()


@app.before_server_start
async def join(app: App) -> None:
    """Start as ordered, then tell main."""
    if ordered("exit-start"):
        os._exit(3)
    if ordered("fail-start"):
        raise RuntimeError("ordered to fail")
    (ORDERS / f"starting-{os.getpid()}").touch()
    while ordered("slow-start"):
        await asyncio.sleep(0.01)
    slot = slot_of(os.environ.get("SANIC_WORKER_NAME", ""))
    app.ctx.worker_id = f"{os.environ['TIFLIS_INSTANCE']}-{slot}-{secrets.token_hex(3)}"
    app.ctx.gone = []
    app.ctx.link = MainLink(
        Path(os.environ["TIFLIS_RUN_DIR"]), slot, app.ctx.worker_id, app.ctx.gone.append, status
    )
    await app.ctx.link.start()


@app.after_server_start
async def tell(app: App) -> None:
    app.ctx.link.ready()


@app.before_server_stop
async def drain(app: App) -> None:
    """Takes 60 s when ordered to be slow; leaves a mark when it came to its end."""
    began = time.monotonic()
    while ordered("slow-stop") and time.monotonic() - began < 60:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    (ORDERS / f"drained-{os.getpid()}").touch()


async def status() -> dict[str, Any]:
    return {"told_by": app.ctx.worker_id}


@app.get("/readyz")
async def ready(_: Request) -> HTTPResponse:
    return json({"status": "ready"})


@app.get("/loop")
async def loop(_: Request) -> HTTPResponse:
    while True:
        pass


@app.get("/me")
async def me(request: Request) -> HTTPResponse:
    ctx = request.app.ctx
    return json({"pid": os.getpid(), "worker_id": ctx.worker_id, "gone": ctx.gone})
