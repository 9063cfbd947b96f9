"""Notifiers of the server (NOTIFY) and of single tunnels: ntfy, and a signed webhook. They receive no content
of messages."""

import contextlib
import hmac
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from tiflis.relay.push.delivery import LONGEST_ENDPOINT, Delivery, Reply, Target
from tiflis.relay.push.records import Notifiers

NTFY, WEBHOOK = "ntfy", "webhook"


class Channel(NamedTuple):
    """``kind``: ntfy or webhook; ``secret``: signs a webhook's calls."""

    kind: str
    target: Target
    secret: str = ""


class Notice(NamedTuple):
    """An event as notifiers are sent it. ``at``: seconds since 1970; ``id``: the same if it is repeated."""

    kind: str
    title: str
    session: str
    tunnel_id: str
    workstation: str
    at: float
    id: str


def parse(text: str, secret: str) -> Channel:
    """Return the notifier of ``ntfy+https://…/topic`` or ``webhook+https://…``. Raise ValueError."""
    kind, _, address = text.partition("+")
    url = urlsplit(address)
    port = url.port  # raises ValueError
    right = url.scheme in ("http", "https") and url.hostname and port != 0 and url.username is None
    if kind not in (NTFY, WEBHOOK) or not right or not text.isascii() or not text.isprintable():
        raise ValueError("must be ntfy+https://host/topic or webhook+https://host/path")
    if kind == NTFY and not url.path.strip("/"):
        raise ValueError("needs a topic: ntfy+https://host/topic")
    if kind == WEBHOOK and not secret:
        raise ValueError("with a webhook needs NOTIFY_SECRET")
    return Channel(kind, Target(url, own=True), secret)


def parse_for_tunnel(text: str, secret: str, services: Collection[str]) -> Channel:
    """Return a tunnel's notifier, which its owner has typed: https only, and public addresses only, except at
    the origins in ``services``. Raise ValueError."""
    if len(text) > LONGEST_ENDPOINT:
        raise ValueError("is too long")
    if text.startswith(WEBHOOK) and not secret:
        raise ValueError("a webhook needs a secret")
    channel = parse(text, secret)
    url = channel.target.url
    own = f"{url.scheme}://{url.netloc}".lower() in services
    if url.scheme != "https" and not own:
        raise ValueError("must be https")
    return channel._replace(target=Target(url, own))


def of_tunnel(notifiers: Notifiers, services: Collection[str]) -> list[Channel]:
    """Return a tunnel's notifiers, without those that are not allowed any more."""
    found = []
    for address in notifiers.addresses:
        with contextlib.suppress(ValueError):
            found.append(parse_for_tunnel(address, notifiers.secret, services))
    return found


async def send(channel: Channel, notice: Notice, delivery: Delivery) -> Reply:
    """Return the answer. Raise Refused, OSError."""
    if channel.kind == NTFY:
        return await _send_ntfy(channel, notice, delivery)
    body = msgspec.json.encode(_described(notice))
    headers = {"Content-Type": "application/json", **signature(channel.secret, notice.at, body)}
    return await delivery.post(channel.target, body, headers)


def _described(notice: Notice) -> dict[str, Any]:
    about: dict[str, Any] = {
        "id": notice.id,
        "kind": notice.kind,
        "title": notice.title,
        "tunnel_id": notice.tunnel_id,
        "workstation": notice.workstation,
        "at": int(notice.at * 1000),
    }
    return about | ({"session": notice.session} if notice.session else {})


def signature(secret: str, at: float, body: bytes) -> dict[str, str]:
    """Return the headers by which the receiver knows the sender and the time."""
    time = str(int(at))
    signed = hmac.digest(secret.encode(), time.encode() + b"." + body, "sha256").hex()
    return {"X-Tiflis-Time": time, "X-Tiflis-Signature": f"sha256={signed}"}


async def _send_ntfy(channel: Channel, notice: Notice, delivery: Delivery) -> Reply:
    """Publish as JSON, at the parent of the topic's path: titles may have any character."""
    parent, _, topic = channel.target.url.path.rstrip("/").rpartition("/")
    url = channel.target.url._replace(path=f"{parent}/", query="", fragment="")
    text = {"topic": topic, "title": notice.title, "message": notice.workstation, "tags": [notice.kind]}
    text["sequence_id"] = notice.id  # by which ntfy 2.16 and later replace a repeated one
    headers = {"Content-Type": "application/json"}
    return await delivery.post(channel.target._replace(url=url), msgspec.json.encode(text), headers)
