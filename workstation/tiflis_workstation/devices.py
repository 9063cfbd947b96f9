"""The authenticated devices, the sessions they are subscribed to, and their order of arrival."""

from __future__ import annotations

REMEMBERED_DEVICES = 256


class Devices:
    """Subscriptions outlive a disconnect, so that a device that returns finds its sessions subscribed."""

    def __init__(self) -> None:
        self._present: dict[str, None] = {}
        self._viewers: dict[str, dict[str, None]] = {}
        self._remembered: dict[str, list[str]] = {}

    @property
    def present(self) -> list[str]:
        return list(self._present)

    def is_present(self, device_id: str) -> bool:
        return device_id in self._present

    def enter(self, device_id: str) -> list[str]:
        """Note that the device is authenticated; return the sessions that it is, or was last, subscribed
        to."""
        self._present[device_id] = None
        for session_id in self._remembered.pop(device_id, []):
            if session_id in self._viewers:
                self._viewers[session_id][device_id] = None
        return self.subscriptions(device_id)

    def leave(self, device_id: str) -> None:
        self._present.pop(device_id, None)
        subscriptions = self.subscriptions(device_id)
        for session_id in subscriptions:
            del self._viewers[session_id][device_id]
        if subscriptions:
            self._remembered[device_id] = subscriptions
        while len(self._remembered) > REMEMBERED_DEVICES:
            del self._remembered[next(iter(self._remembered))]

    def open_session(self, session_id: str) -> None:
        self._viewers[session_id] = {}

    def close_session(self, session_id: str) -> None:
        self._viewers.pop(session_id, None)

    def subscribe(self, device_id: str, session_id: str) -> None:
        self._viewers[session_id][device_id] = None

    def unsubscribe(self, device_id: str, session_id: str) -> None:
        self._viewers.get(session_id, {}).pop(device_id, None)

    def subscriptions(self, device_id: str) -> list[str]:
        return [session_id for session_id, viewers in self._viewers.items() if device_id in viewers]

    def viewers(self, session_id: str) -> list[str]:
        return list(self._viewers.get(session_id, {}))

    def is_master(self, device_id: str, session_id: str) -> bool:
        """Return whether the device decides how large the terminal is: the first subscriber does."""
        return next(iter(self._viewers.get(session_id, {})), None) == device_id
