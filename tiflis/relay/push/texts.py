"""The texts of notifications. By default they say nothing of a message's content."""

from typing import Any

import msgspec

from tiflis.relay.push import encryption
from tiflis.relay.push.events import BELL, DONE, FAILED, OFFLINE, Event
from tiflis.relay.push.records import Subscription

_TITLES = {
    "en": {
        DONE: "{name} is done",
        FAILED: "{name} has failed",
        OFFLINE: "The workstation is offline",
        BELL: "{name}: bell",
        "test": "Notifications work",
        "": "The assistant",
    },
    "de": {
        DONE: "{name} ist fertig",
        FAILED: "{name} ist gescheitert",
        OFFLINE: "Der Arbeitsplatz ist offline",
        BELL: "{name}: Klingel",
        "test": "Benachrichtigungen funktionieren",
        "": "Der Assistent",
    },
    "es": {
        DONE: "{name} ha terminado",
        FAILED: "{name} ha fallado",
        OFFLINE: "El equipo está desconectado",
        BELL: "{name}: timbre",
        "test": "Las notificaciones funcionan",
        "": "El asistente",
    },
}
LANGUAGES = tuple(_TITLES)
TEST = "test"


def title(event: Event, name: str, language: str = "en") -> str:
    """Return an event's title. ``name``: of its session, empty for the supervisor."""
    titles = _TITLES.get(language, _TITLES["en"])
    return titles[event.kind].format(name=name or titles[""])


def payload(subscription: Subscription, event: Event, name: str, tunnel_id: str, now: float) -> bytes:
    """Return the notification as JSON, also in the declarative form (docs/staying.md, section 3)."""
    notification: dict[str, Any] = {
        "title": title(event, name, subscription.language),
        "navigate": subscription.page + (f"#session={event.session}" if event.session else ""),
        "tag": event.session or event.kind,
    }
    if subscription.excerpt and event.text:
        notification["body"] = event.text
    about: dict[str, Any] = {"kind": event.kind, "tunnel_id": tunnel_id, "at": int(now * 1000)}
    if event.id:
        about["id"] = event.id
    if event.session:
        about["session"] = event.session
    text = msgspec.json.encode({"web_push": 8030, "notification": notification, "tiflis": about})
    if len(text) > encryption.LARGEST:
        notification.pop("body", None)
        text = msgspec.json.encode({"web_push": 8030, "notification": notification, "tiflis": about})
    return text
