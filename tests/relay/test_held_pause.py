"""A pause of the server is no silence of the workstation: what became of a held message is read first."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.patience import eventually
from tiflis.protocol.hold import Request
from tiflis.relay.held import keeper
from tiflis.relay.held.interfaces import Host
from tiflis.relay.held.keeper import HeldMessages
from tiflis.relay.held.records import UNSURE, HeldRecord, accepted
from tiflis.relay.held.store import HeldStore, Stored


class FakeStore:
    """One message, which waits."""

    ready = True

    def __init__(self, record: HeldRecord) -> None:
        self.record, self.revision = record, 1

    async def load(self, _tunnel_id: str) -> list[Stored]:
        return [Stored(self.record, self.revision)]

    async def write(self, _tunnel_id: str, record: HeldRecord, _revision: int) -> int:
        self.record, self.revision = record, self.revision + 1
        return self.revision


class Devices:
    """No device has a socket."""

    def sockets(self, _device_id: str) -> list[object]:
        return []

    def __contains__(self, _device_id: str) -> bool:
        return False


def host(sent: list[bytes]) -> Host:
    """Return a home with a workstation and without other peers."""
    presence = SimpleNamespace(
        workstation=object(), introduce=lambda *_, **__: None, send=lambda *sends: sent.append(sends[-1])
    )
    home: Any = SimpleNamespace(
        tunnel_id="t",
        frozen=False,
        retired=False,
        presence=presence,
        access=SimpleNamespace(ready=True, allows=lambda *_: True, outcome=lambda *_: None),
        device_registry=Devices(),
        watches=SimpleNamespace(stays=SimpleNamespace(on=True, ready=True, cursor=lambda *_: None)),
    )
    return cast(Host, home)


async def test_a_workstation_that_was_lost_in_a_pause_leaves_a_message_unsure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper, "ACK_SECONDS", 0.3)
    now, sent = time.time(), list[bytes]()
    request = Request("x", "m", 60.0, text=b'{"type":"x","id":"m"}')
    store = FakeStore(accepted(request, "phone", "", now + 60, now, "me"))
    tasks: list[asyncio.Task[None]] = []
    held = HeldMessages(
        host(sent), cast(HeldStore, store), lambda work: tasks.append(asyncio.ensure_future(work))
    )
    held.workstation_registered()
    await eventually(lambda: held.awaits, 5, "it is sent")
    asyncio.get_running_loop().call_later(0.35, held.workstation_lost)
    time.sleep(0.8)  # the pause
    await eventually(lambda: store.record.state == UNSURE, 5, "the loss is read")
    held.close()
    await asyncio.gather(*tasks)
