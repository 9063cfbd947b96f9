"""Invitations: the server mints a key for one new device (docs/devices.md), which the demo prints."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from tiflis_workstation.pairing import WEB_SCHEMES, Pairing

SCOPES = ("owner", "full", "chat", "view")
SECONDS = 10.0
OWNER = "demo-workstation"  # the device id under which the demo calls the API


class NoInvitation(Exception):
    """The server did not mint a key; the text says why."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A minted key: its pairing data, the code to type, and until when a device may use either."""

    pairing: Pairing
    code: str
    until: str


def invite(url: str, own: Pairing, scope: str) -> Invitation:
    """Have the server at ``url`` (of its WebSocket) mint a key of this scope. Block; raise NoInvitation."""
    parts = urlsplit(url)
    place = urlunsplit((WEB_SCHEMES.get(parts.scheme, "https"), parts.netloc, "/api/v1/devices", "", ""))
    headers = {
        "Authorization": f"Bearer {own.key}",
        "X-Tunnel-Id": own.tunnel_id,
        "X-Device-Id": OWNER,
        "Content-Type": "application/json",
    }
    body = json.dumps({"scope": scope, "name": f"Demo {scope}"}).encode()
    request = urllib.request.Request(place, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            made = json.load(answer)
        found = made["pairing"]
        pairing = Pairing(found["tunnel_id"], found["url"], found["key"])
        return Invitation(pairing, str(made["code"]), str(made["until"]))
    except urllib.error.HTTPError as problem:
        raise NoInvitation(f"the server answers {problem.code}") from None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise NoInvitation(str(problem) or type(problem).__name__) from None
