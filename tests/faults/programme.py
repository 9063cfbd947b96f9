"""The whole programme, in its order."""

from tests.faults import attacks, bus, crowds, processes, rest, restarts
from tests.faults.run import SCENARIOS

__all__ = ["ORDER", "SCENARIOS", "attacks", "bus", "crowds", "processes", "rest", "restarts"]

# In the order of the programme: F by number, then P, then S.
ORDER = sorted(SCENARIOS, key=lambda name: (name[0], int("".join(filter(str.isdigit, name))), name))
