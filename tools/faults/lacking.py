"""The server's app, whose main process lacks what the files in TIFLIS_LACKING name."""

import os
from pathlib import Path

from tests.lacks import make_lacking

make_lacking(Path(os.environ["TIFLIS_LACKING"]))

from tiflis.server import app  # noqa: E402 - only now

__all__ = ["app"]
