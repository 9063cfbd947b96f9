"""What moves with a tunnel from one home to the next, besides its sockets and its watches."""

import msgspec

from tiflis.relay.remote.envelope import ChannelPosition


class ClientSnapshot(msgspec.Struct, array_like=True):
    """One client on its way to the new home."""

    number: int  # of its socket in its worker
    device_id: str
    connected: bool
    told_offline: bool
    reconnect: bool
    missed: list[tuple[int, bytes]] = []
    overflowed: bool = False


class EdgeSnapshot(msgspec.Struct, array_like=True):
    """Clients of one worker, and what lies between it and the homes that they come from.

    The channel to the last home may be gone before all of it has arrived. So the next home gets what was
    still ``owed`` to the worker, each message with the chunk it ends in, and of each channel how much the
    home there had consumed; the worker then says how much it consumed itself.
    """

    worker: str
    stages: list[ChannelPosition] = []  # the last one is the channel of ``owed``
    owed: list[tuple[int, bytes]] = []
    clients: list[ClientSnapshot] = []
    resumed: list[ChannelPosition] = []  # what the worker has said of ways before these, not acted upon yet


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
    parties: list[EdgeSnapshot] = []
