"""Hands sockets to the other workers of this host, and finds the least loaded of them."""

import logging
from collections import Counter
from pathlib import Path

from tiflis.bus.presence import HELLO_SECONDS, Presence
from tiflis.handoff.receiver import HandoffReceiver
from tiflis.handoff.sender import HandoffSender, Report
from tiflis.ipc.fd_passing import HandoffClient, HandoffServer
from tiflis.ipc.patience import keep_trying, reason_of
from tiflis.relay.hub import Hub
from tiflis.relay.remote.edge import Edge
from tiflis.relay.sessions.pending import PendingSession
from tiflis.web.sockets import Sockets

log = logging.getLogger(__name__)

# A workstation is steered away only if this worker has SLACK times as many as the other, and SPARE more:
# steering costs more than a small imbalance.
SLACK, SPARE = 1.25, 4
TRYING_AGAIN = "sockets of other workers cannot be taken yet, trying again"
STRAIGHTEN_SECONDS = 0.5  # so that a tunnel that moves twice moves its clients once


def path_of(run_dir: Path, worker_id: str) -> Path:
    """Return the path of the Unix socket on which a worker takes sockets."""
    return run_dir / f"{worker_id}.sock"


class LocalWorkers:
    """Takes sockets from the workers that share this one's run folder, and hands sockets to them."""

    def __init__(self, run_dir: Path, me: str, hub: Hub, sockets: Sockets, presence: Presence) -> None:
        self._run_dir, self._me, self._hub = run_dir, me, hub
        self._sockets, self._presence = sockets, presence
        self._clients: dict[str, HandoffClient] = {}
        self._sent: Counter[str] = Counter()  # workstations steered to a worker since its last sign of life
        self._counted: dict[str, float] = {}  # when that sign of life came
        self._own = 0  # workstations here, as counted last
        self._server: HandoffServer | None = None
        self._patience = hub.limits.handoff_timeout
        self.steered = self.refused = 0

    async def start(self, room: int) -> None:
        """Begin to take sockets. ``room``: sockets here above which steered ones are refused."""
        adoption = HandoffReceiver(self._hub, self._sockets, room)
        self._server = HandoffServer(path_of(self._run_dir, self._me), adoption.serve)
        try:
            await self._server.start()
        except OSError as problem:  # a full or read-only disk: all else works
            log.error("sockets of other workers cannot be taken", extra={"reason": reason_of(problem)})
            self._hub.spawn(keep_trying(self._server.start, "take sockets", TRYING_AGAIN))

    async def close(self) -> None:
        """Take and hand over no more sockets."""
        for client in self._clients.values():
            await client.close()
        if self._server is not None:
            await self._server.close()

    def _client(self, worker_id: str) -> HandoffClient:
        client = self._clients.get(worker_id)
        if client is None:
            client = HandoffClient(path_of(self._run_dir, worker_id), self._patience)
            self._clients[worker_id] = client
        return client

    def gone(self, worker_id: str) -> None:
        """Forget a worker that has ended."""
        self._clients.pop(worker_id, None)
        self._sent.pop(worker_id, None)
        self._counted.pop(worker_id, None)

    # Steering

    async def steer(self, pending: PendingSession, worker_id: str) -> bool:
        """Hand a socket without a role to a worker of this host; return whether that has taken it."""
        if worker_id not in self._clients and not path_of(self._run_dir, worker_id).exists():
            return False  # on another host, or it takes no sockets
        handover = HandoffSender(self._me, self._hub, self._sockets, self._client(worker_id))
        taken = await handover.steer(pending)
        self.steered += taken
        self.refused += not taken
        log.debug(
            "socket steered" if taken else "socket not steered",
            extra={"connection": pending.wire.connection_id, "to": worker_id, **handover.report.why()},
        )
        return taken

    def straighten(self, edge: Edge) -> None:
        """Hand an edge's clients to their home's worker after a moment, if that worker is on this host."""
        if path_of(self._run_dir, edge.peer).exists():
            self._hub.later(STRAIGHTEN_SECONDS, lambda: self._hub.spawn(self._straighten(edge)))

    async def _straighten(self, edge: Edge) -> None:
        if self._hub.router.edges.get(edge.tunnel_id) is not edge or not edge.clients or self._hub.leaving:
            return
        handover = HandoffSender(self._me, self._hub, self._sockets, self._client(edge.peer))
        await handover.edge(edge)
        moved = {"tunnel": edge.tunnel_id, "to": edge.peer, **handover.report.summary()}
        log.debug("clients brought home", extra=moved)

    def least_loaded(self) -> str:
        """Return the id of the worker for a new workstation: one with clearly fewer, or "" for this one."""
        loads = {worker_id: self._load(worker_id) for worker_id in self._present()}
        if not loads:
            return ""
        best = min(loads, key=lambda worker_id: loads[worker_id])
        if self._own_load() < loads[best] * SLACK + SPARE:
            self._sent[self._me] += 1
            return ""
        self._sent[best] += 1
        return best

    def _present(self) -> list[str]:
        """Return the ids of the ready workers that share this run folder."""
        instance = self._me.rsplit("-", 2)[0]
        return [
            peer.worker_id
            for peer in self._presence.peers.values()
            if peer.worker_id.startswith(f"{instance}-") and peer.facts.get("ready") and not peer.silent
        ]

    def _load(self, worker_id: str) -> int:
        """Return the worker's workstations: those in its last sign of life and those steered to it since."""
        peer = self._presence.peers[worker_id]
        if self._counted.get(worker_id) != peer.heard_at:
            self._counted[worker_id] = peer.heard_at
            self._sent.pop(worker_id, None)
        return int(peer.facts.get("workstations", 0)) + self._sent[worker_id]

    def _own_load(self) -> int:
        """Return the workstations here: counted once per HELLO_SECONDS, as others report theirs, and newer
        ones."""
        now = self._hub.router.now()
        if now - self._counted.get(self._me, float("-inf")) >= HELLO_SECONDS:
            self._counted[self._me] = now
            self._sent.pop(self._me, None)
            homes = self._hub.router.homes.values()
            self._own = sum(home.workstation is not None for home in homes)
        return self._own + self._sent[self._me]

    # Handing over everything

    async def hand_over(self, successor: str, seconds: float) -> Report:
        """Hand all sockets of this worker to its successor."""
        handover = HandoffSender(self._me, self._hub, self._sockets, self._client(successor))
        report = await handover.everything(seconds)
        level = logging.WARNING if report.fell_back else logging.INFO
        log.log(level, "sockets handed over", extra={"to": successor, **report.summary()})
        if report.fell_back:
            handover.close_rest(self._hub.limits.drain_window)
        return report
