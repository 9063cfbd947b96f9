"""Takeover: a second start of the server replaces the main process that runs.

The successor sends ``takeover`` to the old server's control socket. From then on the old server sends
requests to the private Unix socket on which the successor listens. It passes on the listening socket and the
run folder's lock. Once the successor's workers are ready, the old workers hand their live sockets to them,
one worker after the other. Last, the old server stops the embedded bus, which the successor starts again on
the same port and store, and ends. If the successor fails, the old server continues, and replaces the workers
that have ended. If the old server dies or is stopped before that, the successor starts the bus and continues.
"""

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from sanic import Sanic

from tiflis import logs
from tiflis.arbiter.control import ControlServer
from tiflis.arbiter.nats_server import NatsServer
from tiflis.arbiter.rollout import Rollout
from tiflis.arbiter.signals import notify
from tiflis.arbiter.slots import WorkerSlots
from tiflis.clock import running_clock
from tiflis.ipc.control_client import Message, NoServer, request
from tiflis.ipc.fd_passing import HandoffClient, HandoffFailed, HandoffServer
from tiflis.ipc.patience import keep_trying, reason_of
from tiflis.ipc.processes import network_namespace
from tiflis.ipc.run_folder import Lock, LockHeld, RunFolder

log = logging.getLogger(__name__)

SOCKET_NAME = "heir.sock"  # in the run folder: the successor listens there for the old server
TURN_NAME = "heir.lock"  # beside it: held by a server while it takes over, as two would disturb each other
NOTHING_RUNS = "no server runs on this port with this DATA_DIR"
ASK_SECONDS = 10.0
ASK_AGAIN_SECONDS = 0.1
LISTEN_SECONDS = 30.0  # for the successor's manager to run
ANSWER_SECONDS = 90.0  # for the successor's workers to become ready, or its bus to start


class ServerResources:
    """The resources of a main process that its successor gets."""

    def __init__(
        self, folder: RunFolder, nats: NatsServer | None, listener: Callable[[], socket.socket]
    ) -> None:
        self.folder, self.nats, self.listener = folder, nats, listener

    def restore(self) -> None:
        """Make the run folder and the bus's files again after they were deleted."""
        self.folder.restore()
        if self.nats is not None:
            self.nats.write_files()

    def let_go(self) -> None:
        """Stop the bus, so that the successor can start it again. Blocks."""
        if self.nats is not None:
            self.nats.stop(keep_files=True)

    async def start_bus(self) -> None:
        """Start the bus that the old server has let go of."""
        if self.nats is not None:
            await asyncio.to_thread(self.nats.start)


def listener_of(app: Sanic[Any, Any]) -> socket.socket:
    """Return the listening socket, which only Sanic knows."""
    sock: socket.socket = app.state.server_info[0].settings["sock"]
    return sock


class CannotTakeOver(Exception):
    """The running server cannot be taken over from; the text says why."""


class NothingRuns(CannotTakeOver):
    """There is no server to take over from."""


class Takeover:
    """The resources that a successor has received: listening socket, run folder's lock, access to the bus."""

    def __init__(self, listener: socket.socket, lock: int, facts: Message) -> None:
        self.listener, self.lock = listener, lock
        self.instance: str = facts["instance"]
        self.bus: tuple[int, str] | None = tuple(facts["bus"]) if facts["bus"] else None  # port and token


class Successor:
    """The new main process: asks for the takeover, then answers the old server's requests."""

    def __init__(self, folder: RunFolder, network: int | None) -> None:
        """``network``: the namespace in which this process listens on a port; None for a Unix socket."""
        self._folder, self._network = folder, network
        self._run_dir = folder.path
        self._turn = Lock(folder.path / TURN_NAME)
        self._server: HandoffServer | None = None
        self._given: asyncio.Future[tuple[Message, list[int]]] | None = None
        # A pipe that ends with the old process; None if the old server's code sends none.
        self._giver: int | None = None
        self._alone: asyncio.Task[None] | None = None
        self._starting_bus = asyncio.Lock()
        self._bus_started = False
        self.succeeded = asyncio.Event()

    def inherit(self) -> Takeover:
        """Return the running server's resources, before any event loop runs. Raise CannotTakeOver or
        NothingRuns."""
        try:
            self._turn.take(0)
        except LockHeld:
            raise CannotTakeOver("another server is taking over") from None
        except OSError:
            raise NothingRuns(NOTHING_RUNS) from None
        try:
            return self._asked()
        except CannotTakeOver:
            self._turn.release()
            raise

    def _asked(self) -> Takeover:
        """Ask the server; ask again while one holds the lock without an answer: it is starting or ending."""
        end = time.monotonic() + LISTEN_SECONDS
        while True:
            try:
                return asyncio.run(self._inherit())
            except NothingRuns:
                if not self._folder.lock.is_held() or time.monotonic() > end:
                    raise
                time.sleep(ASK_AGAIN_SECONDS)

    async def _inherit(self) -> Takeover:
        self._given = asyncio.get_running_loop().create_future()
        server = HandoffServer(self._run_dir / SOCKET_NAME, self._first)
        try:
            await server.start()
            answer = await asyncio.to_thread(self._ask)
            if not answer.get("ok"):
                raise CannotTakeOver(str(answer.get("error", "the running server refuses")))
            async with running_clock().timeout(ASK_SECONDS):
                facts, descriptors = await self._given
        except TimeoutError:
            raise CannotTakeOver("the running server does not answer") from None
        except (NoServer, OSError):
            raise NothingRuns(NOTHING_RUNS) from None
        finally:
            await server.close()
        self._giver = descriptors[2] if len(descriptors) > 2 else None
        return Takeover(socket.socket(fileno=descriptors[0]), descriptors[1], facts)

    def _ask(self) -> Message:
        return request(self._run_dir, "takeover", ASK_SECONDS, network=self._network)

    async def _first(self, body: bytes, descriptors: list[int]) -> bytes:
        assert self._given is not None
        self._given.set_result((json.loads(body), descriptors))
        return b"taken"

    async def follow(
        self, workers: Callable[[], Awaitable[list[str]]], start_bus: Callable[[], Awaitable[None]]
    ) -> None:
        """Answer the old server until it has gone. Called from the arbiter's thread.

        ``workers()`` waits for ours to be ready and returns their ids; ``start_bus()`` starts the bus.
        """

        async def serve(body: bytes, descriptors: list[int]) -> bytes:
            match json.loads(body)["say"]:
                case "workers":
                    return json.dumps(await workers()).encode()
                case "bus":
                    await self._start_bus(start_bus)
                    return b"started"
                case "farewell":
                    self._succeed()
                    return b"thanks"
            return b""

        self._server = HandoffServer(self._run_dir / SOCKET_NAME, serve)
        await self._server.start()
        if self._giver is not None:
            self._alone = asyncio.create_task(self._go_on_alone(self._giver, start_bus))

    async def _start_bus(self, start: Callable[[], Awaitable[None]]) -> None:
        async with self._starting_bus:
            if not self._bus_started:
                await start()
                self._bus_started = True

    def _succeed(self) -> None:
        self.succeeded.set()
        self._turn.release()
        notify(f"MAINPID={os.getpid()}", "READY=1")
        log.info("takeover: this server has taken over")

    async def _go_on_alone(self, giver: int, start_bus: Callable[[], Awaitable[None]]) -> None:
        """Wait for the old server's end. If it comes before its farewell, start the bus and go on."""
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(giver, ended.set)
        try:
            await ended.wait()
        finally:
            asyncio.get_running_loop().remove_reader(giver)
        if not self.succeeded.is_set():
            log.error("takeover: the old server has ended before its time, this one goes on")
            await keep_trying(partial(self._start_bus, start_bus), "start the bus")
            self._succeed()

    async def close(self) -> None:
        if self._alone is not None:
            self._alone.cancel()
        if self._server is not None:
            await self._server.close()


class OutgoingServer:
    """The old main process's side: hands everything over and ends."""

    def __init__(
        self, resources: "ServerResources", slots: WorkerSlots, rollout: Rollout, control: ControlServer
    ) -> None:
        self._resources, self._slots, self._rollout, self._control = resources, slots, rollout, control
        self._path = resources.folder.path / SOCKET_NAME
        self._task: asyncio.Task[None] | None = None
        self._life: tuple[int, int] | None = None  # a pipe, whose end a successor sees when this process ends
        self.gave = False  # another server has the listening socket too

    async def command(self, message: Message) -> Message:
        """Answer the control socket's ``takeover``."""
        if message.get("network") not in (None, network_namespace()):
            return {"ok": False, "error": "the running server listens in another network namespace"}
        if self._rollout.running or (self._task is not None and not self._task.done()):
            return {"ok": False, "error": "a reload or takeover is under way already"}
        client = HandoffClient(self._path, ANSWER_SECONDS)
        resources = self._resources
        facts = {
            "instance": os.environ.get("TIFLIS_INSTANCE", ""),
            "bus": resources.nats.access if resources.nats else None,
        }
        self._life = self._life or os.pipe()
        descriptors = [resources.listener().fileno(), resources.folder.lock.descriptor, self._life[0]]
        self._task = asyncio.create_task(self._hand_over(client, json.dumps(facts).encode(), descriptors))
        return {}

    async def _hand_over(self, client: HandoffClient, facts: bytes, descriptors: list[int]) -> None:
        self._rollout.running = True
        resources = self._resources
        try:
            self.gave = True
            await client.send(facts, descriptors)
            await client.close()
            successor = await self._successor()
            workers = json.loads(await successor.send(b'{"say": "workers"}', []))
            log.info("takeover: handing over", extra={"workers": workers})
            async with self._slots.restarting:
                for index, name in enumerate(self._slots.names()):
                    await self._rollout.retire(name, workers[index % len(workers)])
                await asyncio.to_thread(resources.let_go)
                await successor.send(b'{"say": "bus"}', [])
                await successor.send(b'{"say": "farewell"}', [])
        except Exception as problem:  # noqa: BLE001 - the successor's, or our own lack of something
            log.error("takeover failed, this server goes on", extra={"reason": reason_of(problem)})
            # Unless its process has ended, the other one still has the listening socket.
            self.gave = str(problem) == "refused" or getattr(problem, "undecided", False)
            await self._go_on()
            return
        log.info("takeover: done, ending")
        # Not by the ordinary way: Sanic would shut the listening socket down, which is the successor's now.
        logs.flush()
        os._exit(0)

    async def _go_on(self) -> None:
        """Go on after the successor has failed: replace the workers that have ended."""
        self._rollout.running = False
        self._rollout.reinstate()
        await keep_trying(self._control.listen_again, "listen on the control socket")

    async def _successor(self) -> HandoffClient:
        """Connect to the successor, whose arbiter listens again once its manager runs."""
        client = HandoffClient(self._path, ANSWER_SECONDS)
        end = running_clock().time() + LISTEN_SECONDS
        while True:
            try:
                await client.send(b'{"say": "hello"}', [])
            except HandoffFailed as problem:
                if str(problem) == "refused":
                    return client  # it is there, and answers nothing to a greeting
                if problem.undecided or running_clock().time() > end:
                    raise
                await asyncio.sleep(0.1)
            else:
                return client
