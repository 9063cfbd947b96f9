"""`tiflis reload` says which code the workers ran before and run now."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tests.harness import ROOT, Server
from tests.tool import tool
from tiflis import release


def reload(server: Server, code: Path) -> str:
    """Run `tiflis reload` and return its line on the code."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(code)}
    told = tool(server, "reload", "--data-dir", str(server.data_dir), env=env)
    return next(line for line in told.splitlines() if line.startswith("code "))


def test_a_reload_tells_old_and_new_code(tmp_path: Path) -> None:
    code = tmp_path / "code"
    shutil.copytree(ROOT / "tiflis", code / "tiflis", ignore=shutil.ignore_patterns("__pycache__"))
    with Server(workers=1, env={"PYTHONPATH": str(code)}) as server:
        with (code / "tiflis" / "values.py").open("a") as source:
            source.write("# changed\n")
        told = reload(server, code)
        assert re.search(rf"\({release.code()}\) -> {re.escape(release.build())} \(\w{{8}}\)$", told)
        assert release.build() in server.get("/health")[1].decode()
