"""Signal handlers: of the main process until Sanic installs its own, and of workers afterwards."""

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from sanic import Sanic

log = logging.getLogger(__name__)


STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)  # the last dumps memory with its keys if not handled


def stop_early(last: Callable[[], None] = lambda: None) -> None:
    """Let SIGINT and SIGTERM end the main process at once, until Sanic's manager handles them.

    Until then nothing needs an orderly end. ``last`` is called first.
    """

    def end(number: int, frame: FrameType | None) -> None:
        last()
        end_now(0)

    for number in STOPS:
        signal.signal(number, end)


def end_now(code: int) -> NoReturn:
    """End this process and its children at once."""
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(code)


def take_signals(app: Sanic[Any, Any]) -> None:
    """Let SIGINT, SIGTERM and SIGQUIT stop this worker once, however often they come.

    Sanic removes its handlers before its stop listeners run, so that a second signal (Ctrl+C reaches
    a worker from the terminal and from main; systemd signals every process) breaks off the drain.
    Handlers that the loop does not know stay. They only wake the loop, which then stops as Sanic means
    it: stop listeners, then up to GRACEFUL_SHUTDOWN_TIMEOUT for requests under way. `app.stop` cancels
    at once what was started with `app.add_task`: a drain must not depend on such tasks.
    """
    loop = app.loop
    stopping = False

    def once(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            loop.call_soon_threadsafe(app.stop, False)

    for number in STOPS:
        loop.remove_signal_handler(number)
        signal.signal(number, once)


def note_hangup(number: int, frame: FrameType | None) -> None:
    log.info("hangup ignored")


NOTIFY_SECONDS = 1.0  # for a service manager that is busy; then the message is lost


def notify(*lines: str) -> None:
    """Send the service manager a state such as ``READY=1``; without one do nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.settimeout(NOTIFY_SECONDS)
        line.sendto("\n".join(lines).encode(), address)
