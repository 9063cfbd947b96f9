"""The subjects on the bus, and the ids that may become part of one."""

import re

from tiflis.bus.errors import BadSubject

HELLO = "tiflis.hello"
GONE = "tiflis.gone"
ASK = "tiflis.ask"
LIMITS = "tiflis.limits"
ORPHANS = "tiflis.orphans"

# 128 characters: twice the longest tunnel id, far below the 4 KiB control line of NATS.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def checked(identifier: str) -> str:
    """Return the id. Raise BadSubject if it holds anything but `[A-Za-z0-9_-]`: no wildcard, dot or blank."""
    if _ID.fullmatch(identifier) is None:
        raise BadSubject("an id on the bus is 1 to 128 characters of [A-Za-z0-9_-]")
    return identifier


def inbox(worker_id: str) -> str:
    """Return the subject at which a worker receives packets."""
    return f"tiflis.w.{checked(worker_id)}"


def answers(worker_id: str) -> str:
    """Return the subject at which a worker receives answers to its questions."""
    return f"tiflis.r.{checked(worker_id)}"
