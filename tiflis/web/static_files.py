"""A web client's build in memory: the file of each path, with its headers for caches."""

import gzip
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

TOTAL_LIMIT = 64 << 20  # bytes of one build in memory; ours has under two million
FILE_LIMIT = 4096  # files of one build
COMPRESS_FROM = 1024  # bytes; a smaller file takes one packet, compressed or not
LATER_BELOW = 2 << 20  # bytes; larger files are compressed at the start: at a request that would take 60 ms
DEPTH_LIMIT = 16  # segments of a path that the page answers for

REVALIDATE = "no-cache"
IMMUTABLE = "public, max-age=31536000, immutable"

_CODINGS = {".br": "br", ".gz": "gzip"}  # the better one first
_TEXT = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml",
    ".wasm": "application/wasm",
    ".ttf": "font/ttf",
    ".ico": "image/x-icon",
}
_BINARY = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".mp4": "video/mp4",
}
_OTHER = "application/octet-stream"
# A bundler's content hash before the extension, in the folders where bundlers put such files.
_HASHED = re.compile(
    r"(?:.*/)?(?:assets|static|_app|_next|chunks)/(?:.*[/.-])?(?P<hash>[\w-]{8,32})\.\w+(?:\.\w+)?"
)


class BuildTooLarge(Exception):
    """The folder is no web client's build: too many files or bytes."""


@dataclass(frozen=True)
class File:
    """One file as it is sent: plain and, if that is smaller, encoded.

    Tag and encodings are made at the first request: a worker sends only a few files, and starts faster.
    """

    body: bytes
    content_type: str
    cache: str = REVALIDATE
    twins: dict[str, bytes] = field(default_factory=dict)  # that the build holds, by content coding
    is_text: bool = False

    @cached_property
    def encoded(self) -> dict[str, bytes]:
        """Return the encodings by content coding, the best first; text without a gzip twin is compressed."""
        made = _compressed(self.body) if self.is_text and "gzip" not in self.twins else {}
        return self.twins | made

    @cached_property
    def tag(self) -> str:
        """Return the digest of the content for an ETag."""
        return sha256(self.body).hexdigest()[:24]

    def choose(self, accept_encoding: str) -> tuple[str, bytes]:
        """Return the content coding (empty for none) and the bytes for a client that accepts these."""
        accepted = accepted_codings(accept_encoding)
        return next(
            ((coding, body) for coding, body in self.encoded.items() if coding in accepted), ("", self.body)
        )


def make_file(body: bytes, name: str, twins: dict[str, bytes] | None = None) -> File:
    """Return the file with its type. ``twins``: its encodings in the build."""
    suffix = Path(name).suffix.lower()
    content_type = _TEXT.get(suffix) or _BINARY.get(suffix, _OTHER)
    cache = IMMUTABLE if is_hashed(name) else REVALIDATE
    return File(body, content_type, cache, twins or {}, suffix in _TEXT)


def is_hashed(name: str) -> bool:
    """Return whether the name contains a hash of the content, so that a browser may keep the file for
    ever."""
    match = _HASHED.fullmatch(name)
    return bool(match) and bool(re.search(r"[0-9A-Z_]", match["hash"])) if match else False


def accepted_codings(accept_encoding: str) -> set[str]:
    """Return the codings of an Accept-Encoding header that have no weight of zero (RFC 9110, 12.5.3)."""
    accepted = set()
    for item in accept_encoding.lower().split(","):
        coding, _, weight = item.partition(";")
        if not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight):
            accepted.add(coding.strip())
    return accepted


def _compressed(body: bytes) -> dict[str, bytes]:
    if len(body) < COMPRESS_FROM:
        return {}
    small = gzip.compress(body, 6, mtime=0)
    return {"gzip": small} if len(small) < 0.9 * len(body) else {}


def read_folder(folder: Path) -> dict[str, File]:
    """Return all files below the folder by their path, except hidden files and links to the outside."""
    raw = _read_raw(folder.resolve())
    twins = {
        name for name in raw if Path(name).suffix in _CODINGS and name.removesuffix(Path(name).suffix) in raw
    }
    files = {}
    for name in raw.keys() - twins:
        encoded = {coding: raw[name + end] for end, coding in _CODINGS.items() if name + end in twins}
        files[name] = make_file(raw[name], name, encoded)
        if len(raw[name]) > LATER_BELOW:
            _ = files[name].encoded
    return files


def _read_raw(root: Path) -> dict[str, bytes]:
    raw: dict[str, bytes] = {}
    total = 0
    for place, folders, names in os.walk(root, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if not path.is_file() or not path.resolve().is_relative_to(root):
                continue
            total += path.stat().st_size
            if total > TOTAL_LIMIT or len(raw) >= FILE_LIMIT:
                raise BuildTooLarge
            raw[path.relative_to(root).as_posix()] = path.read_bytes()
    return raw


class SinglePage:
    """A build whose page is the answer to every path that is not a file."""

    def __init__(self, files: dict[str, File]) -> None:
        """``files`` must hold an index.html."""
        self._files = files
        self._page = files["index.html"]
        self._deep: dict[int, File] = {}

    @property
    def page(self) -> bytes:
        """Return the page's bytes as they are in the build."""
        return self._page.body

    @property
    def pages(self) -> list[bytes]:
        """Return all pages of the build as they are written, that one first."""
        others = [file.body for name, file in self._files.items() if name.lower().endswith((".html", ".htm"))]
        return [self.page, *others]

    def has(self, path: str) -> bool:
        """Return whether a file of the build has this path."""
        return path.lstrip("/") in self._files

    def find(self, path: str) -> File | None:
        """Return the file for a request's path (still percent-encoded), or None."""
        name = unquote(path).lstrip("/")
        segments = name.split("/")
        if "\0" in name or any(segment in (".", "..") for segment in segments):
            return None
        if name in self._files:
            return self._files[name]
        if "." in segments[-1] or len(segments) > DEPTH_LIMIT:
            return None
        return self._page_at(len(segments) - 1)

    def _page_at(self, depth: int) -> File:
        """Return the page for a path at this depth: its relative links must still lead to the top."""
        if depth == 0 or b"<base " in self._page.body:
            return self._page
        if depth not in self._deep:
            base = b'<head><base href="%s">' % (b"../" * depth)
            self._deep[depth] = make_file(self._page.body.replace(b"<head>", base, 1), "index.html")
        return self._deep[depth]
