"""The whole programme, in its order."""

from tools.faults import (
    access,
    attacks,
    bodies,
    bus,
    clock,
    containers,
    crowds,
    devices,
    keys,
    lacks,
    malformed,
    mixed,
    pauses,
    pinning,
    processes,
    proxy,
    restarts,
    resuming,
    secrecy,
    silence,
    stores,
    suites,
    surroundings,
)
from tools.faults.run import SCENARIOS

__all__ = [
    "ORDER",
    "SCENARIOS",
    "access",
    "attacks",
    "bodies",
    "bus",
    "clock",
    "containers",
    "crowds",
    "devices",
    "keys",
    "lacks",
    "malformed",
    "mixed",
    "pauses",
    "pinning",
    "processes",
    "proxy",
    "restarts",
    "resuming",
    "secrecy",
    "silence",
    "stores",
    "suites",
    "surroundings",
]

# In the order of the programme: F by number, then N, then P, then S.
ORDER = sorted(SCENARIOS, key=lambda name: (name[0], int("".join(filter(str.isdigit, name))), name))
