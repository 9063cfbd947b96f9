"""The whole programme, in its order."""

from tests.faults import bus, crowds, processes, restarts
from tests.faults.run import SCENARIOS

__all__ = ["SCENARIOS", "bus", "crowds", "processes", "restarts"]
