"""The web client's own checks, which need no browser: its types, and its tests of protocol and store."""

import subprocess
import sys

import pytest

from tests.harness import ROOT

PATIENCE = 300


@pytest.mark.parametrize("script", ["check", "test"])
def test_the_web_client_passes(script: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "npm.py"), "run", "--silent", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
