"""Who sent what to whom, and what arrived: lost, doubled, reordered, spoilt, in a wrong tunnel, how late."""

from __future__ import annotations

import itertools
import json
import time
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

LARGE = 64 << 10  # bytes: above it the time a message takes is its size's doing


@dataclass
class Flow:
    """The numbered messages of one sender to one receiver."""

    sent: int = 0
    heard: int = 0
    expected: int = 1
    missing: set[int] = field(default_factory=set)
    reported: set[int] = field(default_factory=set)  # told to the sender as not delivered
    excused: list[range] = field(default_factory=list)  # under way when their worker was killed
    doubled: int = 0
    reordered: int = 0
    ways: array[float] = field(default_factory=lambda: array("f"))  # seconds that small ones were on theirs

    @property
    def longest(self) -> float:
        return max(self.ways, default=0.0)

    def arrived(self, number: int) -> None:
        self.heard += 1
        if number >= self.expected:
            self.missing.update(range(self.expected, number))
            self.expected = number + 1
        elif number in self.missing:
            self.missing.remove(number)
            self.reordered += 1
        else:
            self.doubled += 1

    def not_delivered(self) -> set[int]:
        return (self.missing | set(range(self.expected, self.sent + 1))) - self.reported

    def lost(self) -> set[int]:
        missing = self.not_delivered()
        return {number for number in missing if not any(number in numbers for numbers in self.excused)}


class Ledger:
    """All flows of one load. A flow's name is `tunnel/sender/receiver`."""

    def __init__(self) -> None:
        self.flows: dict[str, Flow] = {}
        self.spoilt = 0
        self.strangers = 0  # messages that arrived in another tunnel or at another device
        self.bytes = 0

    def write(self, name: str, pad: str, audience: Iterable[str] = (), **more: Any) -> str:
        """Return a new message of this flow; `audience`: the receivers of one to all."""
        flow = self.flows.setdefault(name, Flow())
        flow.sent += 1
        for receiver in audience:
            self.flows.setdefault(f"{name}:{receiver}", Flow(expected=flow.sent)).sent = flow.sent
        content = {
            "type": "load",
            **more,
            "flow": name,
            "n": flow.sent,
            "at": time.monotonic(),
            "crc": zlib.crc32(pad.encode()),
            "pad": pad,
        }
        return json.dumps(content, separators=(",", ":"))

    def read(self, message: dict[str, Any], tunnel: str, receiver: str) -> Flow:
        """Record a message that arrived at this receiver of this tunnel; return its flow."""
        name, pad = str(message["flow"]), str(message["pad"])
        flow = self.flows[name]
        there, _, wanted = name.split("/")
        if there != tunnel or wanted not in (receiver, "all"):
            self.strangers += 1
            return flow
        if wanted == "all":
            flow = self.flows.setdefault(f"{name}:{receiver}", Flow(expected=int(message["n"])))
        self.spoilt += zlib.crc32(pad.encode()) != message["crc"]
        self.bytes += len(pad)
        flow.arrived(int(message["n"]))
        if len(pad) < LARGE:
            flow.ways.append(time.monotonic() - message["at"])
        return flow

    def reported(self, message_id: str) -> None:
        """Record that the sender got an error for its message, named `flow#number`."""
        name, _, number = message_id.rpartition("#")
        if name in self.flows:
            self.flows[name].reported.add(int(number))

    def under_way(self, tunnels: set[str]) -> dict[str, int]:
        """Return the first number of each flow of these tunnels that has not arrived."""
        return {
            name: flow.expected for name, flow in self.single().items() if name.partition("/")[0] in tunnels
        }

    def excuse(self, since: dict[str, int]) -> None:
        """Excuse the loss of what these flows have sent since then, up to now."""
        for name, first in since.items():
            self.flows[name].excused.append(range(first, self.flows[name].sent + 1))

    def excused(self) -> int:
        """Return how many were lost so."""
        return sum(len(flow.not_delivered()) - len(flow.lost()) for flow in self.single().values())

    def forget(self, *starts: str) -> None:
        """Flows that are not judged."""
        self.flows = {name: flow for name, flow in self.flows.items() if not name.startswith(starts)}

    def single(self) -> dict[str, Flow]:
        """Flows with one receiver; those to all are counted once for each who should hear them."""
        return {name: flow for name, flow in self.flows.items() if not name.endswith("/all")}

    def settled(self) -> bool:
        """Return whether nothing is on its way any more (or lost)."""
        return all(flow.expected > flow.sent and not flow.missing for flow in self.single().values())

    def lost(self, tunnels: set[str] | None = None) -> int:
        return sum(len(flow.lost()) for flow in self._of(tunnels))

    def doubled(self) -> int:
        return sum(flow.doubled for flow in self.single().values())

    def reordered(self) -> int:
        return sum(flow.reordered for flow in self.single().values())

    def sent(self) -> int:
        return sum(flow.sent for flow in self.single().values())

    def longest(self, share: float = 1.0, tunnels: set[str] | None = None) -> float:
        """Seconds: the longest way of each flow, and of these the longest, or a percentile."""
        ways = sorted(flow.longest for flow in self._of(tunnels))
        return ways[min(len(ways) - 1, int(len(ways) * share))] if ways else 0.0

    def late(self, share: float = 0.99, but: str = "") -> float:
        """Seconds: a percentile of the ways of all small messages, but for flows that start so."""
        flows = [flow for name, flow in self.single().items() if not (but and name.startswith(but))]
        ways = sorted(itertools.chain.from_iterable(flow.ways for flow in flows))
        return ways[min(len(ways) - 1, int(len(ways) * share))] if ways else 0.0

    def _of(self, tunnels: set[str] | None) -> list[Flow]:
        return [
            flow
            for name, flow in self.single().items()
            if tunnels is None or name.partition("/")[0] in tunnels
        ]
