"""Stores one worker's metrics every second, and adds up those of all workers of this server."""

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import Callable

from tiflis import logs, metrics, release
from tiflis.bus.channels.bus import Bus
from tiflis.bus.directory.directory import Directory
from tiflis.bus.nats.client import NatsClient
from tiflis.heap import resident
from tiflis.metrics import Values, counters
from tiflis.metrics_store import MetricsStore
from tiflis.relay.hub import Hub
from tiflis.relay.sessions.superseded import SupersededSession
from tiflis.web.sockets import Sockets

SAMPLE_SECONDS = 0.25  # between two samples of how late the event loop is
RECENT_SECONDS = 60.0
STORE_SECONDS = 1.0  # between two writes of a worker's metrics


class LagMeter:
    """Measures how late the event loop runs its timers: the first sign of a worker with too much to do."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._recent: deque[tuple[float, float]] = deque()
        self._wait()

    def _wait(self) -> None:
        self._due = time.monotonic() + SAMPLE_SECONDS
        self._timer = self._loop.call_later(SAMPLE_SECONDS, self._sample)

    def _sample(self) -> None:
        now = time.monotonic()
        late = max(0.0, now - self._due)
        metrics.observe("loop_lag_seconds", late)
        while self._recent and self._recent[0][0] < now - RECENT_SECONDS:
            self._recent.popleft()
        self._recent.append((now, late))
        self._wait()

    def worst(self) -> float:
        """Return the longest delay of the last minute, in seconds."""
        return max((late for _, late in self._recent), default=0.0)

    def stop(self) -> None:
        self._timer.cancel()


def handoffs(values: Values) -> dict[str, object]:
    """Return the outcomes of handoffs as counts of sockets, and their mean pause, for the operator."""
    counts: dict[str, object] = {}
    for outcome in metrics.CATALOGUE["handoff_sockets_total"].labels["outcome"]:
        rows = values.get("handoff_sockets_total", {}).items()
        counts[outcome] = int(sum(numbers[0] for labels, numbers in rows if labels.endswith(f",{outcome}")))
    pauses = list(values.get("handoff_pause_seconds", {}).values())
    groups = sum(sum(numbers[:-1]) for numbers in pauses)
    counts["pause_mean_ms"] = (
        round(sum(numbers[-1] for numbers in pauses) / groups * 1000, 1) if groups else 0.0
    )
    return counts


class MetricsCollector:
    """The metrics of one worker."""

    def __init__(
        self,
        worker_id: str,
        hub: Hub,
        sockets: Sockets,
        bus: Bus,
        link: NatsClient,
        directory: Directory,
        ready: Callable[[], bool],
        store: MetricsStore,
    ) -> None:
        self._id, self._hub, self._sockets = worker_id, hub, sockets
        self._instance, self._slot, _ = worker_id.rsplit("-", 2)
        self._bus, self._link, self._directory, self._ready = bus, link, directory, ready
        self._store = store
        self._started_at = time.time()
        self._bus_counted = (0, 0)
        self._cpu_counted = 0.0
        self._lines_counted = 0
        self.lag = LagMeter()

    async def run(self) -> None:
        """Store this worker's metrics every second, so that all workers can report them and a killed worker
        loses little."""
        while True:
            await asyncio.sleep(STORE_SECONDS)
            await asyncio.to_thread(self._take_down())

    async def total(self, expected: int) -> Values:
        """Return the metrics of this server: those of its living workers, and the counters of dead ones.

        Those of the other workers may be ``STORE_SECONDS`` old. ``expected``: how many workers there should
        be.
        """
        write = self._take_down()
        stored = await asyncio.to_thread(self._write_and_read, write)
        total: Values = {}
        for values in stored.values():
            metrics.add(total, values)
        total["workers_expected"] = {"": [float(expected)]}
        total["info"] = {f"{release.build()},{self._instance}": [1.0]}
        return total

    def stop(self) -> None:
        """Store the counters for the last time, and no gauges: the worker ends."""
        self.lag.stop()
        self._count()
        self._store.write(counters.values)

    def _take_down(self) -> Callable[[], None]:
        self._count()
        return self._store.taken_down({**counters.values, **self._gauges()})

    def _write_and_read(self, write: Callable[[], None]) -> dict[str, Values]:
        """Store this worker's metrics before they are reported, so that reported totals never decrease."""
        write()
        return self._store.read()

    def _count(self) -> None:
        self._sockets.count()
        self._count_bus()
        self._count_cpu()
        self._count_lost_lines()

    def _count_bus(self) -> None:
        now = (self._bus.bytes_in, self._bus.bytes_out)
        (counted_in, counted_out), self._bus_counted = self._bus_counted, now
        metrics.count("bus_bytes_total", "in", by=now[0] - counted_in)
        metrics.count("bus_bytes_total", "out", by=now[1] - counted_out)

    def _count_cpu(self) -> None:
        counted, self._cpu_counted = self._cpu_counted, time.process_time()
        metrics.count("cpu_seconds_total", by=self._cpu_counted - counted)

    def _count_lost_lines(self) -> None:
        counted, self._lines_counted = self._lines_counted, logs.lost()
        metrics.count("log_lines_dropped_total", by=self._lines_counted - counted)

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
        kinds = Counter(type(socket.session) for socket in self._sockets.open.values())
        for kind, number in kinds.items():
            if hasattr(kind, "kind"):  # it has a session
                counts["superseded" if issubclass(kind, SupersededSession) else kind.kind] += number
        counts["watch"] = sum(len(home.watches.devices()) for home in self._hub.router.homes.values())
        return counts


def _open_files() -> int:
    """Return the number of this process's open descriptors; 0 on a system without /proc."""
    try:
        # Linux from 6.2 on gives their number as the folder's size; listing thousands takes milliseconds.
        return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd")) - 1
    except OSError:
        return 0
