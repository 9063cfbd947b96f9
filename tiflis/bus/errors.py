"""Errors between this worker and the others.

BusError
├── BadSubject              an id that must not become part of a subject
├── BadBusUrl               NATS_URL cannot be understood
├── LinkUnavailable         no NATS server took us in time
│   └── NoResponders        the bus is there, and no subscriber answers on the subject
├── OtherVersion            workers are there that we could not talk to
├── ChannelClosed           a message was given to a channel that has ended
├── PacketRefused           another worker sent what we cannot read
└── DirectoryError
    ├── DirectoryUnavailable    the store cannot be reached; nothing is known to have changed
    │   ├── NoRoom              it has refused a write for want of room
    │   └── RecordTooLarge      the bus takes no record of this size
    └── Conflict                another worker was faster; carries what is stored now
"""

from typing import Any


class BusError(Exception):
    """The root of this room's errors."""


class BadSubject(BusError, ValueError):
    """An id with characters that mean something in a subject, or of a wrong length."""


class BadBusUrl(BusError, ValueError):
    """NATS_URL cannot be understood. The text never repeats the URL: it may carry credentials."""


class LinkUnavailable(BusError):
    """No NATS server accepted the connection in time; retries go on."""


class NoResponders(LinkUnavailable):
    """The bus is up, and nothing there answers on this subject."""


class OtherVersion(BusError):
    """Other workers on this bus are of code that reads and writes another format."""


class ChannelClosed(BusError):
    """The channel has ended: open another one."""


class PacketRefused(BusError):
    """A packet of another version, or cut short."""


class DirectoryError(BusError):
    """The root of the directory's errors."""


class DirectoryUnavailable(DirectoryError):
    """The store cannot be reached, or did not answer in time."""


class NoRoom(DirectoryUnavailable):
    """The store has refused a write for want of room: nothing was stored."""


class RecordTooLarge(DirectoryUnavailable):
    """The bus takes no message of this size: nothing was stored, and a retry is in vain."""


class Conflict(DirectoryError):
    """The record is not at the revision that was expected; `current` is what is stored now."""

    def __init__(self, current: Any) -> None:
        super().__init__("the record was changed by another worker")
        self.current = current
