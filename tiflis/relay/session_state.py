"""What a socket is in the relay, written down so that another process can go on with it."""

import msgspec

from tiflis.protocol.messages import Connection


class SessionState(msgspec.Struct, omit_defaults=True):
    """One socket's role and all that its session knows. Keys are among it: it travels only between our
    own workers, over a private Unix socket."""

    role: str  # newcomer, client, workstation or orphan
    number: int  # of the socket in the worker that it leaves
    tunnel_id: str = ""
    auth_key: str = ""
    device_id: str = ""
    reconnect: bool = False
    connected: bool = False
    told_offline: bool = False
    base_url: str = ""
    first: list[bytes] = []  # a newcomer's messages that have been read but not acted upon

    @property
    def connection(self) -> Connection:
        return Connection(self.tunnel_id, self.auth_key, self.device_id, self.reconnect)
