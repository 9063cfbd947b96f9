"""Pairing data as apps and browsers read it: a link with the tunnel, the server's URL and a key."""

import base64
import json
from typing import Any
from urllib.parse import quote

_PAGES = {"ws": "http", "wss": "https"}


def pairing(tunnel_id: str, url: str, ws_path: str, key: str) -> dict[str, Any]:
    """Return the pairing data and its links. ``url``: of the WebSocket endpoint, which ends with
    ``ws_path``."""
    data = {"tunnel_id": tunnel_id, "url": url, "key": key}
    encoded = quote(base64.b64encode(json.dumps(data, separators=(",", ":")).encode()).decode(), safe="")
    scheme, _, rest = url.removesuffix(ws_path).partition("://")
    return {
        "pairing": data,
        "link": f"tiflis://connect?data={encoded}",
        "web_link": f"{_PAGES.get(scheme, scheme)}://{rest}/#data={encoded}",
    }
