"""The shipped clients' habits as small actors."""

from __future__ import annotations

from tools.simulation.account import AFTER
from tools.simulation.actors import AUTH_KEY, Actor, Heard


class Client(Actor):
    """Connects, authenticates once it is told ``connected`` (also late), and never again by itself."""

    kind = "client"
    key = AUTH_KEY

    def introduce(self) -> None:
        self.say({"type": "connect", "payload": self.connection()})

    def connection(self) -> dict[str, object]:
        """Return the payload of its ``connect``."""
        return {"tunnel_id": self.tunnel, "auth_key": self.key, "device_id": self.name, "reconnect": True}

    def authenticate(self) -> None:
        self.say({"type": "auth", "payload": {"auth_key": self.key, "device_id": self.name}})

    def hear(self, heard: Heard) -> None:
        match heard.type:
            case "connected":
                self.authenticate()
            case "auth.success":
                self.at_work = True
            case "auth.error":
                self.world.check(False, f"{self.tunnel}/{self.name} was refused")
            case "response":
                self._check_asker(int(heard.id))
            case "connection.workstation_offline":
                self.offline_told += 1
                self.ear.absences.append(self.world.loop.time())
            case "connection.workstation_online":  # until now it knew that it might miss something
                self.ear.absences.append(self.world.loop.time())

    def _check_asker(self, number: int) -> None:
        """Check that only the asker receives the answer, unless the home that knew it died or could not be
        asked."""
        said, now = self.world.account.said[number], self.world.loop.time()
        died = any(tunnel == self.tunnel and at > now - AFTER for at, tunnel in self.world.account.crashes)
        if not (died or self.world.troubled):
            self.world.check(said.by == self.name, f"{self.name} heard the answer for {said.by}")

    def refused(self, code: str) -> None:
        if code != "WORKSTATION_OFFLINE" and not self.at_work:
            self.leave()


class Web(Client):
    """A browser's tab; another tab may have the same device id."""

    kind = "web"


class Phone(Client):
    """iOS: a pong within 5 s, or a new connection. After offline it waits for online, and starts anew."""

    kind = "ios"
    ponged = True

    def introduce(self) -> None:
        super().introduce()
        self.ponged = True

    def ping(self) -> bool:
        self.world.check(self.ponged, f"{self.tunnel}/{self.name} had no pong for 5 s")
        if not self.ponged:
            self.leave()
            return False
        self.ponged = False
        return True

    def hear(self, heard: Heard) -> None:
        match heard.type:
            case "pong":
                self.ponged = True
            case "connection.workstation_offline":
                self.at_work = False
                super().hear(heard)
            case "connection.workstation_online":
                super().hear(heard)
                self.authenticate()
            case _:
                super().hear(heard)


class Android(Client):
    """Knows only ``workstation.status``; stops for good when it is refused."""

    kind = "android"

    def hear(self, heard: Heard) -> None:
        if heard.type == "auth.error":
            self.stopped = True
        elif heard.type == "workstation.status" and not heard.payload.online:
            self.at_work = False
        elif heard.type == "workstation.status":
            self.at_work = True  # as it was: nobody asks it to authenticate again
        super().hear(heard)


KINDS: tuple[type[Client], ...] = (Web, Phone, Android)
