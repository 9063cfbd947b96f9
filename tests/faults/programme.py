"""The whole programme, in its order."""

from tests.faults import attacks, bus, crowds, processes, restarts
from tests.faults.run import SCENARIOS

__all__ = ["SCENARIOS", "attacks", "bus", "crowds", "processes", "restarts"]
