"""The load generator, a process of its own: python -m tools.bench.load '{"scenario": …, "contender": …}'"""

from __future__ import annotations

import gc
import json
import sys
from typing import Any

import uvloop

from tools.bench.contenders import Contender
from tools.bench.scenarios import SCENARIOS


def main(wanted: dict[str, Any]) -> None:
    gc.disable()  # its pauses would be measured as the server's
    scenario = SCENARIOS[wanted["scenario"]]

    async def run() -> dict[str, float]:
        return await scenario(Contender(**wanted["contender"]), wanted["seconds"])

    print(json.dumps(uvloop.run(run())))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
