"""A worker that starts when DATA_DIR takes nothing more."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.harness import ROOT, Server, crowd, eventually

FULL = """
import errno, os, sys
import tiflis.ipc.fd_passing as passing
def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
async def later(server):
    passing.HandoffServer.start = start
    full()
os.posix_fallocate = full
start, passing.HandoffServer.start = passing.HandoffServer.start, later
from tiflis.server import app
"""


async def test_a_worker_serves_without_room_for_its_counters_of_keys(
    new_server: Callable[..., Server], tmp_path: Path
) -> None:
    (tmp_path / "full_disk.py").write_text(FULL)
    env = {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    server = new_server(workers=1, target="full_disk:app", env=env).start()
    async with crowd(server) as people:
        _, tunnel_id = await people.workstation()
        await people.client(tunnel_id)
    assert "keys are counted in this worker alone" in server.logs()
    assert "sockets of other workers cannot be taken" in server.logs()
    await eventually(lambda: list(server.run_dir.glob("*-0-*.sock")), 10, "it takes sockets after all")
