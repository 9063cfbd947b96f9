"""A demo workstation that does not dawdle, and devices that are paired with it, for the length of a test."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from tiflis_workstation.workstation import DemoWorkstation, Options

from tests.demo.device import Device
from tests.peers import AUTH_KEY, REGISTRATION_KEY

NewDevice = Callable[..., Awaitable[Device]]


@asynccontextmanager
async def demo_workstation(url: str) -> AsyncIterator[DemoWorkstation]:
    """Registered at the server whose sockets are at ``url``."""
    made = DemoWorkstation(url, REGISTRATION_KEY, AUTH_KEY, options=Options(speed=math.inf))
    await made.start()
    yield made
    await made.stop()


@asynccontextmanager
async def devices_of(workstation: DemoWorkstation) -> AsyncIterator[NewDevice]:
    """Pairs a device with it at each call."""
    async with AsyncExitStack() as stack:

        async def new(device_id: str = "phone-1") -> Device:
            return await stack.enter_async_context(await Device.pair(workstation.pairing, device_id))

        yield new
