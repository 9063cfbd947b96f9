"""The server's app, unless a file says that the code on disk is broken now."""

import os
from pathlib import Path

if Path(os.environ["TIFLIS_BROKEN_FILE"]).exists():
    raise RuntimeError("this code is broken")

from tiflis.server import app  # only now

__all__ = ["app"]
