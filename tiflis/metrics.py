"""What is counted: the catalogue of metrics, and this process's own plain counters.

Counting costs an addition, or a look into a dictionary where the event is rare. Nothing here knows of an
exposition format: numbers are read, summed over the workers, and written out on request.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product

PREFIX = "tiflis_"

Numbers = list[float]
"""One number; of a histogram how many fell into each of its buckets, and their sum last."""
Values = dict[str, dict[str, Numbers]]
"""By metric, then by the values of its labels, joined by commas."""

ROLES = ("client", "workstation", "none")
PATHS = ("local", "steered", "bus")
MICRO = (10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.25, 1.0)
MILLI = (1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; ``labels`` with all values that each may have, none where they are open."""

    name: str
    kind: Kind
    about: str
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()  # of a histogram's buckets, in seconds

    def zero(self) -> Numbers:
        return [0.0] * (len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1)

    def combinations(self) -> Iterator[str]:
        """Return every known set of label values."""
        return map(",".join, product(*self.labels.values()))


def _counter(name: str, about: str, **labels: tuple[str, ...]) -> Metric:
    return Metric(name, Kind.COUNTER, about, labels)


def _gauge(name: str, about: str, **labels: tuple[str, ...]) -> Metric:
    return Metric(name, Kind.GAUGE, about, labels)


def _histogram(name: str, about: str, bounds: tuple[float, ...], **labels: tuple[str, ...]) -> Metric:
    return Metric(name, Kind.HISTOGRAM, about, labels, bounds)


CATALOGUE = {
    metric.name: metric
    for metric in (
        # Sockets
        _counter(
            "frames_total",
            "WebSocket messages and control frames by who the peer is, how its tunnel is reached (path), and"
            " whether it sent (in) or got them (out).",
            role=ROLES, path=PATHS, direction=("in", "out"),
        ),
        _counter(
            "bytes_total", "Bytes of the same, with the framing.",
            role=ROLES, path=PATHS, direction=("in", "out"),
        ),
        _histogram(
            "relay_seconds",
            "From reading what a peer sent (a burst of messages) until all of it was given to the receivers'"
            " sockets or to the bus; one burst in 64 is timed.",
            MICRO, path=PATHS,
        ),
        _counter("sockets_opened_total", "WebSockets accepted."),
        _counter("slow_consumers_total", "Clients cut off because they took too little (close code 1013)."),
        _counter("pinned_closed_total",
                 "Sockets closed for the memory they pinned: a message came too slowly (slow), too slowly"
                 " for the room that others waited for (busy), or waited too long for room (waited); or the"
                 " tunnel's share was overdrawn (overdrawn).",
                 reason=("slow", "busy", "waited", "overdrawn")),
        _counter("protocol_errors_total", "Peers that broke the WebSocket rules, by close code.",
                 code=("1002", "1007", "1008", "1009")),
        _counter("undelivered_total", "Messages returned to their device because the workstation is away."),
        _gauge("unsent_bytes", "Output that waits for peers to take it."),
        _gauge("pinned_bytes",
               "Memory that peers pin: begun messages (by announced size), output of peers that take little,"
               " messages between workers or for peers away for a moment, watches, HTTP bodies.",
               kind=("messages", "unsent", "bus", "waiting", "queues", "answers", "bodies")),
        _gauge("connections", "Sockets open now, and watches, by role; none has not said who it is yet.",
               role=("client", "workstation", "watch", "none", "superseded")),
        _gauge("tunnels", "Tunnels whose home is here, by their workstation's state.",
               state=("online", "offline")),
        # Access
        _counter("auth_failures_total", "Refused keys by reason; rate_limited ones were not looked at.",
                 reason=("api_key", "auth_key", "auth_message", "code", "operator", "rate_limited")),
        _counter("tunnels_refused_total", "New tunnels that a registration key had one too many of.",
                 reason=("rate", "live")),
        _counter("device_keys_total", "Device keys minted, redeemed, used by their device, revoked; messages"
                 " that a key did not allow.",
                 event=("minted", "redeemed", "used", "revoked", "forbidden")),
        _counter("audit_entries_total", "Entries of the audit that were stored, and that were lost.",
                 outcome=("stored", "lost")),
        # Watches
        _counter("watch_calls_total", "Calls of the watch API by operation.",
                 operation=("connect", "command", "messages", "state", "disconnect", "subscription")),
        _counter("watch_dropped_total", "Messages dropped unread from watch queues.",
                 reason=("full", "expired", "refused")),
        _counter("resumes_total", "Clients that resumed, by verdict.", verdict=("ok", "gap", "new")),
        _counter("held_total", "Held messages by outcome.",
                 outcome=("accepted", "delivered", "expired", "cancelled", "unsure")),
        _counter("push_total", "Notifications by what became of them.",
                 outcome=("sent", "gone", "refused", "failed", "unavailable")),
        # Handovers between workers
        _counter("handoff_sockets_total",
                 "Sockets given to another worker; refused ones stayed, unknown ones were closed.",
                 kind=("home", "edge", "loose", "steered"), outcome=("taken", "refused", "unknown")),
        _histogram("handoff_pause_seconds", "How long the sockets of a handover were not read.",
                   MILLI, kind=("home", "edge", "loose", "steered")),
        # Bus
        _counter("bus_reconnects_total", "Connections to the bus that had to be made again."),
        _counter("bus_resends_total", "Times that a channel sent again what its peer had not got."),
        _counter("bus_resent_bytes_total", "Bytes sent again."),
        _counter("bus_bytes_total", "Bytes of the channels between workers.", direction=("in", "out")),
        _gauge("bus_channels", "Open channels to other workers."),
        _gauge("bus_up", "Whether the worker's link to the bus is up.", worker=()),
        _gauge("bus_rtt_seconds", "Last round trip to the bus server.", worker=()),
        _counter("directory_operations_total", "Reads and writes of the directory by outcome.",
                 operation=("read", "write"), outcome=("ok", "conflict", "unavailable")),
        _histogram("directory_seconds", "How long they took.", MILLI, operation=("read", "write")),
        _gauge("directory_ready", "Whether the worker's copy of the directory is current.", worker=()),
        # Processes
        _counter("http_responses_total",
                 "HTTP answers by status; 503 (starting, no bus, workstation away) is not among the 5xx.",
                 status=("1xx", "2xx", "3xx", "4xx", "503", "5xx")),
        _histogram("loop_lag_seconds", "How late the event loop ran a timer; four are looked at a second.",
                   MILLI),
        _counter("log_lines_dropped_total", "Log lines lost: their reader stopped, or the disk is full."),
        _counter("cpu_seconds_total", "Processor time of the workers."),
        _gauge("memory_bytes", "Resident memory of a worker.", worker=()),
        _gauge("open_files", "Descriptors that a worker has open.", worker=()),
        _gauge("start_time_seconds", "When a worker started, since the epoch.", worker=()),
        _gauge("ready", "Whether a worker takes traffic.", worker=()),
        _gauge("workers_expected", "Workers that this server should have."),
        _gauge("info", "Always 1; which version runs.", version=(), server=()),
    )
}  # fmt: skip


class Counters:
    """What this process has counted since it started. A wrong name is a bug, and raises KeyError."""

    def __init__(self) -> None:
        self.values: Values = {
            metric.name: {labels: metric.zero() for labels in metric.combinations()}
            for metric in CATALOGUE.values()
            if metric.kind is not Kind.GAUGE
        }

    def count(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Raise a counter."""
        self.values[name][",".join(labels)][0] += by

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Put a duration into its histogram's bucket."""
        numbers = self.values[name][",".join(labels)]
        numbers[bisect_left(CATALOGUE[name].bounds, seconds)] += 1
        numbers[-1] += seconds


counters = Counters()
count = counters.count
observe = counters.observe


def add(total: Values, more: Values) -> None:
    """Sum, number by number. What another version counted differently is left out."""
    for name, rows in more.items():
        metric = CATALOGUE.get(name)
        if metric is None:
            continue
        for labels, numbers in rows.items():
            have = total.setdefault(name, {}).setdefault(labels, [0.0] * len(numbers))
            if "worker" in metric.labels:
                have[:] = max(have, numbers)  # of two that share a place the younger one
            elif len(have) == len(numbers):
                have[:] = map(float.__add__, have, map(float, numbers))
