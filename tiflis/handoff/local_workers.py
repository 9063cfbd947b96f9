"""The other workers of this host: lines to hand them sockets, and which of them has the least to do."""

import logging
from collections import Counter
from pathlib import Path

from tiflis.bus.presence import Presence
from tiflis.handoff.receiver import HandoffReceiver
from tiflis.handoff.sender import HandoffSender, Report
from tiflis.ipc.fd_passing import HandoffClient, HandoffServer
from tiflis.relay.hub import Hub
from tiflis.relay.remote.edge import Edge
from tiflis.relay.sessions.pending import PendingSession
from tiflis.web.sockets import Sockets

log = logging.getLogger(__name__)

SLACK = 1.25  # a workstation moves only if here there are this many times as many as elsewhere,
STRAIGHTEN_SECONDS = 0.5  # so that a tunnel that moves twice moves its clients once
SPARE = 4  # and this many more: moving costs more than a small imbalance


def path_of(run_dir: Path, worker_id: str) -> Path:
    """Where a worker takes sockets."""
    return run_dir / f"{worker_id}.sock"


class LocalWorkers:
    """Takes sockets from, and gives them to, the workers that share this one's run folder."""

    def __init__(self, run_dir: Path, me: str, hub: Hub, sockets: Sockets, presence: Presence) -> None:
        self._run_dir, self._me, self._hub = run_dir, me, hub
        self._sockets, self._presence = sockets, presence
        self._lines: dict[str, HandoffClient] = {}
        self._sent: Counter[str] = Counter()  # workstations sent to a sibling since its last hello
        self._counted: dict[str, float] = {}  # when that hello was
        self._server: HandoffServer | None = None
        self._patience = hub.limits.handoff_timeout
        self.steered = self.refused = 0

    async def start(self, room: int) -> None:
        """``room``: sockets here above which steered ones are refused."""
        adoption = HandoffReceiver(self._hub, self._sockets, room)
        self._server = HandoffServer(path_of(self._run_dir, self._me), adoption.serve)
        await self._server.start()

    async def close(self) -> None:
        for line in self._lines.values():
            await line.close()
        if self._server is not None:
            await self._server.close()

    def _line(self, worker_id: str) -> HandoffClient:
        line = self._lines.get(worker_id)
        if line is None:
            line = HandoffClient(path_of(self._run_dir, worker_id), self._patience)
            self._lines[worker_id] = line
        return line

    def gone(self, worker_id: str) -> None:
        self._lines.pop(worker_id, None)
        self._sent.pop(worker_id, None)
        self._counted.pop(worker_id, None)

    # Steering

    async def steer(self, newcomer: PendingSession, worker_id: str) -> bool:
        """Hand a newcomer's socket to a worker of this host; whether that has taken it."""
        if worker_id not in self._lines and not path_of(self._run_dir, worker_id).exists():
            return False  # on another host, or without this
        handover = HandoffSender(self._me, self._hub, self._sockets, self._line(worker_id))
        taken = await handover.steer(newcomer)
        self.steered += taken
        self.refused += not taken
        log.debug(
            "socket steered" if taken else "socket not steered",
            extra={"connection": newcomer.wire.connection_id, "to": worker_id, **handover.report.why()},
        )
        return taken

    def straighten(self, edge: Edge) -> None:
        """An edge's clients go to their home in a moment, if that is in this host and still theirs then."""
        if path_of(self._run_dir, edge.peer).exists():
            self._hub.later(STRAIGHTEN_SECONDS, lambda: self._hub.spawn(self._straighten(edge)))

    async def _straighten(self, edge: Edge) -> None:
        if self._hub.router.edges.get(edge.tunnel_id) is not edge or not edge.clients or self._hub.leaving:
            return
        handover = HandoffSender(self._me, self._hub, self._sockets, self._line(edge.peer))
        await handover.edge(edge)
        moved = {"tunnel": edge.tunnel_id, "to": edge.peer, **handover.report.summary()}
        log.debug("clients brought home", extra=moved)

    def least_loaded(self) -> str:
        """Where a new workstation should go: this worker, unless a sibling has clearly fewer."""
        mine = sum(home.workstation is not None for home in self._hub.router.homes.values())
        loads = {worker_id: self._load(worker_id) for worker_id in self._present()}
        best = min(loads, key=lambda worker_id: loads[worker_id], default="")
        if not best or mine < loads[best] * SLACK + SPARE:
            return ""
        self._sent[best] += 1
        return best

    def _present(self) -> list[str]:
        """Ready siblings in this run folder."""
        instance = self._me.rsplit("-", 2)[0]
        return [
            peer.worker_id
            for peer in self._presence.peers.values()
            if peer.worker_id.startswith(f"{instance}-") and peer.facts.get("ready")
        ]

    def _load(self, worker_id: str) -> int:
        """Its workstations as it last said, and those that have been sent there since."""
        peer = self._presence.peers[worker_id]
        if self._counted.get(worker_id) != peer.heard_at:
            self._counted[worker_id] = peer.heard_at
            self._sent.pop(worker_id, None)
        return int(peer.facts.get("workstations", 0)) + self._sent[worker_id]

    # Handing over everything

    async def hand_over(self, successor: str, seconds: float) -> Report:
        """All sockets of this worker to its successor."""
        handover = HandoffSender(self._me, self._hub, self._sockets, self._line(successor))
        report = await handover.everything(seconds)
        level = logging.WARNING if report.fell_back else logging.INFO
        log.log(level, "sockets handed over", extra={"to": successor, **report.summary()})
        if report.fell_back:
            handover.close_rest(self._hub.limits.drain_window)
        return report
