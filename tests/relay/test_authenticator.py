"""The authenticator: right keys, wrong keys, and too many of them (protocol, section 7)."""

from typing import cast

import pytest

from tests.relay.fake_directory import FakeDirectory
from tiflis.bus.directory.directory import Directory
from tiflis.protocol.errors import InvalidApiKey, InvalidAuthKey, RateLimited, TunnelError, TunnelNotFound
from tiflis.protocol.messages import Registration
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.auth.rate_limit import Limiter
from tiflis.relay.authenticator import Authenticator
from tiflis.relay.claims import Claim, Claims

API_KEY, AUTH, WRONG = "k" * 32, "the right auth key", "a wrong key, too long"
OTHER_KEY = "o" * 32
HERE, THERE = "10.0.0.1", "10.0.0.2"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Entry:
    """A gate before two tunnels."""

    def __init__(self) -> None:
        self.directory, self.clock = FakeDirectory(), Clock()
        ring = Keyring([API_KEY])
        self.claims = Claims(cast(Directory, self.directory), ring, "a-0-1", 0.0)
        self.gate = Authenticator(
            self.claims, ring, Limiter(None, self.clock, lambda data: None), live_tunnels=100
        )

    async def open(self) -> "Entry":
        for name in ("mine", "yours"):
            await self.register(Registration(API_KEY, "desk", AUTH, name))
        return self

    async def register(self, said: Registration, address: str = HERE) -> Claim:
        return await self.claims.register(said, self.gate.applicant(said, address))

    async def try_key(self, *keys: str, tunnel: str = "mine", address: str = HERE) -> str:
        """Return the key that fitted, or the name of the refusal."""
        try:
            return await self.gate.authorise(tunnel, keys, address)
        except TunnelError as problem:
            return type(problem).__name__


@pytest.fixture
async def entry() -> Entry:
    return await Entry().open()


async def test_the_right_key(entry: Entry) -> None:
    assert await entry.try_key(AUTH) == AUTH
    assert await entry.try_key(WRONG, AUTH) == AUTH, "a watch may write one key in two ways"
    assert await entry.try_key(WRONG) == InvalidAuthKey.__name__
    assert await entry.try_key() == InvalidAuthKey.__name__


async def test_an_unknown_tunnel_is_not_an_attempt(entry: Entry) -> None:
    for _ in range(20):
        assert await entry.try_key(AUTH, tunnel="unknown") == TunnelNotFound.__name__
    assert await entry.try_key(AUTH) == AUTH


async def test_after_ten_wrong_keys_none_is_compared(entry: Entry) -> None:
    for _ in range(10):
        assert await entry.try_key(WRONG) == InvalidAuthKey.__name__
    assert await entry.try_key(WRONG) == RateLimited.__name__
    assert await entry.try_key(AUTH) == RateLimited.__name__, "not even the right one"
    assert await entry.try_key(AUTH, tunnel="yours") == AUTH
    assert await entry.try_key(AUTH, address=THERE) == AUTH
    entry.clock.now += 61.0
    assert await entry.try_key(AUTH) == AUTH


async def test_right_keys_are_no_attempts(entry: Entry) -> None:
    assert [await entry.try_key(AUTH) for _ in range(50)] == [AUTH] * 50


async def test_a_refusal_contains_the_time_to_wait(entry: Entry) -> None:
    for _ in range(10):
        await entry.try_key(WRONG)
    entry.clock.now += 20.0
    with pytest.raises(RateLimited) as refused:
        await entry.gate.authorise("mine", [AUTH], HERE)
    assert 0 < refused.value.retry_after <= 40.0


async def test_registration_keys_are_counted_an_address(entry: Entry) -> None:
    for _ in range(10):
        with pytest.raises(InvalidApiKey):
            entry.gate.admit_workstation("w" * 32, HERE)
    with pytest.raises(RateLimited):
        entry.gate.admit_workstation(API_KEY, HERE)
    entry.gate.admit_workstation(API_KEY, THERE)
    assert await entry.try_key(AUTH) == AUTH, "its devices are not affected"


async def test_a_registration_key_makes_sixty_new_tunnels_a_minute_from_one_address(entry: Entry) -> None:
    new = Registration(API_KEY, "desk", AUTH, None)
    for _ in range(58):  # two are there
        await entry.register(new)
    with pytest.raises(RateLimited, match="Too many new tunnels"):
        await entry.register(new)
    await entry.register(Registration(API_KEY, "desk", AUTH, "mine"), THERE)
    await entry.register(Registration(OTHER_KEY, "desk", AUTH, None))
    await entry.register(new, THERE)
    entry.clock.now += 61.0
    await entry.register(new)


async def test_a_registration_key_has_no_more_tunnels_than_it_may(entry: Entry) -> None:
    new = Registration(API_KEY, "desk", AUTH, None)
    for number in range(98):
        await entry.register(new, f"10.0.1.{number // 50}")
    with pytest.raises(RateLimited, match="as many tunnels"):
        await entry.register(new, THERE)
    assert (await entry.register(Registration(API_KEY, "desk", AUTH, "mine"))).restored
    await entry.register(Registration(OTHER_KEY, "desk", AUTH, None))
