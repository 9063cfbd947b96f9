"""The web client's own checks, which need no browser: its types, and its tests of protocol and store."""

import shutil
import subprocess
from pathlib import Path

import pytest

PUBLIC = Path(__file__).parent.parent / "public"
PATIENCE = 300


@pytest.mark.parametrize("script", ["check", "test"])
def test_the_web_client_passes(script: str) -> None:
    npm = shutil.which("npm")
    if npm is None or not (PUBLIC / "node_modules").is_dir():
        pytest.skip("Node with npm, and `npm ci` in public/, are needed")
    done = subprocess.run(
        [npm, "run", "--silent", script],
        cwd=PUBLIC,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
