"""Workstations, clients and watches do what they like at a real server; a model says who hears what."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.harness import AUTH_KEY, Server
from tests.system.watches import WatchDevice
from tools.fuzz.background import Background
from tools.fuzz.effort import effort
from tools.fuzz.people import PATIENCE, Message, Person, Tunnel, error, told_of_workstation

DEVICES = st.sampled_from(["a", "b"])
REQUESTS = st.sampled_from(["r1", "r2", "r3"])
BURSTS = st.integers(1, 6)
WATCH = "watch"
RELOAD_SECONDS = 60.0
FORGED = ["workstation.registered", "client.disconnected", "connection.workstation_online", "error", "pong"]


def online(people: Any) -> bool:
    return people.tunnel.workstation is not None


def offline(people: Any) -> bool:
    return not online(people)


def anybody(people: Any) -> bool:
    return bool(people.tunnel.clients)


def watched(people: Any) -> bool:
    return people.tunnel.watch is not None


Step = TypeVar("Step", bound=Callable[..., None])


def needs(condition: Callable[[Any], object]) -> Callable[[Step], Step]:
    """Leave the step out unless this holds. It is drawn all the same: Hypothesis wants the same choices each
    time, and the kernel chooses the worker of each socket, and so which peers are left after its death."""

    def made(step: Step) -> Step:
        @functools.wraps(step)
        def maybe(people: Any, **drawn: Any) -> None:
            if condition(people):
                step(people, **drawn)

        return maybe  # type: ignore[return-value]  # it takes what the step takes

    return made


class Peers(RuleBasedStateMachine):
    """One tunnel's life. After each rule everybody has heard exactly what the rules promise."""

    server: ClassVar[Server]
    background: ClassVar[Background]

    def __init__(self) -> None:
        super().__init__()
        self.tunnel = Tunnel(self.server)
        self.count = 0

    def run(self, work: Any) -> Any:
        try:
            return self.background.run(work, 120.0)
        except AssertionError as failure:
            print(failure)  # Hypothesis tries the same steps again, and may meet something else
            raise

    def message(self, **more: Any) -> Message:
        self.count += 1
        return {"type": "talk", "n": self.count, **more}

    def teardown(self) -> None:
        self.run(self.tunnel.end())

    # The workstation

    @initialize()
    def begins(self) -> None:
        person, answer = self.run(self.tunnel.register())
        self.tunnel.tunnel_id = answer["payload"]["tunnel_id"]
        self._is_workstation(person, restored=False)
        self.run(self.tunnel.agree())

    def _is_workstation(self, person: Person, restored: bool) -> None:
        """Expect what every peer must receive after a registration."""
        tunnel = self.tunnel
        if tunnel.workstation is not None:
            tunnel.superseded.append(tunnel.workstation)
        tunnel.workstation = person
        payload = {"tunnel_id": tunnel.tunnel_id, "public_url": self.server.ws_url}
        welcome = {
            "type": "workstation.registered",
            "payload": payload | ({"restored": True} if restored else {}),
        }
        person.due += [welcome]
        person.due += [tunnel.introduction(device) for device in tunnel.devices]
        person.due += [tunnel.farewell(device) for device in tunnel.departed]
        tunnel.departed.clear()
        for client in tunnel.clients:
            if client.connected:
                client.due += told_of_workstation(tunnel.tunnel_id, True)
                continue
            client.due += [self._late_welcome(client)]
            client.connected = True
        tunnel.known |= tunnel.devices
        # The watch is introduced at once or before its next command: the page leaves that open.
        person.may = [tunnel.introduction(WATCH)] if tunnel.watch is not None else []

    def _late_welcome(self, client: Person) -> Message:
        """Expect `connected` at each socket that waited; its device is known from the first one on."""
        tunnel = self.tunnel
        if client.reconnect and len([one for one in tunnel.clients if one.device == client.device]) > 1:
            self.run(client.heard_something())
            if client.news()[0] == tunnel.welcome(True):
                return tunnel.welcome(True)
        return tunnel.welcome(client.reconnect and client.device in tunnel.known)

    @rule()
    def registers_again(self) -> None:
        """Over its old socket, or after it has been away."""
        person, answer = self.run(self.tunnel.register(self.tunnel.tunnel_id))
        assert answer["type"] == "workstation.registered"
        self._is_workstation(person, restored=True)
        self.run(self.tunnel.agree())
        if len(self.tunnel.superseded) > 3:
            self.run(self.tunnel.superseded.pop(0).peer.close())

    @rule(broken=st.booleans())
    @needs(online)
    def leaves(self, broken: bool) -> None:
        tunnel, station = self.tunnel, self.tunnel.workstation
        assert station is not None
        tunnel.workstation = None
        self.run(self._go(station, broken))
        for client in tunnel.clients:
            if client.connected:
                client.due += told_of_workstation(tunnel.tunnel_id, False)
        self.run(tunnel.until_offline())
        self.run(tunnel.agree())

    async def _go(self, person: Person, broken: bool) -> None:
        if broken:
            person.peer.abort()
            await person.peer.until_closed()
        else:
            await person.peer.close()

    @rule(stranger=st.booleans())
    def is_refused(self, stranger: bool) -> None:
        """Register with a wrong registration key, or with the right one and another auth key for this
        tunnel."""
        tunnel = self.tunnel
        if stranger:
            person, answer = self.run(tunnel.register(tunnel.tunnel_id, api_key="wrong" * 8))
            assert answer == error("INVALID_API_KEY", "reg")
        else:
            person, answer = self.run(tunnel.register(tunnel.tunnel_id, auth_key="another" * 4))
            assert answer["type"] == "workstation.registered"
            assert answer["payload"]["tunnel_id"] != tunnel.tunnel_id
        self.run(person.peer.close())
        self.run(tunnel.agree())

    @rule(times=BURSTS)
    @needs(online)
    def tells_all(self, times: int) -> None:
        for _ in range(times):
            self._says(self.message(), {client.device for client in self.tunnel.clients} | {WATCH})
        self.run(self.tunnel.agree(ordered=True))

    @rule(request=REQUESTS, times=BURSTS)
    @needs(online)
    def answers(self, request: str, times: int) -> None:
        """Answer: to the device that asked, if it was one; else to all."""
        askers = self.tunnel.asked.get(request, set())
        hearers = askers if len(askers) == 1 else {"a", "b", WATCH}
        for _ in range(times):
            self._says(self.message(id=request), hearers)
        self.run(self.tunnel.agree(ordered=True))

    @rule(device=DEVICES | st.sampled_from([WATCH, "nobody"]))
    @needs(online)
    def tells_one(self, device: str) -> None:
        message = self.message()
        text = {"type": "forward.to_device", "device_id": device, "payload": self._text(message)}
        self._says(message, {device}, text)
        self.run(self.tunnel.agree(ordered=True))

    @staticmethod
    def _text(message: Message) -> str:
        return f'{{"type": "talk", "n": {message["n"]}}}'

    def _says(self, message: Message, hearers: set[str], text: Message | None = None) -> None:
        tunnel = self.tunnel
        assert tunnel.workstation is not None
        self.run(tunnel.workstation.peer.send(text or message))
        for client in tunnel.clients:
            if client.connected and client.device in hearers:
                client.due.append(message)
        if tunnel.watch is not None and WATCH in hearers:
            tunnel.watch_due.append(message)

    @rule(leaves=st.booleans())
    @needs(lambda self: self.tunnel.superseded)
    def is_ignored(self, leaves: bool) -> None:
        """Whatever an old socket of the workstation says or does."""
        old = self.tunnel.superseded[0]
        self.run(old.peer.send(self.message()))
        if leaves:
            self.run(self.tunnel.superseded.pop(0).peer.close())
        self.run(self.tunnel.agree())

    # Clients

    @rule(device=DEVICES, reconnect=st.booleans())
    def connects(self, device: str, reconnect: bool) -> None:
        tunnel = self.tunnel
        person, answer = self.run(tunnel.connect(device, reconnect))
        person.reconnect = reconnect
        if tunnel.workstation is None:
            assert answer == error("WORKSTATION_OFFLINE", "con")
        else:
            assert answer == tunnel.welcome(reconnect and device in tunnel.known)
            person.connected = True
            tunnel.known.add(device)
        tunnel.departed.discard(device)
        tunnel.clients.append(person)
        self.run(tunnel.agree())

    @rule(device=DEVICES)
    def connects_with_a_wrong_key(self, device: str) -> None:
        person, answer = self.run(self.tunnel.connect(device, False, auth_key="wrong" * 8))
        assert answer == error("INVALID_AUTH_KEY", "con")
        self.run(person.peer.close())
        self.run(self.tunnel.agree())

    @rule(which=st.integers(0, 99), broken=st.booleans())
    @needs(anybody)
    def hangs_up(self, which: int, broken: bool) -> None:
        tunnel = self.tunnel
        person = tunnel.clients.pop(which % len(tunnel.clients))
        self.run(self._go(person, broken))
        if person.connected and not any(one.device == person.device for one in tunnel.clients):
            if tunnel.workstation is None:
                tunnel.departed.add(person.device)
            else:
                tunnel.workstation.due.append(tunnel.farewell(person.device))
        self.run(tunnel.agree())

    @rule(which=st.integers(0, 99), request=st.none() | REQUESTS, times=BURSTS)
    @needs(anybody)
    def asks(self, which: int, request: str | None, times: int) -> None:
        """Send one message or several in a row; without a workstation each is refused."""
        tunnel = self.tunnel
        person = tunnel.clients[which % len(tunnel.clients)]
        for _ in range(times):
            message = self.message() if request is None else self.message(id=request)
            self.run(person.peer.send(message))
            if tunnel.workstation is None:
                person.due.append(error("WORKSTATION_OFFLINE", request))
                continue
            tunnel.workstation.due.append(message | {"device_id": person.device})
            if request is not None:
                tunnel.asked.setdefault(request, set()).add(person.device)
        self.run(tunnel.agree(ordered=True))

    @rule(which=st.integers(0, 99), kind=st.sampled_from(FORGED))
    @needs(anybody)
    def forges(self, which: int, kind: str) -> None:
        person = self.tunnel.clients[which % len(self.tunnel.clients)]
        self.run(person.peer.send({"type": kind, "id": "f", "payload": {}}))
        person.due.append(error("INVALID_PAYLOAD", "f"))
        self.run(self.tunnel.agree())

    @rule(which=st.integers(0, 99), right=st.booleans())
    @needs(anybody)
    def authenticates(self, which: int, right: bool) -> None:
        tunnel = self.tunnel
        person = tunnel.clients[which % len(tunnel.clients)]
        payload = {"auth_key": AUTH_KEY if right else "wrong" * 8, "device_id": person.device}
        message = {"type": "auth", "payload": payload}
        self.run(person.peer.send(message))
        if not right:
            person.due.append({"type": "auth.error", "code": "INVALID_AUTH_KEY"})
        elif tunnel.workstation is None:
            person.due.append(error("WORKSTATION_OFFLINE"))
        else:
            tunnel.workstation.due.append(message | {"device_id": person.device})
        self.run(tunnel.agree())

    # The watch

    @rule()
    def watch_connects(self) -> None:
        tunnel = self.tunnel
        if tunnel.watch is not None:
            self.run(tunnel.watch.http.aclose())
        tunnel.watch, tunnel.watch_due = WatchDevice(self.server, tunnel.tunnel_id, WATCH), []
        answer = self.run(tunnel.watch.connect())
        assert answer["workstation_online"] is (tunnel.workstation is not None)
        tunnel.departed.discard(WATCH)
        if tunnel.workstation is not None:
            tunnel.workstation.due.append(tunnel.introduction(WATCH))
        self.run(tunnel.agree())

    @rule()
    @needs(watched)
    def watch_polls(self) -> None:
        tunnel = self.tunnel
        assert tunnel.watch is not None
        self.run(tunnel.watch.poll_until(len(tunnel.watch_due), PATIENCE))
        self.run(tunnel.watch.poll_again())
        assert tunnel.watch.data == tunnel.watch_due
        assert not tunnel.watch.numbers_went_back()
        assert tunnel.watch.gaps == 0

    @rule(request=st.none() | REQUESTS)
    @needs(watched)
    def watch_commands(self, request: str | None) -> None:
        tunnel = self.tunnel
        assert tunnel.watch is not None
        message = self.message() if request is None else self.message(id=request)
        answer = self.run(tunnel.watch.post("command", message=message))
        if tunnel.workstation is None:
            assert (answer.status_code, answer.json()["error"]) == (503, "workstation_offline")
        else:
            assert (answer.status_code, answer.json()) == (200, {"success": True})
            tunnel.workstation.due.append(message | {"device_id": WATCH})
            if request is not None:
                tunnel.asked.setdefault(request, set()).add(WATCH)
        self.run(tunnel.agree(ordered=True))
        if tunnel.workstation is not None:
            assert tunnel.introduction(WATCH) in tunnel.workstation.peer.seen

    @rule()
    @needs(watched)
    def watch_disconnects(self) -> None:
        tunnel = self.tunnel
        assert tunnel.watch is not None
        assert self.run(tunnel.watch.post("disconnect")).json() == {"success": True}
        self.run(tunnel.watch.http.aclose())
        tunnel.watch = None
        for person in tunnel.everyone():
            person.may = []
        if tunnel.workstation is None:
            tunnel.departed.add(WATCH)
        else:
            tunnel.workstation.due.append(tunnel.farewell(WATCH))
        self.run(tunnel.agree())

    # The operator

    @rule(dice=st.integers(0, 7))
    def workers_are_replaced(self, dice: int) -> None:
        """Reload: no peer notices. Rare, because it takes seconds."""
        if dice != 7:
            return
        answer = self.server.control("reload", RELOAD_SECONDS)
        assert answer["complete"], answer
        self.run(self.tunnel.agree())

    @rule(dice=st.integers(0, 15), slot=st.sampled_from(["0", "1"]))
    @needs(lambda self: online(self) and not watched(self))
    def a_worker_dies(self, dice: int, slot: str) -> None:
        """Kill a worker: its sockets are lost. A workstation elsewhere receives each device's departure."""
        if dice != 15:
            return
        tunnel, victim = self.tunnel, self.server.worker_pids()[slot]
        lost = [person for person in tunnel.everyone() if self.server.worker_of(person.peer) == victim]
        self.server.kill_worker(victim)
        for person in lost:
            self.run(person.peer.until_closed(PATIENCE))
        before, station = tunnel.devices, tunnel.workstation
        tunnel.clients = [client for client in tunnel.clients if client not in lost]
        tunnel.superseded = [person for person in tunnel.superseded if person not in lost]
        assert station is not None
        if station in lost:
            self._home_is_lost()
        else:
            present = {client.device for client in tunnel.clients}
            station.due += [tunnel.farewell(device) for device in before - present]
        self.server.wait_ready()
        self.run(tunnel.agree())

    def _home_is_lost(self) -> None:
        """And with it what it knew of devices that are not here, and of their questions."""
        tunnel = self.tunnel
        tunnel.workstation = None
        for client in tunnel.clients:
            if client.connected:
                client.due += told_of_workstation(tunnel.tunnel_id, False)
        tunnel.known = set(tunnel.devices)
        tunnel.asked.clear()
        self.run(tunnel.until_offline())


@pytest.fixture(params=["true", "false"], ids=["steered", "over the bus"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    env = {
        "STEERING": request.param,
        "OFFLINE_GRACE": "0.2",
        # Nobody here pings by itself, and wrong keys are tried by the hundred.
        "LIVENESS_TIMEOUT": "600",
        "ATTEMPTS_AN_ADDRESS": "2000",
        "ATTEMPTS_A_TUNNEL": "2000",
    }
    with Server(workers=2, env=env) as running:
        yield running


def bugs_in(server: Server) -> list[str]:
    """Return the errors in the log, without those of processes that the test killed."""
    lines = server.logs().splitlines()
    return [line for line in lines if '"level": "error"' in line and "worker died" not in line]


def test_everybody_hears_what_the_rules_promise(server: Server) -> None:
    # A broken life is not made shorter: each wrong step of another one would be waited for.
    settings = effort(4, stateful_step_count=25, phases=[Phase.generate])
    with Background() as background:
        Peers.server, Peers.background = server, background
        run_state_machine_as_test(Peers, settings=settings)
    assert bugs_in(server) == []
