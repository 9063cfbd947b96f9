"""What moves with a tunnel from one home to the next, besides its sockets and its watches."""

import msgspec


class HomeState(msgspec.Struct):
    """Times are ages in seconds: the two workers need not agree on a clock."""

    waiting: list[tuple[str, bytes, bytes]]
    departed: list[str]
    seen: dict[str, float]
    introduced: list[str]
    requests: list[tuple[str, bytes, float]]
    online: bool
    grace: bool
    written_down: bool
    present: list[str] = []  # said apart from ``seen``: a device may have left in this very moment
