"""A relay, a fast demo workstation behind it, and devices, for the length of a test."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.demo.device import Device
from tests.demo.relay import Relay
from tests.peers import AUTH_KEY, REGISTRATION_KEY
from tiflis.demo.workstation import DemoWorkstation, Options

NewDevice = Callable[..., Awaitable[Device]]


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with Relay(api_key=REGISTRATION_KEY) as running:
        yield running


@pytest.fixture
async def workstation(relay: Relay) -> AsyncIterator[DemoWorkstation]:
    made = DemoWorkstation(relay.url, REGISTRATION_KEY, AUTH_KEY, options=Options(speed=math.inf))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def new_device(workstation: DemoWorkstation) -> AsyncIterator[NewDevice]:
    async with AsyncExitStack() as stack:

        async def new(device_id: str = "phone-1") -> Device:
            return await stack.enter_async_context(await Device.pair(workstation.pairing, device_id))

        yield new


@pytest.fixture
async def device(new_device: NewDevice) -> Device:
    return await new_device()
