"""One worker's numbers, read when somebody asks: what was counted, and how things stand now."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable

import tiflis
from tiflis import logs, metrics
from tiflis.bus.channels.bus import Bus
from tiflis.bus.directory.directory import Directory
from tiflis.bus.nats.client import NatsClient
from tiflis.heap import resident
from tiflis.metrics import Values, counters
from tiflis.metrics_store import MetricsStore
from tiflis.relay.hub import Hub
from tiflis.relay.sessions.superseded import SupersededSession
from tiflis.web.sockets import Sockets

LOOK_SECONDS = 0.25  # between two looks at how late the event loop is
RECENT_SECONDS = 60.0


class LagMeter:
    """How late the event loop runs what is due: what a worker that has too much to do shows first."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._recent: deque[tuple[float, float]] = deque()
        self._wait()

    def _wait(self) -> None:
        self._due = time.monotonic() + LOOK_SECONDS
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        late = max(0.0, now - self._due)
        metrics.observe("loop_lag_seconds", late)
        while self._recent and self._recent[0][0] < now - RECENT_SECONDS:
            self._recent.popleft()
        self._recent.append((now, late))
        self._wait()

    def worst(self) -> float:
        """Seconds, of the last minute."""
        return max((late for _, late in self._recent), default=0.0)

    def stop(self) -> None:
        self._timer.cancel()


def handoffs(values: Values) -> dict[str, object]:
    """What became of sockets that were to go to another worker, for the operator."""
    told: dict[str, object] = {}
    for outcome in metrics.CATALOGUE["handoff_sockets_total"].labels["outcome"]:
        rows = values.get("handoff_sockets_total", {}).items()
        told[outcome] = int(sum(numbers[0] for labels, numbers in rows if labels.endswith(f",{outcome}")))
    pauses = [numbers for numbers in values.get("handoff_pause_seconds", {}).values()]
    groups = sum(sum(numbers[:-1]) for numbers in pauses)
    told["pause_mean_ms"] = (
        round(sum(numbers[-1] for numbers in pauses) / groups * 1000, 1) if groups else 0.0
    )
    return told


class MetricsCollector:
    """Puts one worker's numbers together."""

    def __init__(
        self,
        worker_id: str,
        hub: Hub,
        sockets: Sockets,
        bus: Bus,
        link: NatsClient,
        directory: Directory,
        ready: Callable[[], bool],
        ledger: MetricsStore | None,
    ) -> None:
        self._id, self._hub, self._sockets = worker_id, hub, sockets
        self._instance, self._slot, _ = worker_id.rsplit("-", 2)
        self._bus, self._link, self._directory, self._ready = bus, link, directory, ready
        self._ledger = ledger
        self._started_at = time.time()
        self._keeping = False
        self._bus_told = (0, 0)
        self._cpu_told = 0.0
        self._lines_told = 0
        self.lag = LagMeter()

    def answer(self) -> dict[str, object]:
        """For the worker that is asked for all numbers."""
        return {"worker": self._id, "values": self.values()}

    def values(self) -> Values:
        """Counters and gauges. What is told is written down first."""
        self.keep()
        return {**counters.values, **self._gauges()}

    def keep(self) -> None:
        """Write the counters down, so that they outlive this worker."""
        self._count()
        if self._ledger is not None:
            self._ledger.write(counters.values)

    async def keep_meanwhile(self) -> None:
        """The same without keeping the loop waiting for the disk; one at a time."""
        if self._ledger is None or self._keeping:
            return
        self._keeping = True
        try:
            self._count()
            await asyncio.to_thread(self._ledger.taken_down(counters.values))
        finally:
            self._keeping = False

    def _count(self) -> None:
        self._sockets.count()
        self._count_bus()
        self._count_cpu()
        self._count_lost_lines()

    def total(self, answers: list[dict[str, object]], expected: int) -> Values:
        """All numbers of this server: its living workers' answers, and what others have left behind.

        ``expected``: how many workers it should have.
        """
        living = {
            str(answer["worker"]): answer["values"]
            for answer in answers
            if str(answer.get("worker")).startswith(f"{self._instance}-")
        }
        written = self._ledger.read() if self._ledger is not None else {}
        total: Values = {}
        for values in ({**written, **living}).values():
            metrics.add(total, values)  # type: ignore[arg-type]  # JSON of our own making
        total["workers_expected"] = {"": [float(expected)]}
        total["info"] = {f"{tiflis.__version__},{self._instance}": [1.0]}
        return total

    def stop(self) -> None:
        """The last word: it counts for ever."""
        self.lag.stop()
        self.keep()

    def _count_bus(self) -> None:
        now = (self._bus.bytes_in, self._bus.bytes_out)
        (told_in, told_out), self._bus_told = self._bus_told, now
        metrics.count("bus_bytes_total", "in", by=now[0] - told_in)
        metrics.count("bus_bytes_total", "out", by=now[1] - told_out)

    def _count_cpu(self) -> None:
        told, self._cpu_told = self._cpu_told, time.process_time()
        metrics.count("cpu_seconds_total", by=self._cpu_told - told)

    def _count_lost_lines(self) -> None:
        told, self._lines_told = self._lines_told, logs.lost()
        metrics.count("log_lines_dropped_total", by=self._lines_told - told)

    def _gauges(self) -> Values:
        homes = self._hub.router.homes.values()
        online = sum(home.workstation is not None for home in homes)
        return {
            "connections": {role: [float(number)] for role, number in self._connections().items()},
            "tunnels": {"online": [float(online)], "offline": [float(len(homes) - online)]},
            "unsent_bytes": {"": [float(self._sockets.unsent())]},
            "pinned_bytes": {str(kind): [float(size)] for kind, size in self._sockets.pinned.kinds.items()},
            "bus_channels": {"": [float(self._bus.channels)]},
            "bus_up": {self._slot: [float(self._link.up)]},
            "bus_rtt_seconds": {self._slot: [self._link.rtt]},
            "directory_ready": {self._slot: [float(self._directory.ready)]},
            "memory_bytes": {self._slot: [float(resident())]},
            "open_files": {self._slot: [float(_open_files())]},
            "start_time_seconds": {self._slot: [self._started_at]},
            "ready": {self._slot: [float(self._ready())]},
        }

    def _connections(self) -> dict[str, int]:
        counts = {role: 0 for role in metrics.CATALOGUE["connections"].labels["role"]}
        for socket in self._sockets.open.values():
            session = socket.session
            if session is not None:
                counts["superseded" if isinstance(session, SupersededSession) else session.kind] += 1
        counts["watch"] = sum(len(home.watches.devices()) for home in self._hub.router.homes.values())
        return counts


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd")) - 1
    except OSError:
        return 0
