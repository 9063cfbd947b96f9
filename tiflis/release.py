"""Which code this process runs: the version of the installed package, and a digest of its sources."""

from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tiflis import __version__

DIGEST_BYTES = 4


@cache
def build() -> str:
    """Return the version of the installed package, which names its commit, such as 0.1.dev340+gc975203.

    That of an editable install is of the time of the installation; `code` also changes with the files.
    """
    try:
        return version("tiflis")
    except PackageNotFoundError:
        return __version__


@cache
def code() -> str:
    """Return a digest of the package's sources at the first call, 8 characters; equal for equal code."""
    folder, total = Path(__file__).parent, blake2b(digest_size=DIGEST_BYTES)
    for path in sorted(folder.rglob("*.py")):
        source = path.read_bytes()
        total.update(f"{path.relative_to(folder)}\0{len(source)}\0".encode() + source)
    return total.hexdigest()
