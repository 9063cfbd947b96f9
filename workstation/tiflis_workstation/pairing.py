"""The data that pairs a device: magic link, web link, pairing JSON and QR code (protocol 9)."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import segno

MAGIC_LINK = "tiflis://connect?data="
WEB_SCHEMES = {"ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Pairing:
    """One tunnel as a device needs to know it."""

    tunnel_id: str
    url: str
    key: str

    @property
    def json(self) -> str:
        return json.dumps(
            {"tunnel_id": self.tunnel_id, "url": self.url, "key": self.key}, separators=(",", ":")
        )

    @property
    def data(self) -> str:
        """The pairing JSON in base64, percent-encoded so that it survives in any URL."""
        return quote(base64.b64encode(self.json.encode()).decode(), safe="")

    @property
    def magic_link(self) -> str:
        return MAGIC_LINK + self.data

    @property
    def web_link(self) -> str:
        """The web client of the same server; the data is in the fragment, which no server ever sees."""
        url = urlsplit(self.url)
        # A proxy may serve everything below a path, such as /x/.
        below = url.path.removesuffix("ws") if url.path.endswith("/ws") else "/"
        return urlunsplit((WEB_SCHEMES.get(url.scheme, "https"), url.netloc, below, "", f"data={self.data}"))

    def qr_code(self) -> str:
        """Return the web link as a QR code in half-block characters: a phone's camera opens it in the
        browser."""
        out = io.StringIO()
        segno.make(self.web_link, error="l", micro=False).terminal(out=out, compact=True, border=2)
        return out.getvalue()
