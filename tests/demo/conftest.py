"""A relay, a fast demo workstation behind it, and devices, for the length of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tiflis_workstation.workstation import DemoWorkstation

from tests.demo.device import Device
from tests.demo.people import NewDevice, demo_workstation, devices_of
from tests.demo.relay import Relay
from tests.peers import REGISTRATION_KEY


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with Relay(api_key=REGISTRATION_KEY) as running:
        yield running


@pytest.fixture
async def workstation(relay: Relay) -> AsyncIterator[DemoWorkstation]:
    async with demo_workstation(relay.url) as made:
        yield made


@pytest.fixture
async def new_device(workstation: DemoWorkstation) -> AsyncIterator[NewDevice]:
    async with devices_of(workstation) as new:
        yield new


@pytest.fixture
async def device(new_device: NewDevice) -> Device:
    return await new_device()
