"""What the figures should be, as a share of another contender's in the same run."""

from __future__ import annotations

from dataclasses import dataclass

from tools.bench.results import Results

OURS, NODE, NATIVE = "tiflis, 1 worker", "Node ws", "Sanic's native WebSocket"
BUN, GO, FLOOR = "Bun", "Go gorilla", "C on epoll"
STEERED, BUS = "tiflis, 2 workers steered", "tiflis, 2 workers over the bus"
WIDE = "tiflis, 4 workers steered"
NATIVE_MICROSECONDS = 34  # a frame, pipelined, on the machine that the absolute targets come from

FEW_EACH = (
    "16 pairs are spread over four workers, so each worker reads fewer frames per wake-up than a single"
    " worker does"
)
THREE_PROCESSES = (
    "a frame passes through three processes, and each reads it from a socket and writes it to another; Node"
    " is one process. With one frame in flight no cost is shared between frames, and the kernel's part alone"
    " exceeds all of Node's. Within a host, steering keeps tunnels off the bus"
)
LONE = (
    "with one frame in flight each frame costs a turn of the event loop and about twenty Python calls of its"
    " own; frames that arrive together share the turn"
)
READ = (
    "a message above 1 MiB is checked in slices while it arrives, so that none stops the other tunnels; that"
    " costs about twice as much as one pass behind its last byte"
)
ROUTED = (
    "a client's upgrade is an ordinary Sanic request and its key is compared behind the rate limiter: about"
    " 280 Python calls and 17 system calls, with no single one that stands out"
)
STORED = (
    "a tunnel is stored in the directory before its workstation is answered, by another process, and each"
    " worker follows the directory; Node keeps it in a variable"
)


@dataclass(frozen=True)
class Target:
    """`figure` of a contender in a scenario, at most `share` of another contender's (or of an absolute)."""

    scenario: str
    contender: str
    share: float
    of: str = NODE
    figure: str = "cpu"
    why: str = ""  # it may not hold


RATIOS = (
    Target("pipelined", OURS, 0.5),
    Target("one at a time", OURS, 0.8, why=LONE),
    Target("pipelined", STEERED, 0.5),
    Target("one at a time", STEERED, 0.8, why=LONE),
    Target("pipelined", WIDE, 0.5),
    Target("one at a time", WIDE, 0.8, why=FEW_EACH),
    Target("pipelined", BUS, 1.5),
    Target("one at a time", BUS, 1.5, why=THREE_PROCESSES),
    Target("stream to 10", OURS, 0.5),
    Target("stream to 100", OURS, 0.5),
    Target("voice", OURS, 0.4, why=READ),
    Target("latency", OURS, 1.0, figure="p99"),
    Target("connect storm", OURS, 1.0, why=ROUTED),
    Target("register", OURS, 1.5, why=STORED),
    Target("idle", OURS, 1.0),
    Target("500 pairs", OURS, 1.1, BUN, why=LONE),
    Target("one at a time", OURS, 1.0, BUN, why=LONE),
    Target("pipelined", OURS, 1.0, BUN),
    Target("voice", OURS, 1.0, BUN, why=READ),
)
# Of Sanic's native WebSocket, pipelined: microseconds on its machine over 34.
SCALED = (
    Target("pipelined", OURS, 5, NATIVE),
    Target("one at a time", OURS, 9, NATIVE),
    Target("pipelined", STEERED, 5, NATIVE),
    Target("one at a time", STEERED, 9, NATIVE),
    Target("pipelined", BUS, 14, NATIVE),
    Target("one at a time", BUS, 30, NATIVE),
    Target("stream to 10", OURS, 2.5, NATIVE),
    Target("voice", OURS, 2500, NATIVE),
    Target("connect storm", OURS, 250, NATIVE),
)
MEMORY_KIB = 12.0


@dataclass(frozen=True)
class Verdict:
    """One target and what was reached: `reached` and `wanted` in the target's own unit."""

    text: str
    reached: float
    wanted: float
    why: str = ""

    @property
    def holds(self) -> bool:
        return self.reached <= self.wanted


def verdicts(results: Results) -> list[Verdict]:
    """Return a verdict on every target whose figures were measured."""
    return [
        verdict
        for verdict in (
            *(_ratio(results, target) for target in RATIOS),
            *(_scaled(results, target) for target in SCALED),
            _memory(results),
        )
        if verdict is not None
    ]


def _ratio(results: Results, target: Target) -> Verdict | None:
    share = results.ratio(target.scenario, target.contender, target.of, target.figure)
    if share is None:
        return None
    text = f"{target.scenario}: {target.figure} of {target.contender} as a share of {target.of}"
    return Verdict(text, share, target.share, target.why)


def _scaled(results: Results, target: Target) -> Verdict | None:
    mine = results.get(target.scenario, target.contender, target.figure)
    yardstick = results.get("pipelined", target.of, "cpu")
    if mine is None or yardstick is None:
        return None
    text = f"{target.scenario}: µs of {target.contender}, scaled to {NATIVE_MICROSECONDS} µs for {target.of}"
    return Verdict(text, mine / yardstick * NATIVE_MICROSECONDS, target.share)


def _memory(results: Results) -> Verdict | None:
    memory = results.get("idle", OURS, "memory")
    return None if memory is None else Verdict(f"idle: KiB per connection of {OURS}", memory, MEMORY_KIB)
