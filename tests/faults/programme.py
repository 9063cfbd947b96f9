"""The whole programme, in its order."""

from tests.faults import restarts
from tests.faults.run import SCENARIOS

__all__ = ["SCENARIOS", "restarts"]
