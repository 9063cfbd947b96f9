"""How hard generated tests try: a little beside the others, always the same; more where it is asked for."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

TIMES = float(os.environ.get("TIFLIS_TEST_EFFORT", "1"))


def effort(examples: int, **more: Any) -> settings:
    """So many examples, times what `TIFLIS_TEST_EFFORT` says; more of them are drawn anew each time."""
    return settings(
        max_examples=max(1, round(examples * TIMES)),
        derandomize=TIMES <= 1,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **more,
    )
