"""Claims of tunnels: the table of section 2, races, stolen ids, rotations and outages."""

from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests.relay.fake_directory import FakeDirectory
from tiflis.bus.directory.directory import Directory, Record
from tiflis.protocol.errors import RegistrationFailed, Starting, TunnelError, TunnelNotFound
from tiflis.protocol.ids import is_tunnel_id
from tiflis.protocol.messages import Registration
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.auth.rate_limit import Limiter, Looks
from tiflis.relay.authenticator import Authenticator
from tiflis.relay.claims import ATTEMPTS, Claim, Claims

OLD_KEY, NEW_KEY = "o" * 32, "n" * 32
AUTH, OTHER_AUTH = "the owner's auth key", "somebody else's key"


@pytest.fixture
def directory() -> FakeDirectory:
    return FakeDirectory()


def claims(
    directory: FakeDirectory, me: str = "a-0-1", keys: tuple[str, ...] = (OLD_KEY,), warmup: float = 0.0
) -> "Trusting":
    return Trusting(cast(Directory, directory), Keyring(keys), me, warmup)


class Trusting(Claims):
    """Claims whose gate looks at every key."""

    def __init__(self, directory: Directory, keyring: Keyring, me: str, warmup: float) -> None:
        super().__init__(directory, keyring, me, warmup)
        self._gate = Authenticator(
            self, keyring, Limiter(None, lambda: 1000.0, lambda data: None, Looks(pair=1000))
        )

    async def register(self, said: Registration, *arguments: Any) -> Claim:
        return await super().register(said, self._gate.applicant(said, ""), *arguments)


def said(previous: str | None = None, auth_key: str = AUTH, name: str = "desk") -> Registration:
    return Registration(OLD_KEY, name, auth_key, previous)


async def test_a_new_tunnel(directory: FakeDirectory) -> None:
    claim = await claims(directory).register(said())
    assert is_tunnel_id(claim.record.tunnel_id)
    assert len(claim.record.tunnel_id) == 12
    assert (claim.previous, claim.restored, claim.record.home, claim.record.online) == (
        None,
        False,
        "a-0-1",
        True,
    )
    assert AUTH not in str(claim.record)
    assert (directory.reads, directory.puts) == (0, 1)


async def test_a_known_tunnel_with_its_key_is_restored(directory: FakeDirectory) -> None:
    first = await claims(directory).register(said())
    again = await claims(directory, "b-0-1").register(said(first.record.tunnel_id, name="renamed"))
    assert again.record.tunnel_id == first.record.tunnel_id
    assert again.restored
    assert again.previous == first.record
    assert (again.record.name, again.record.home) == ("renamed", "b-0-1")
    assert again.record.generation == first.record.generation + 1


@pytest.mark.parametrize("online", [True, False])
async def test_a_known_tunnel_with_another_key_is_not_given_away(
    directory: FakeDirectory, online: bool
) -> None:
    owner = (await claims(directory).register(said())).record
    owner = directory.store(replace(owner, online=online, home="a-0-1" if online else ""))
    thief = await claims(directory).register(said(owner.tunnel_id, auth_key=OTHER_AUTH))
    assert thief.record.tunnel_id != owner.tunnel_id
    assert not thief.restored
    assert directory.stored[owner.tunnel_id] == owner


async def test_an_unknown_tunnel_is_reclaimed(directory: FakeDirectory) -> None:
    claim = await claims(directory).register(said("from-before"))
    assert (claim.record.tunnel_id, claim.restored, claim.record.generation) == ("from-before", False, 1)


async def test_a_thief_cannot_reclaim_a_tunnel_that_only_the_store_holds(directory: FakeDirectory) -> None:
    directory.lagging = True
    owner = (await claims(directory).register(said("mine"))).record
    thief = await claims(directory).register(said("mine", auth_key=OTHER_AUTH))
    assert thief.record.tunnel_id != "mine"
    assert directory.stored["mine"] == owner


async def test_a_rival_that_was_faster_with_the_same_key(directory: FakeDirectory) -> None:
    """The same workstation on two workers: both are served, in an order; one record remains."""
    first = (await claims(directory).register(said("mine"))).record
    directory.before_put = lambda record: cast(
        None, directory.store(replace(first, home="b-0-1", generation=first.generation + 1))
    )
    claim = await claims(directory).register(said("mine"))
    assert claim.record.generation == first.generation + 2
    assert claim.previous is not None
    assert claim.previous.home == "b-0-1", "the old home to take over from is the rival"


@pytest.mark.parametrize("lagging", [False, True], ids=["heard of", "not heard of"])
async def test_a_registration_whose_claim_comes_after_that_of_a_later_one(
    directory: FakeDirectory, lagging: bool
) -> None:
    """The workstation has gone to another worker since: it stays there."""
    slow, fast = claims(directory), claims(directory, "b-0-1")
    await slow.register(said("mine"))
    arrival = slow.arrival(said("mine"))
    directory.lagging = lagging
    newest = await fast.register(said("mine"))
    late = await slow.register(said("mine"), arrival)
    assert (late.overtaken, newest.overtaken) == (True, False)
    assert directory.stored["mine"] == newest.record
    again = await slow.register(said("mine"))
    assert (again.overtaken, again.record.home) == (False, "a-0-1")


async def test_a_rival_that_was_faster_with_another_key(directory: FakeDirectory) -> None:
    """Two workstations race for an id that nobody holds: exactly one wins."""
    rival = await claims(FakeDirectory(), "b-0-1").register(said("free", auth_key=OTHER_AUTH))
    directory.before_put = lambda record: cast(None, directory.store(rival.record))
    claim = await claims(directory).register(said("free"))
    assert claim.record.tunnel_id != "free"
    assert directory.stored["free"].home == "b-0-1"


async def test_a_storm_of_rivals_ends(directory: FakeDirectory) -> None:
    def always(record: Record) -> None:
        current = directory.stored[record.tunnel_id]
        directory.store(replace(current, generation=current.generation + 1))
        directory.before_put = always

    await claims(directory).register(said("mine"))
    directory.before_put = always
    with pytest.raises(RegistrationFailed):
        await claims(directory).register(said("mine"))
    assert directory.puts <= ATTEMPTS + 1


@pytest.mark.parametrize("previous", [None, "mine"])
async def test_without_the_directory_a_registration_fails(
    directory: FakeDirectory, previous: str | None
) -> None:
    directory.away = True
    with pytest.raises(RegistrationFailed):
        await claims(directory).register(said(previous))


async def test_a_rotation_of_the_registration_keys(directory: FakeDirectory) -> None:
    first = (await claims(directory, keys=(OLD_KEY,)).register(said())).record
    rotating = claims(directory, keys=(NEW_KEY, OLD_KEY))
    assert rotating._gate.owns(first, AUTH, "")
    again = await rotating.register(said(first.tunnel_id))
    assert again.restored
    assert again.record.key_id != first.key_id, "rewritten under the first key"
    assert claims(directory, keys=(NEW_KEY,))._gate.owns(again.record, AUTH, "")


async def test_a_reconnect_needs_two_operations_at_most(directory: FakeDirectory) -> None:
    await claims(directory).register(said("mine"))
    directory.reads = directory.puts = 0
    await claims(directory).register(said("mine"))
    assert directory.reads + directory.puts <= 2


# Finding


async def refused(found: Claims, tunnel_id: str, fresh: bool = False) -> type[TunnelError]:
    with pytest.raises(TunnelError) as problem:
        await found.find(tunnel_id, fresh)
    return problem.type


async def test_a_tunnel_that_the_directory_does_not_hold_is_not_found(directory: FakeDirectory) -> None:
    assert await refused(claims(directory), "unknown") is TunnelNotFound


async def test_for_a_while_after_an_empty_start_a_missing_tunnel_is_answered_starting(
    directory: FakeDirectory,
) -> None:
    directory.started_empty = True
    assert await refused(claims(directory, warmup=30), "unknown") is Starting
    assert await refused(claims(directory, warmup=-1), "unknown") is TunnelNotFound


async def test_without_the_directory_a_missing_tunnel_is_answered_starting(directory: FakeDirectory) -> None:
    directory.away = True
    assert await refused(claims(directory), "unknown") is Starting


async def test_without_the_directory_what_is_followed_is_known(directory: FakeDirectory) -> None:
    stored = (await claims(directory).register(said("mine"))).record
    directory.away = True
    assert await claims(directory).find("mine", fresh=True) == stored


async def test_the_store_is_asked_when_the_copy_lags(directory: FakeDirectory) -> None:
    directory.lagging = True
    stored = (await claims(directory).register(said("mine"))).record
    assert await claims(directory).find("mine") == stored


@pytest.mark.parametrize("tunnel_id", ["*", ">", "a.b", "a\r\nb", "", "x" * 65])
async def test_what_cannot_be_an_id_never_reaches_the_bus(directory: FakeDirectory, tunnel_id: str) -> None:
    assert await refused(claims(directory), tunnel_id) is TunnelNotFound
    assert directory.reads == 0


async def test_a_newer_claim(directory: FakeDirectory) -> None:
    mine = (await claims(directory).register(said("mine"))).record
    assert not claims(directory).newer(mine)
    directory.store(replace(mine, generation=mine.generation + 1, home="b-0-1"))
    assert claims(directory).newer(mine)
