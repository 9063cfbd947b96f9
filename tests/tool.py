"""The `tiflis` command in a process of its own, for tests that use it as an operator does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.harness import ROOT, Server
from tests.patience import WALL_PATIENCE
from tests.peers import REGISTRATION_KEY

TIFLIS = str(Path(sys.executable).with_name("tiflis"))


def bare(folder: Path, *arguments: str, **env: str) -> tuple[int, str]:
    """Run a command with an environment of nothing but this; return its exit code and what it prints."""
    done = subprocess.run(
        [TIFLIS, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=WALL_PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def settings_of(server: Server) -> dict[str, str]:
    """Return the environment in which a command finds this server."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "TUNNEL_REGISTRATION_API_KEY": REGISTRATION_KEY,
        "HOST": "127.0.0.1",
        "PORT": str(server.port),
        "DATA_DIR": str(server.data_dir),
    }


def tool(server: Server, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Return what a command prints, by default with the server's settings; fail if the command does."""
    done = subprocess.run(
        [sys.executable, "-m", "tiflis.cli", *arguments],
        env=settings_of(server) if env is None else env,
        cwd=server.folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
