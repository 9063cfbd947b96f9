"""What all peers of a story share, and the workstation with its shared close handler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.relay.fakes import REGISTRATION_KEY
from tools.simulation.account import Ear, Load
from tools.simulation.lines import Line

if TYPE_CHECKING:
    from tools.simulation.world import World

AUTH_KEY = "an+auth+key/of+sixteen+and+more"  # the watch leaves a plus raw in its queries
RETRY = (0.05, 1.0)  # seconds until a peer that was cut off comes again
PING_SECONDS = 5.0
ANSWERED = 5  # every so many messages are answered by the workstation
OVERLAPS = 3  # old connections that a workstation leaves behind in one story: below the server's limit


class Resume(msgspec.Struct):
    epoch: str
    seq: int
    verdict: str
    missed: int = 0


class HeldState(msgspec.Struct):
    id: str
    state: str
    until: int


class Payload(msgspec.Struct):
    code: str = ""
    tunnel_id: str = ""
    device_id: str = ""
    auth_key: str = ""
    online: bool = False
    resume: Resume | None = None


class Heard(msgspec.Struct):
    """Any message, as far as anybody in these stories reads it."""

    type: str
    id: str = ""
    number: int = 0
    tunnel: str = ""
    to: str = ""
    payload: Payload = msgspec.field(default_factory=Payload)
    epoch: str = ""  # of a mark
    seq: int = 0
    state: str = ""  # of a receipt
    until: int = 0
    messages: list[HeldState] = []


_read = msgspec.json.Decoder(Heard).decode
_write = msgspec.json.encode


class Actor:
    """A peer that comes again whenever it is cut off. ``at_work``: it has its role, and is authenticated."""

    name = ""
    address = "10.0.0.1"

    def __init__(self, world: World, tunnel: str, name: str) -> None:
        self.world, self.tunnel, self.name = world, tunnel, name
        self.line: Line | None = None
        self.stopped = False  # for good
        self.losses = 0
        self.offline_told = 0
        self.errors: list[str] = []
        self.ear = Ear(tunnel, name)
        world.account.ears.append(self.ear)

    @property
    def at_work(self) -> bool:
        return self.ear.present

    @at_work.setter
    def at_work(self, here: bool) -> None:
        if here is not self.ear.present:
            self.ear.present = here
            self.absent()

    def absent(self) -> None:
        """Note that it has come, gone or been cut off, and may miss something."""
        self.ear.absences.append(self.world.loop.time())

    def enter(self) -> None:
        """Open a connection, or try again in a moment."""
        if self.stopped or self.line is not None:
            return
        line = self.world.open(self.address)
        if line is None:
            self.come_again()
        else:
            self.take(line)

    def take(self, line: Line) -> None:
        self.line, self.at_work = line, False
        self.absent()
        line.hear = lambda text: self._heard(line, text)
        line.lost = lambda: self._lost(line)
        self.introduce()
        self.world.loop.call_later(PING_SECONDS, self._ping, line)

    def come_again(self) -> None:
        self.world.loop.call_later(self.world.dice.uniform(*RETRY), self.enter)

    def introduce(self) -> None:
        raise NotImplementedError

    def say(self, message: object) -> None:
        if self.line is not None:
            self.line.say(_write(message))

    def tell(self, kind: str, to: str) -> None:
        """Something that must arrive, or come back."""
        if self.line is not None:
            self.line.say(self.write(kind, to, self.line))

    def write(self, kind: str, to: str, line: Line | None) -> bytes:
        return self.world.account.write(kind, self.world.loop.time(), self.tunnel, to, self.name, line)

    def _ping(self, line: Line) -> None:
        if self.line is line and self.ping():
            self.say({"type": "ping", "timestamp": 1})
            self.world.loop.call_later(PING_SECONDS, self._ping, line)

    def ping(self) -> bool:
        """It is time to; whether to go on with it."""
        return True

    def _heard(self, line: Line, text: bytes) -> None:
        heard = _read(text)
        self.hear_any(heard, line)
        if heard.number:
            self.hear_load(heard, line)
        elif heard.type == "error":
            self.errors.append(heard.payload.code)
            if heard.id:
                self.world.account.reported.add(int(heard.id))
            if line is self.line:
                self.refused(heard.payload.code)
        elif line is self.line or self.hears_everywhere(heard):
            self.hear(heard)

    def hears_everywhere(self, heard: Heard) -> bool:
        """Return whether this counts on any connection, not on the newest one only."""
        return False

    def hear_load(self, heard: Heard, line: Line) -> None:
        self.world.account.hear(self.ear, Load(heard.number, heard.tunnel, heard.to), line)

    def hear_any(self, heard: Heard, line: Line) -> None:
        """Any message, before all else."""

    def hear(self, heard: Heard) -> None: ...
    def refused(self, code: str) -> None: ...

    def _lost(self, line: Line) -> None:
        self.losses += 1
        if self.line is line:
            self.line, self.at_work = None, False
            self.come_again()

    def leave(self) -> None:
        """Hang up, and come again."""
        if self.line is not None:
            line, self.line, self.at_work = self.line, None, False
            line.hang_up()
        self.come_again()


class Workstation(Actor):
    """Registers with its last id. Its sockets share one close handler: whichever closes, it comes again on a
    new one, and leaves the one it has open. It knows the devices that have authenticated."""

    def __init__(self, world: World, tunnel: str) -> None:
        super().__init__(world, tunnel, "ws")
        self.known: set[str] = set()
        self.registrations = 0
        self.overlaps = 0
        self._entering = False
        self._old: list[Line] = []

    def introduce(self) -> None:
        payload = {
            "api_key": REGISTRATION_KEY,
            "name": "desk",
            "auth_key": AUTH_KEY,
            "reconnect": True,
            "previous_tunnel_id": self.tunnel,
        }
        self.say({"type": "workstation.register", "payload": payload})

    def hears_everywhere(self, heard: Heard) -> bool:
        return heard.type != "workstation.registered"

    def hear(self, heard: Heard) -> None:
        match heard.type:
            case "workstation.registered":
                self.world.check(heard.payload.tunnel_id == self.tunnel, f"{self.tunnel} changed its id")
                self.at_work = True
                self.registrations += 1
            case "auth":
                self.world.check(heard.payload.auth_key == AUTH_KEY, f"{self.tunnel}: a device's own key")
                self.known.add(heard.payload.device_id)
                self.say({"type": "auth.success", "payload": {"device_id": heard.payload.device_id}})
            case "client.disconnected":
                self.known.discard(heard.payload.device_id)

    def tell(self, kind: str, to: str) -> None:
        if self.line is not None and to != "all":
            text = self.write(kind, to, self.line).decode()
            self.say({"type": "forward.to_device", "device_id": to, "payload": text})
        else:
            super().tell(kind, to)

    def hear_load(self, heard: Heard, line: Line) -> None:
        super().hear_load(heard, line)
        if heard.number in self.world.account.held:
            self.world.account.held[heard.number].arrived_at.append(line.written)
            self.say({"type": "message.ack", "payload": {"message_id": heard.id}})
        by = self.world.account.said[heard.number].by
        known = by in self.known
        late = line.written > self.world.account.revoked.get((self.tunnel, by), float("inf"))
        self.world.check(not late, f"{self.tunnel}: {heard.number} of {by}, which is revoked")
        self.world.check(known, f"{self.tunnel}: {heard.number} came before its device's auth")
        if heard.number % ANSWERED == 0 and heard.type == "request" and self.at_work:
            self.say({"type": "response", "id": heard.id})

    def refused(self, code: str) -> None:
        if not self.at_work:
            self.leave()

    def _lost(self, line: Line) -> None:
        self.losses += 1
        if self.line is line:
            self.line, self.at_work = None, False
        elif line in self._old:
            self._old.remove(line)
            if self.line is not None:
                self._leave_behind()  # the handler knows of no second socket: it opens one more
        self.come_again()

    def overlap(self) -> None:
        """Open a new connection while the old one is still open."""
        if self.line is not None and self.overlaps < OVERLAPS:
            self.overlaps += 1
            self._leave_behind()
        self.come_again()

    def _leave_behind(self) -> None:
        assert self.line is not None
        line, self.line, self.at_work = self.line, None, False
        line.ended_at = line.ended_at or self.world.loop.time()
        self._old.append(line)

    def nap(self, seconds: float) -> None:
        """Sleep for so long: nothing is connected meanwhile."""
        self.stopped = True
        self.world.loop.call_later(seconds, self._wake)
        self.restart()

    def _wake(self) -> None:
        self.stopped = False
        self.enter()

    def restart(self) -> None:
        """End the process and start it again: it has forgotten its devices, and all its sockets are
        closed."""
        self.known.clear()
        for line in self._old:
            line.hang_up()
        self._old.clear()
        self.leave()
