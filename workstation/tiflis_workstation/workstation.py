"""The demo workstation: joins the wire to the tunnel with the desk by a table of handlers."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tiflis_workstation import catalogue, general_requests, session_requests, supervisor_requests
from tiflis_workstation.accumulator import GRACE_SECONDS
from tiflis_workstation.desk import Desk
from tiflis_workstation.link import Credentials, Registration, TunnelLink
from tiflis_workstation.pairing import Pairing
from tiflis_workstation.prompts import Reply
from tiflis_workstation.pty_shell import PtyShell
from tiflis_workstation.sound import SoundShelf
from tiflis_workstation.stage import Stage
from tiflis_workstation.terminal import ShellMaker
from tiflis_workstation.toy_terminal import ToyTerminal
from tiflis_workstation.wire import (
    INVALID_PAYLOAD,
    UNAUTHENTICATED,
    Message,
    Request,
    RequestRefused,
    error,
    session_error,
)

log = logging.getLogger("tiflis_workstation")

Handler = Callable[[Desk, Request, Reply], None]

HANDLERS: dict[str, Handler] = {
    "sync": general_requests.sync,
    "history.request": general_requests.history,
    "audio.request": general_requests.audio,
    "supervisor.list_sessions": supervisor_requests.list_sessions,
    "supervisor.create_session": supervisor_requests.create_session,
    "supervisor.terminate_session": supervisor_requests.terminate_session,
    "supervisor.command": supervisor_requests.command,
    "supervisor.cancel": supervisor_requests.cancel,
    "supervisor.clear_context": supervisor_requests.clear_context,
    "session.subscribe": session_requests.subscribe,
    "session.unsubscribe": session_requests.unsubscribe,
    "session.execute": session_requests.execute,
    "session.cancel": session_requests.cancel,
    "session.input": session_requests.type_in,
    "session.resize": session_requests.resize,
    "session.replay": session_requests.replay,
}


@dataclass(frozen=True, slots=True)
class Options:
    """`speed` divides all waiting times of the agents (`math.inf`: none); `now` is the wall clock in seconds.

    `seed` decides ids and chance. Without one they differ in each life, for a device remembers the ids
    of the life before. `shell` makes terminals real ones. `as_shipped` behaves as the shipped workstation
    (0.3.32) does, also where that differs from the specification; `grace` is the number of seconds for
    which it then keeps the id and the text of a finished answer.
    """

    speed: float = 1.0
    seed: int | None = None
    shell: bool = False
    as_shipped: bool = False
    grace: float = GRACE_SECONDS
    now: Callable[[], float] = time.time


def _ignore(_: object) -> None:
    """Do nothing: the default listener."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Callbacks for each registration, each loss of the tunnel, and each message."""

    registered: Callable[[Registration], None] = _ignore
    down: Callable[[Exception], None] = _ignore
    message: Callable[[Message], None] = _ignore


class DemoWorkstation:
    """Speaks the workstation's side of the client protocol through any tunnel server.

    Use: `await start()`, show `pairing`, in the end `await stop()`.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        auth_key: str,
        name: str = "Demo",
        *,
        tunnel_id: str = "",
        options: Options | None = None,
        listeners: Listeners | None = None,
    ) -> None:
        options = options or Options()
        self.registration: Registration | None = None
        self.failure: Exception | None = None
        self.link = TunnelLink(
            url,
            Credentials(api_key, auth_key, name, tunnel_id),
            on_registered=self._registered,
            on_message=self._message,
            on_down=self._down,
        )
        stage = Stage(
            random.Random(options.seed),
            options.now,
            options.speed,
            SoundShelf(),
            self.link.outbox.writable,
            options.grace if options.as_shipped else None,
        )
        self.desk = Desk(stage, self.link.send, _shell_maker(stage, options.shell))
        self._listeners = listeners or Listeners()
        self._changed = asyncio.Event()
        self._started = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._handlers: dict[str, Handler] = {
            **HANDLERS,
            "heartbeat": partial(general_requests.heartbeat, uptime=lambda: time.monotonic() - self._started),
        }

    @property
    def tunnel_id(self) -> str:
        return self.link.credentials.tunnel_id

    @property
    def online(self) -> bool:
        return self.link.online

    @property
    def pairing(self) -> Pairing:
        """Return the pairing data, with the public URL that the server sent, if any."""
        url = self.registration.public_url if self.registration else self.link.url
        return Pairing(self.tunnel_id, url, self.link.credentials.auth_key)

    async def start(
        self, deadline: float | None = 10.0, hopeless: Callable[[], bool] = lambda: False
    ) -> None:
        """Open the sessions and register.

        Raises the last failure when `deadline` seconds were not enough, or once `hopeless`.
        """
        self._started = time.monotonic()
        for opening in catalogue.OPENINGS:
            self.desk.devices.open_session(self.desk.sessions.open(opening).session_id)
        self._tasks = [asyncio.create_task(self.link.run()), asyncio.create_task(self.desk.sweep())]
        try:
            await asyncio.wait_for(self.until(lambda: self.online or hopeless()), deadline)
        except TimeoutError:
            pass
        if not self.online:
            await self.stop()
            raise self.failure or TimeoutError("the tunnel server did not answer")

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that a registration, a disconnection or a message brings about."""
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.desk.close()

    def _registered(self, registration: Registration) -> None:
        self.registration = registration
        self.failure = None
        self._changed.set()
        self._listeners.registered(registration)

    def _down(self, failure: Exception) -> None:
        self.failure = failure
        self._listeners.down(failure)
        self._changed.set()

    def _message(self, message: Message) -> None:
        try:
            self._listeners.message(message)
            self._dispatch(Request.read(message))
        except Exception:  # one message's bug must not take the link along
            log.exception("message failed")
        self._changed.set()

    def _dispatch(self, request: Request) -> None:
        if request.type == "auth":
            answer = general_requests.authenticate(
                self.desk, request, self.link.credentials.name, self.link.credentials.auth_key
            )
            self.desk.send_to(request.text("device_id"), answer)
        elif request.type == "client.disconnected":
            self.desk.devices.leave(request.text("device_id"))
        elif request.device_id:
            self._answer(request, partial(self.desk.send_to, request.device_id))

    def _answer(self, request: Request, reply: Reply) -> None:
        """Errors go by id, or by session where there is no id."""
        try:
            if not self.desk.devices.is_present(request.device_id):
                raise RequestRefused(UNAUTHENTICATED, "Authenticate first.")
            handler = self._handlers.get(request.type)
            if handler is None:
                raise RequestRefused(INVALID_PAYLOAD, f"Unknown message type {request.type[:64]!r}.")
            handler(self.desk, request, reply)
        except RequestRefused as refused:
            if request.id or not request.session_id:
                reply(error(request, refused))
            else:
                reply(session_error(request.session_id, refused))


def _shell_maker(stage: Stage, real: bool) -> ShellMaker:
    return partial(PtyShell if real else ToyTerminal, stage)
