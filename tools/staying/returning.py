"""Peers that come back after a kill, however long a busy machine takes."""

from __future__ import annotations

import asyncio

from websockets.exceptions import ConnectionClosed, InvalidMessage

from tests.harness import Crowd, Peer
from tests.system.resuming import ResumingDevice

PATIENCE = 60.0  # seconds for one answer of a server that others slow down


async def return_workstation(people: Crowd, tunnel_id: str) -> Peer:
    """Register the workstation again; its first sockets may still reach the dying worker."""
    async with asyncio.timeout(2 * PATIENCE):
        while True:
            try:
                return (await people.workstation(previous=tunnel_id, deadline=PATIENCE))[0]
            except (OSError, InvalidMessage, ConnectionClosed, AssertionError, TimeoutError):
                await asyncio.sleep(0.05)


async def return_device(device: ResumingDevice) -> None:
    """Connect a device again."""
    problem: Exception | None = None
    try:
        async with asyncio.timeout(2 * PATIENCE):
            while True:
                try:
                    await device.connect()
                    return
                except (OSError, InvalidMessage, ConnectionClosed, AssertionError) as found:
                    problem = found
                    await asyncio.sleep(0.05)
    except TimeoutError:
        seen = device.peer.seen if device.peer is not None else []
        raise AssertionError(f"{device.device_id} not connected: {problem}; received {seen[-5:]}") from None
